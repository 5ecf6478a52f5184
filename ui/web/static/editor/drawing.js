// What both canvases of the stage draw with: checkerboard, frames, labels.

import { colours, MARK } from "./theme.js";

const CHECK = 8; // CSS pixels

/** Fill a rectangle of the screen with a checkerboard that begins at its corner. */
export function checkerboard(context, [x, y, w, h]) {
  const { checkA, checkB } = colours();
  const tile = new OffscreenCanvas(2 * CHECK, 2 * CHECK);
  const paint = tile.getContext("2d");
  paint.fillStyle = checkA;
  paint.fillRect(0, 0, 2 * CHECK, 2 * CHECK);
  paint.fillStyle = checkB;
  paint.fillRect(CHECK, 0, CHECK, CHECK);
  paint.fillRect(0, CHECK, CHECK, CHECK);
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix([1, 0, 0, 1, x, y]));
  context.fillStyle = pattern;
  context.fillRect(x, y, w, h);
}

/** A closed line through points of the screen, readable on any picture. */
export function outline(context, points, { width = 1.5, dash = [], colour = MARK.main } = {}) {
  context.beginPath();
  points.forEach(({ x, y }, index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
  context.setLineDash(dash);
  context.lineWidth = width + 1.5;
  context.strokeStyle = "rgb(255 255 255 / 0.8)";
  context.stroke();
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke();
  context.setLineDash([]);
}

/** A straight line across the screen. */
export function line(context, from, to, colour = MARK.main, width = 1) {
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.lineTo(to.x, to.y);
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke();
}

/** A small sign with text, its top left corner at a point, kept within the screen. */
export function sign(context, text, { x, y }, { within, fill = MARK.main, ink = MARK.ink } = {}) {
  context.font = "500 12px system-ui, sans-serif";
  const width = Math.min(260, context.measureText(text).width + 14);
  const height = 22;
  const left = within ? Math.max(4, Math.min(x, within.width - width - 4)) : x;
  const top = within ? Math.max(4, Math.min(y, within.height - height - 4)) : y;
  context.fillStyle = fill;
  context.beginPath();
  context.roundRect(left, top, width, height, 4);
  context.fill();
  context.save();
  context.clip();
  context.fillStyle = ink;
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.fillText(text, left + 7, top + height / 2 + 0.5);
  context.restore();
}

/** A numbered disc, the mark of a point. */
export function disc(context, { x, y }, text, fill, ring = false) {
  context.beginPath();
  context.arc(x, y, 10, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  context.lineWidth = ring ? 3 : 1.5;
  context.strokeStyle = MARK.ink;
  context.stroke();
  context.font = "600 11px system-ui, sans-serif";
  context.fillStyle = MARK.ink;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, x, y + 0.5);
}
