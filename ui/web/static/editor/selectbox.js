// How the selection looks: outlines, the box with its handles, guides and what is under the pointer.

import { nodeAt, selected } from "../store.js";
import { line, outline, sign } from "./drawing.js";
import { corners, IDENTITY } from "./geometry.js";
import { boxOnScreen, handlePoints } from "./handles.js";
import { lockedOf, selectionBounds } from "./selection.js";
import { MARK } from "./theme.js";

const GUIDE = "#ff3d81"; // seen on most pictures

/**
 * Paint what `look()` answers: { matrix, guides, note: {text, at}, hover: path|null, dragging }.
 * Handles are shown with the selection tool only.
 */
export function selectionPainter(studio, stage, look) {
  const { store } = studio;
  return (context, viewport) => {
    const document = stage.showsDocument && store.get("document");
    if (!document) return;
    const { matrix, guides, note, hover, dragging } = look();
    const box = selectionBounds(document);
    if (hover && !dragging && !document.selection.includes(hover)) paintHover(context, viewport, nodeAt(document, hover));
    if (box && box[2] > 0) {
      if (document.selection.length > 1) {
        for (const node of selected(document)) outline(context, boxOnScreen(viewport, node.bounds, matrix), { width: 1, dash: [4, 3] });
      }
      outline(context, boxOnScreen(viewport, box, matrix));
      const handles = store.get("tool") === "select" && !lockedOf(document);
      if (handles) paintHandles(context, handlePoints(viewport, box, matrix));
    }
    if (guides) paintGuides(context, viewport, guides);
    if (note) sign(context, note.text, { x: note.at.x + 16, y: note.at.y + 16 }, { within: viewport });
  };
}

function paintHover(context, viewport, node) {
  if (!node || !node.bounds[2]) return;
  const points = corners(node.bounds).map((point) => viewport.toScreen(point));
  outline(context, points, { width: 1 });
  sign(context, node.name, { x: points[0].x, y: points[0].y - 26 }, { within: viewport });
}

function paintHandles(context, points) {
  line(context, points.n, points.rotate, MARK.main, 1.5);
  for (const [name, { x, y }] of Object.entries(points)) {
    context.beginPath();
    if (name === "rotate") context.arc(x, y, 5, 0, 2 * Math.PI);
    else context.roundRect(x - 4.5, y - 4.5, 9, 9, 1.5);
    context.fillStyle = MARK.ink;
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = MARK.main;
    context.stroke();
  }
}

function paintGuides(context, viewport, { x, y }) {
  if (x !== null) {
    const at = viewport.toScreen({ x, y: 0 }).x;
    line(context, { x: at, y: 0 }, { x: at, y: viewport.height }, GUIDE);
  }
  if (y !== null) {
    const at = viewport.toScreen({ x: 0, y }).y;
    line(context, { x: 0, y: at }, { x: viewport.width, y: at }, GUIDE);
  }
}

export const AT_REST = { matrix: IDENTITY, guides: null, note: null, dragging: false };
