// What is seen while something is dragged: what is below, the dragged layers, what is above.

import { nodeAt } from "../store.js";
import { picture } from "../wire.js";
import { levelFor, levelWithin } from "./backing.js";
import { intersection } from "./geometry.js";
import { around, compareSteps, ofDocument, outermost } from "./selection.js";

const PIXELS = 1.5e6; // of each picture: dragging begins soon rather than sharp
// Blend modes that the browser knows; the others look normal until the drag ends.
const OPERATIONS = new Set(["multiply", "screen", "overlay", "darken", "lighten", "color-dodge", "color-burn", "hard-light", "soft-light",
  "difference", "exclusion", "hue", "saturation", "color", "luminosity"]);

export function operationOf(blend) {
  if (blend === "linear-dodge") return "lighter";
  return OPERATIONS.has(blend) ? blend : "source-over";
}

/** The dragged layers between what is below and above them; `paint` answers false until it is there. */
export class DragPreview {
  matrix = [1, 0, 0, 1, 0, 0];
  #below = null;
  #above = null;
  #sprites = [];
  #controller = new AbortController();

  constructor(stage, document, paths, loaded) {
    this.stage = stage;
    this.document = document;
    this.paths = outermost(paths).sort(compareSteps);
    this.ready = false;
    this.whenLoaded = this.#load().then(loaded, (error) => error.name !== "AbortError" && console.warn(error.message));
  }

  async #load() {
    const { viewport } = this.stage;
    const region = intersection(viewport.visible(), [0, 0, this.document.width, this.document.height]) || [0, 0, 1, 1];
    const level = Math.max(levelFor(viewport.zoom), levelWithin(region[2], region[3], PIXELS));
    const { below, above } = around(this.document, this.paths.at(-1));
    const without = (paths) => this.#render(region, level, outermost([...paths, ...this.paths]));
    const sprites = this.paths.map((path) => nodeAt(this.document, path)).filter((node) => node?.visible);
    const [lower, upper, ...shown] = await Promise.all([
      without(above), above.length ? without(below) : null, ...sprites.map((node) => this.#sprite(node, level)),
    ]);
    [this.#below, this.#above, this.#sprites] = [lower, upper, shown];
    this.ready = true;
  }

  #render([x, y, w, h], level, without) {
    const query = { ...ofDocument(this.document), level, x: Math.floor(x), y: Math.floor(y), w: Math.ceil(w) + 1, h: Math.ceil(h) + 1 };
    return picture("render.png", { ...query, without: without.join(",") }, this.#controller.signal);
  }

  async #sprite(node, level) {
    const drawn = { opacity: node.opacity, operation: operationOf(node.blend), path: node.path };
    if (!node.bounds[2] || !node.bounds[3]) return { ...drawn, bitmap: null };
    return { ...drawn, ...(await picture("sprite.png", { ...ofDocument(this.document), path: node.path, level }, this.#controller.signal)) };
  }

  /** Replace the picture of a layer, for a brush that works on it. */
  replaceSprite(path, change) {
    const sprite = this.#sprites.find((one) => one.path === path);
    if (sprite?.bitmap) sprite.bitmap = change(sprite.bitmap, sprite.bounds);
    return sprite || null;
  }

  paint(context) {
    if (!this.ready) return false;
    draw(context, this.#below);
    for (const sprite of this.#sprites) {
      context.save();
      context.transform(...this.matrix);
      context.globalAlpha = sprite.opacity;
      context.globalCompositeOperation = sprite.operation;
      draw(context, sprite);
      context.restore();
    }
    if (this.#above) draw(context, this.#above);
    return true;
  }

  close() {
    this.#controller.abort();
  }
}

function draw(context, { bitmap, bounds }) {
  if (bitmap) context.drawImage(bitmap, ...bounds);
}
