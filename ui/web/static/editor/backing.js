// The picture of the document as the screen needs it: whole at a base level, sharp where one looks.

import { contains, grown, intersection } from "./geometry.js";
import { Surface } from "./surface.js";

const BASE_PIXELS = 1.5e6;
const DETAIL_PIXELS = 6e6;
const MARGIN = 0.15; // of the seen rectangle, so that a small pan needs no new picture
const CALM_MS = 90; // panning is over

/** The least level at which so many pixels are enough. */
export function levelWithin(width, height, pixels) {
  let level = 0;
  while (Math.ceil(width / 2 ** level) * Math.ceil(height / 2 ** level) > pixels) level += 1;
  return level;
}

/** The coarsest level that still has a pixel for each of the screen. */
export function levelFor(zoom) {
  const density = globalThis.devicePixelRatio || 1;
  return Math.max(0, Math.floor(-Math.log2(zoom * density) + 1e-9));
}

export class Backing {
  #base = null;
  #detail = null;
  #coming = null; // the next detail, not shown before it is complete
  #timer = null;

  /** `source()` gives the query of the newest picture; `drawn()` is called when there is more to see. */
  constructor(viewport, source, drawn) {
    this.viewport = viewport;
    this.source = source;
    this.drawn = drawn;
    viewport.onChange(() => this.#look());
  }

  /** Another document, or none. */
  open(extent) {
    for (const surface of [this.#base, this.#detail, this.#coming]) surface?.close();
    this.#base = this.#detail = this.#coming = null;
    this.extent = extent;
    if (!extent) return;
    const level = levelWithin(extent.width, extent.height, BASE_PIXELS);
    this.#base = new Surface([0, 0, extent.width, extent.height], level, this.source, this.drawn);
    this.#base.mark();
    this.#look(0);
  }

  /** The picture changed in a rectangle (null: anywhere). What is looked at comes first. */
  async mark(dirty) {
    const rect = dirty || (this.extent && [0, 0, this.extent.width, this.extent.height]);
    if (!rect) return;
    const base = this.#base;
    this.#detail?.mark(rect);
    this.#coming?.mark(rect);
    if (this.#detail) await this.#detail.whenSettled();
    base?.mark(rect);
  }

  /** Whether there is anything to draw yet. */
  get ready() {
    return Boolean(this.#base?.complete || this.#detail?.complete);
  }

  /** Resolves when the screen shows the newest picture. */
  async whenSettled() {
    await (this.#detail || this.#base)?.whenSettled();
  }

  /** Draw into a context whose unit is the canvas pixel. */
  paint(context) {
    if (!this.#detail?.complete || !contains(this.#detail.region, this.#seen() || [0, 0, 0, 0])) this.#base?.paint(context);
    if (!this.#detail?.complete) return;
    // The detail replaces the base, also where it is transparent.
    const [x, y, w, h] = this.#detail.region;
    context.clearRect(x, y, w, h);
    this.#detail.paint(context);
  }

  #seen() {
    const { width, height } = this.extent;
    return intersection(this.viewport.visible(), [0, 0, width, height]);
  }

  #look(delay = CALM_MS) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#sharpen(), delay);
  }

  /** See to it that what is seen has a pixel for each of the screen. */
  #sharpen() {
    const seen = this.extent && this.#base && this.#seen();
    if (!seen) return;
    const level = this.#detailLevel(seen);
    if (level >= this.#base.level) return this.#dropDetail();
    const newest = this.#coming || this.#detail;
    if (newest && newest.level === level && contains(newest.region, seen)) return;
    this.#coming?.close();
    const { width, height } = this.extent;
    const region = intersection(grown(seen, Math.max(seen[2], seen[3]) * MARGIN), [0, 0, width, height]);
    const surface = new Surface(region.map(Math.round), level, this.source, () => this.#arrived(surface));
    this.#coming = surface;
    surface.mark();
  }

  #detailLevel([, , w, h]) {
    const room = 1 + 2 * MARGIN;
    return Math.max(levelFor(this.viewport.zoom), levelWithin(w * room, h * room, DETAIL_PIXELS));
  }

  #arrived(surface) {
    if (surface === this.#coming) {
      this.#detail?.close();
      this.#detail = surface;
      this.#coming = null;
    }
    this.drawn();
  }

  #dropDetail() {
    this.#coming?.close();
    this.#detail?.close();
    this.#detail = this.#coming = null;
    this.drawn();
  }
}
