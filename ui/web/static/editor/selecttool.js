// The selection tool: click picks, drag moves, handles scale and turn.

import { t } from "../i18n.js";
import { post } from "../wire.js";
import { distance, holds, isIdentity, translation } from "./geometry.js";
import { cursorOf, handleAt, handlePoints, rotateMatrix, scaleMatrix, turned, HANDLES } from "./handles.js";
import { mountHover } from "./hover.js";
import { openLayerMenu } from "./layermenu.js";
import { DragPreview } from "./preview.js";
import { AT_REST, selectionPainter } from "./selectbox.js";
import { lockedOf, others, selectionBounds } from "./selection.js";
import { linesOf, snapPoint, snapRect } from "./snapping.js";

const STILL = 4; // CSS pixels that a click may wander

export function selectTool(studio, stage, options) {
  const { store, edit } = studio;
  const hover = mountHover(studio, stage);
  let drag = null;
  let clicked = null; // { point, path }: the last pick, so that the next click there goes one deeper

  stage.addPainter(selectionPainter(studio, stage, () => ({ ...AT_REST, ...drag?.look, dragging: Boolean(drag), hover: hover.path() })));

  const documentNow = () => store.get("document");

  function handleUnder(event) {
    const box = selectionBounds(documentNow());
    if (!box || !box[2] || lockedOf(documentNow())) return null;
    return handleAt(handlePoints(stage.viewport, box, AT_REST.matrix), stage.screenPointOf(event));
  }

  async function pick(point, again) {
    const [x, y] = [Math.floor(point.x), Math.floor(point.y)];
    const { width, height, revision } = documentNow();
    if (x < 0 || y < 0 || x >= width || y >= height) return null;
    try {
      return (await post("pick", { revision, x, y, again })).path;
    } catch (error) {
      edit.failed(error);
      return null;
    }
  }

  /** Begin to move, scale or turn the selection; a locked one is only named. */
  function begin(kind, handle = null) {
    const document = documentNow();
    const locked = lockedOf(document);
    if (locked) {
      studio.notify?.({ kind: "info", message: t("canvas.locked", { name: locked.name }) });
      drag = null;
      return;
    }
    Object.assign(drag, { kind, handle, box: selectionBounds(document), lines: linesOf(document, others(document).map((node) => node.bounds)) });
    drag.preview = new DragPreview(stage, document, document.selection, () => stage.redraw());
    stage.preview = drag.preview;
    hover.clear();
  }

  /** A press that wanders becomes a drag: of the selection if it began there, else of what is there. */
  async function beginMove() {
    const mine = drag;
    const { box } = mine;
    if (box && holds(box, mine.start) && !mine.shift) return begin("move");
    mine.kind = "waiting";
    const path = await pick(mine.start, false);
    if (drag !== mine) return;
    if (!path) return void (mine.kind = "nothing");
    edit.select([path]);
    begin("move");
    if (drag && mine.latest) follow(...mine.latest);
  }

  function follow(event, point) {
    const snaps = options.snap && !event.ctrlKey && !event.metaKey;
    const note = { at: stage.screenPointOf(event) };
    const done = WAYS[drag.kind]({ drag, event, point, snaps, zoom: stage.viewport.zoom });
    drag.matrix = done.matrix;
    drag.look = { matrix: done.matrix, guides: done.guides || null, note: { ...note, text: done.text } };
    drag.preview.matrix = done.matrix;
    stage.redraw();
    stage.repaint();
  }

  async function commit({ kind, matrix, preview }) {
    if (!matrix || isIdentity(matrix)) return release(preview);
    if (kind === "move") await edit.run("move", { dx: matrix[4], dy: matrix[5] });
    else await edit.run("transform", { matrix, resample: "auto" });
    await stage.backing.whenSettled();
    release(preview);
  }

  function release(preview) {
    preview.close();
    if (stage.preview === preview) stage.preview = null;
    stage.redraw();
    stage.repaint();
  }

  async function click(event, point) {
    const again = Boolean(clicked) && distance(clicked.point, stage.screenPointOf(event)) <= STILL
      && documentNow().selection.length === 1 && documentNow().selection[0] === clicked.path && !event.shiftKey;
    const path = await pick(point, again);
    clicked = path ? { point: stage.screenPointOf(event), path } : null;
    const before = documentNow().selection;
    if (!event.shiftKey) edit.select(path ? [path] : []);
    else if (path) edit.select(before.includes(path) ? before.filter((one) => one !== path) : [...before, path]);
  }

  return {
    down(event, point) {
      if (!stage.showsDocument) return false;
      const handle = event.shiftKey && !selectionBounds(documentNow()) ? null : handleUnder(event);
      drag = { start: point, startScreen: stage.screenPointOf(event), shift: event.shiftKey, kind: "press", box: selectionBounds(documentNow()) };
      if (handle) begin(handle === "rotate" ? "rotate" : "scale", handle);
      return Boolean(drag);
    },
    move(event, point) {
      if (!drag || drag.kind === "nothing") return;
      drag.latest = [event, point];
      if (drag.kind === "press") {
        if (distance(drag.startScreen, stage.screenPointOf(event)) > STILL) beginMove();
      } else if (drag.kind !== "waiting") follow(event, point);
    },
    up(event, point) {
      const ended = drag;
      drag = null;
      if (!ended) return;
      if (ended.kind === "press") click(event, point);
      else if (ended.preview) commit(ended);
      stage.repaint();
    },
    cancel() {
      if (drag?.preview) release(drag.preview);
      drag = null;
      stage.repaint();
    },
    hover: (event, point) => (handleUnder(event) ? hover.clear() : hover.at(point)),
    leave: () => hover.clear(),
    /** Of what is under the pointer; with the menu key, of what is selected. */
    async menu(event, point) {
      if (!stage.showsDocument) return;
      const at = { x: event.clientX, y: event.clientY };
      const path = event.button === 2 ? await pick(point, false) : null;
      if (path && !documentNow().selection.includes(path)) edit.select([path]);
      if (documentNow().selection.length) openLayerMenu(studio, at);
    },
    left: () => hover.clear(),
    cursor(event, point) {
      if (!stage.showsDocument) return "default";
      const handle = handleUnder(event);
      if (handle) return cursorOf(handle);
      const box = selectionBounds(documentNow());
      return box && holds(box, point) && !lockedOf(documentNow()) ? "move" : "default";
    },
  };
}

