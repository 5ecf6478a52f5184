// The eight handles of the selection's box and the one that turns it.

import { apply, centre, clamp, corners, distance, rotation, scaling } from "./geometry.js";

const REACH = 8; // CSS pixels around a handle
const STEM = 26; // from the top edge to the turning handle

// Where each handle lies in the box, from 0 to 1.
export const HANDLES = {
  nw: [0, 0], n: [0.5, 0], ne: [1, 0], e: [1, 0.5], se: [1, 1], s: [0.5, 1], sw: [0, 1], w: [0, 0.5],
};
const CURSORS = ["ew-resize", "nwse-resize", "ns-resize", "nesw-resize"];

function at([x, y, w, h], [u, v]) {
  return { x: x + u * w, y: y + v * h };
}

/** Positions on the screen of a box of the canvas that a matrix moves: { nw: point, ..., rotate: point }. */
export function handlePoints(viewport, box, matrix) {
  const screen = (point) => viewport.toScreen(apply(matrix, point));
  const points = Object.fromEntries(Object.entries(HANDLES).map(([name, place]) => [name, screen(at(box, place))]));
  const middle = screen(centre(box));
  const away = Math.max(1, distance(points.n, middle));
  const { x, y } = points.n;
  points.rotate = { x: x + ((x - middle.x) / away) * STEM, y: y + ((y - middle.y) / away) * STEM };
  if (away <= 1) points.rotate = { x, y: y - STEM };
  return points;
}

/** The handle at a screen point, or null. Corners come before edges; a tiny box has no edge handles. */
export function handleAt(points, screenPoint) {
  const wide = distance(points.nw, points.ne) > 36;
  const high = distance(points.nw, points.sw) > 36;
  const shown = ["rotate", "nw", "ne", "se", "sw", ...(wide ? ["n", "s"] : []), ...(high ? ["e", "w"] : [])];
  return shown.find((name) => distance(points[name], screenPoint) <= REACH) || null;
}

export function cursorOf(handle) {
  if (handle === "rotate") return "grab";
  const [u, v] = HANDLES[handle];
  if (v === 0.5) return CURSORS[0];
  if (u === 0.5) return CURSORS[2];
  return u === v ? CURSORS[1] : CURSORS[3];
}

/**
 * The matrix of dragging a handle to a canvas point: corners keep the proportions unless `free`,
 * `fromCentre` keeps the middle in its place. Never smaller than one pixel.
 */
export function scaleMatrix(box, handle, point, { free = false, fromCentre = false } = {}) {
  const [u, v] = HANDLES[handle];
  const fixed = fromCentre ? centre(box) : at(box, [1 - u, 1 - v]);
  const grip = at(box, [u, v]);
  const along = (now, from, still, size) => {
    const raw = (now - still) / (from - still || 1);
    return Math.abs(raw) * size < 1 ? (raw < 0 ? -1 : 1) / Math.max(1, size) : raw;
  };
  let sx = u === 0.5 ? 1 : along(point.x, grip.x, fixed.x, box[2]);
  let sy = v === 0.5 ? 1 : along(point.y, grip.y, fixed.y, box[3]);
  if (u !== 0.5 && v !== 0.5 && !free) [sx, sy] = proportional(sx, sy);
  return scaling(clamp(sx, -100, 100), clamp(sy, -100, 100), fixed);
}

/** The larger of both scales for both, each with its own sign. */
function proportional(sx, sy) {
  const size = Math.max(Math.abs(sx), Math.abs(sy));
  return [Math.sign(sx) * size, Math.sign(sy) * size];
}

/** The angle in degrees, clockwise, of turning a box from one canvas point to another. */
export function turned(box, from, to, coarse) {
  const middle = centre(box);
  const angle = (point) => (Math.atan2(point.y - middle.y, point.x - middle.x) * 180) / Math.PI;
  const degrees = ((angle(to) - angle(from) + 540) % 360) - 180;
  return coarse ? Math.round(degrees / 15) * 15 : Math.round(degrees * 10) / 10;
}

export function rotateMatrix(box, degrees) {
  return rotation(degrees, centre(box));
}

/** The corners on the screen of a box that a matrix moves. */
export function boxOnScreen(viewport, box, matrix) {
  return corners(box).map((point) => viewport.toScreen(apply(matrix, point)));
}
