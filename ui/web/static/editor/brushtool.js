// The brush: erases from a layer's mask or gives back, one command a stroke.

import { t } from "../i18n.js";
import { nodeAt } from "../store.js";
import { clamp, distance } from "./geometry.js";
import { DragPreview } from "./preview.js";
import { lockedOf } from "./selection.js";
import { registerShortcuts } from "./shortcuts.js";
import { drawStroke, erased } from "./stroke.js";
import { MARK } from "./theme.js";

export const LEAST_SIZE = 1;
export const MOST_SIZE = 1000;

export function brushTool(studio, stage, options) {
  const { store } = studio;
  let stroke = null; // { points: [[x, y, pressure]], path, preview }
  let pointer = null; // where the cursor is, in canvas pixels
  let end = null; // of the last stroke: shift draws a straight line from there

  stage.addPainter((context, viewport) => {
    if (store.get("tool") !== "brush") return;
    if (stroke && (stroke.mode === "restore" || !stroke.preview.ready)) paintMark(context, viewport, stroke);
    if (pointer) paintCursor(context, viewport, pointer, options);
  });

  /** The layer that the brush would work on, or null with a word on why there is none. */
  function target() {
    const document = stage.showsDocument && store.get("document");
    if (!document) return null;
    const node = document.selection.length === 1 ? nodeAt(document, document.selection[0]) : null;
    const locked = lockedOf(document);
    const problem = !node ? t("canvas.brush_one") : locked ? t("canvas.locked", { name: locked.name }) : null;
    if (!problem) return node;
    studio.notify?.({ kind: "info", message: problem });
    return null;
  }

  function add(event) {
    const events = event.getCoalescedEvents?.() || [];
    for (const one of events.length ? events : [event]) {
      const { x, y } = stage.pointOf(one);
      const [lastX, lastY] = stroke.points.at(-1) || [Infinity, Infinity];
      const apart = distance({ x, y }, { x: lastX, y: lastY });
      if (apart >= Math.max(0.5, options.size / 16)) stroke.points.push([x, y, pressureOf(one)]);
    }
  }

  function show() {
    const { points, preview, path, mode, radius, hardness, strength } = stroke;
    if (preview.ready && mode === "erase") {
      preview.replaceSprite(path, (bitmap, bounds) => {
        stroke.original ||= bitmap;
        return erased(stroke.original, bounds, points, { radius, hardness, strength });
      });
      stage.redraw();
    }
    stage.repaint();
  }

  async function commit({ path, points, mode, radius, hardness, strength, preview }) {
    const rounded = points.map(([x, y, pressure]) => [round(x), round(y), round(pressure)]);
    await studio.edit.run("brush", { mode, points: rounded, radius, hardness, strength }, { paths: [path] });
    await stage.backing.whenSettled();
    close(preview);
  }

  function close(preview) {
    preview.close();
    if (stage.preview === preview) stage.preview = null;
    stage.redraw();
    stage.repaint();
  }

  const resize = (factor) => options.change({ size: clamp(Math.round(options.size * factor) || 1, LEAST_SIZE, MOST_SIZE) });
  const when = () => store.get("tool") === "brush";
  registerShortcuts(studio, [
    { keys: "BracketLeft", label: "keys.brush_smaller", section: "keys.tools", when, run: () => resize(0.8) },
    { keys: "BracketRight", label: "keys.brush_larger", section: "keys.tools", when, run: () => options.change({ size: Math.max(options.size + 1, clamp(Math.round(options.size * 1.25), LEAST_SIZE, MOST_SIZE)) }) },
    { keys: "X", label: "keys.brush_swap", section: "keys.tools", when, run: () => options.change({ mode: options.mode === "erase" ? "restore" : "erase" }) },
  ]);
  options.onChange(() => stage.repaint());

  return {
    down(event, point) {
      const node = target();
      if (!node) return false;
      const { mode, size, hardness, strength } = options;
      const preview = new DragPreview(stage, store.get("document"), [node.path], () => stroke?.preview === preview && show());
      stroke = { points: event.shiftKey && end ? [end] : [], path: node.path, mode, radius: size / 2, hardness, strength, preview };
      if (mode === "erase") stage.preview = preview;
      pointer = point;
      stroke.points.push([point.x, point.y, pressureOf(event)]);
      show();
      return true;
    },
    move(event, point) {
      if (!stroke) return;
      pointer = point;
      add(event);
      show();
    },
    up() {
      const ended = stroke;
      stroke = null;
      if (!ended) return;
      end = ended.points.at(-1);
      commit(ended);
      stage.repaint();
    },
    cancel() {
      if (stroke) close(stroke.preview);
      stroke = null;
    },
    hover(event, point) {
      pointer = point;
      stage.repaint();
    },
    leave() {
      pointer = null;
      stage.repaint();
    },
    left() {
      pointer = null;
    },
    cursor: () => (options.size * stage.viewport.zoom < 8 ? "crosshair" : "none"),
  };
}

const round = (value) => Math.round(value * 100) / 100;

/** Only pens know how hard they press. */
function pressureOf(event) {
  return event.pointerType === "pen" ? clamp(event.pressure || 0.5, 0.05, 1) : 1;
}

function paintMark(context, viewport, { points, radius, mode }) {
  context.save();
  context.transform(...viewport.matrix());
  context.globalAlpha = 0.45;
  const layer = new OffscreenCanvas(context.canvas.width, context.canvas.height);
  const paint = layer.getContext("2d");
  paint.setTransform(context.getTransform());
  drawStroke(paint, points, radius, mode === "restore" ? MARK.good : MARK.bad);
  context.resetTransform();
  context.drawImage(layer, 0, 0); // as one, so that crossings are no darker
  context.restore();
}

function paintCursor(context, viewport, point, { size, mode }) {
  const { x, y } = viewport.toScreen(point);
  const radius = Math.max(3, (size / 2) * viewport.zoom);
  for (const [width, colour] of [[2.5, "rgb(255 255 255 / 0.8)"], [1.25, "#16161a"]]) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.moveTo(x - 3, y);
    context.lineTo(x + 3, y);
    if (mode === "restore") {
      context.moveTo(x, y - 3);
      context.lineTo(x, y + 3);
    }
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke();
  }
}