/** What a drag of each kind does: { matrix, text, guides }. */
const WAYS = {
  move({ drag, event, point, snaps, zoom }) {
    let dx = point.x - drag.start.x;
    let dy = point.y - drag.start.y;
    if (event.shiftKey) [dx, dy] = Math.abs(dx) > Math.abs(dy) ? [dx, 0] : [0, dy];
    const [x, y, w, h] = drag.box;
    const snap = snaps ? snapRect([x + dx, y + dy, w, h], drag.lines, zoom) : { dx: 0, dy: 0, guides: null };
    [dx, dy] = [Math.round(dx + snap.dx), Math.round(dy + snap.dy)];
    return { matrix: translation(dx, dy), guides: snap.guides, text: `${x + dx}, ${y + dy}` };
  },
  scale({ drag, event, point, snaps, zoom }) {
    const [u, v] = HANDLES[drag.handle];
    const free = event.shiftKey;
    const single = u === 0.5 || v === 0.5;
    const snap = snaps && (single || free) ? snapPoint(point, drag.lines, zoom, { horizontally: u !== 0.5, vertically: v !== 0.5 }) : null;
    const to = snap ? { x: point.x + snap.dx, y: point.y + snap.dy } : point;
    const matrix = scaleMatrix(drag.box, drag.handle, to, { free, fromCentre: event.altKey });
    const size = [drag.box[2] * Math.abs(matrix[0]), drag.box[3] * Math.abs(matrix[3])].map(Math.round);
    return { matrix, guides: snap?.guides, text: `${size[0]} × ${size[1]}` };
  },
  rotate({ drag, event, point }) {
    const degrees = turned(drag.box, drag.start, point, event.shiftKey);
    return { matrix: rotateMatrix(drag.box, degrees), text: `${degrees}°` };
  },
};
