// Boxes and points that say where things are: drawn on the canvas, kept in `store.hints`.

import { disc, outline, sign } from "./drawing.js";
import { clamp, corners, distance, spanned } from "./geometry.js";
import { registerShortcuts } from "./shortcuts.js";
import { MARK } from "./theme.js";

const REACH = 12; // CSS pixels around a mark
const LEAST = 4; // CSS pixels of a box: less was a click

/** The marks of `store.hints` and which of them is chosen; tools, bar and keys share it. */
export class Marks {
  chosen = null; // { kind: "boxes" | "points" | "excluded", index }

  constructor(studio, stage) {
    this.store = studio.store;
    this.stage = stage;
    this.drawn = null; // a box that is being drawn
    this.store.watch("hints", () => {
      if (this.chosen && !this.store.get("hints")[this.chosen.kind][this.chosen.index]) this.chosen = null;
      stage.repaint();
    });
    stage.addPainter((context, viewport) => this.#paint(context, viewport));
    const when = () => this.chosen !== null && ["box", "point"].includes(this.store.get("tool"));
    registerShortcuts(studio, [
      { keys: ["Delete", "Backspace"], label: "keys.delete_mark", section: "keys.tools", when, run: () => this.remove() },
    ]);
  }

  add(kind, mark) {
    const hints = this.store.get("hints");
    this.chosen = { kind, index: hints[kind].length };
    this.store.set({ hints: { ...hints, [kind]: [...hints[kind], mark.map(Math.round)] } });
  }

  replace({ kind, index }, mark) {
    const hints = this.store.get("hints");
    this.store.set({ hints: { ...hints, [kind]: hints[kind].map((one, at) => (at === index ? mark.map(Math.round) : one)) } });
  }

  remove(which = this.chosen) {
    if (!which) return;
    const hints = this.store.get("hints");
    this.chosen = null;
    this.store.set({ hints: { ...hints, [which.kind]: hints[which.kind].filter((_, at) => at !== which.index) } });
  }

  choose(which) {
    this.chosen = which;
    this.store.set({ hints: { ...this.store.get("hints") } }); // who lists them shows which is chosen
  }

  /** The mark near a screen point, the newest first. */
  at(screenPoint) {
    const { viewport } = this.stage;
    const hints = this.store.get("hints");
    for (const kind of ["points", "excluded", "boxes"]) {
      const near = hints[kind].findLastIndex(([x, y]) => distance(viewport.toScreen({ x, y }), screenPoint) <= REACH);
      if (near >= 0) return { kind, index: near };
    }
    return null;
  }

  /** Within the shown picture. */
  clamped({ x, y }) {
    const { width, height } = this.stage.viewport.extent;
    return { x: clamp(x, 0, width), y: clamp(y, 0, height) };
  }

  #paint(context, viewport) {
    const { boxes, points, excluded } = this.store.get("hints");
    const is = (kind, index) => this.chosen?.kind === kind && this.chosen.index === index;
    const paintBox = (box, text, width) => {
      const shape = corners(box).map((point) => viewport.toScreen(point));
      outline(context, shape, { width });
      sign(context, text, shape[0], {});
    };
    boxes.forEach((box, index) => paintBox(box, String(index + 1), is("boxes", index) ? 3 : 1.5));
    if (this.drawn) paintBox(this.drawn, `${Math.round(this.drawn[2])} × ${Math.round(this.drawn[3])}`, 1.5);
    const paintPoint = (kind, fill, prefix) => ([x, y], index) =>
      disc(context, viewport.toScreen({ x, y }), `${prefix}${index + 1}`, fill, is(kind, index));
    points.forEach(paintPoint("points", MARK.good, ""));
    excluded.forEach(paintPoint("excluded", MARK.bad, "−"));
  }
}

/** Draw a box; a click on the corner of one chooses it, a drag of that corner's sign moves it. */
export function boxTool(stage, marks) {
  let drag = null;
  return {
    down(event, point) {
      const found = marks.at(stage.screenPointOf(event));
      const box = found?.kind === "boxes" ? marks.store.get("hints").boxes[found.index] : null;
      marks.choose(box ? found : null);
      drag = { start: marks.clamped(point), from: stage.screenPointOf(event), moved: box && { which: found, box } };
      return true;
    },
    move(event, point) {
      const to = marks.clamped(point);
      if (drag.moved) marks.replace(drag.moved.which, movedBox(drag, to, stage.viewport.extent));
      else marks.drawn = spanned(drag.start, to);
      stage.repaint();
    },
    up(event) {
      const drawn = marks.drawn;
      marks.drawn = null;
      const click = distance(drag.from, stage.screenPointOf(event)) < LEAST;
      if (drawn && !click && drawn[2] >= 1 && drawn[3] >= 1) marks.add("boxes", drawn);
      stage.repaint();
    },
    cancel() {
      if (drag?.moved) marks.replace(drag.moved.which, drag.moved.box);
      marks.drawn = null;
      stage.repaint();
    },
    cursor: (event) => (marks.at(stage.screenPointOf(event))?.kind === "boxes" ? "move" : "crosshair"),
  };
}

function movedBox({ start, moved }, to, { width, height }) {
  const [x, y, w, h] = moved.box;
  return [clamp(x + to.x - start.x, 0, width - w), clamp(y + to.y - start.y, 0, height - h), w, h];
}

/** Set a point on a thing, or (alt, or chosen in the bar) on what is not meant; drag moves it. */
export function pointTool(stage, marks, options) {
  let drag = null;
  const pixel = (point) => {
    const { width, height } = stage.viewport.extent;
    return [clamp(Math.floor(point.x), 0, width - 1), clamp(Math.floor(point.y), 0, height - 1)];
  };
  return {
    down(event, point) {
      const found = marks.at(stage.screenPointOf(event));
      if (found && found.kind !== "boxes") marks.choose(found);
      else {
        const { width, height } = stage.viewport.extent;
        if (point.x < 0 || point.y < 0 || point.x >= width || point.y >= height) return false;
        const excluded = event.altKey !== (options.point === "excluded");
        marks.add(excluded ? "excluded" : "points", pixel(point));
      }
      drag = { which: marks.chosen, from: marks.store.get("hints")[marks.chosen.kind][marks.chosen.index] };
      return true;
    },
    move: (event, point) => marks.replace(drag.which, pixel(point)),
    cancel: () => marks.replace(drag.which, drag.from),
    cursor: (event) => (marks.at(stage.screenPointOf(event)) ? "move" : "crosshair"),
  };
}
