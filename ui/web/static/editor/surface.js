// A bitmap of one rectangle of the canvas at one level, kept equal to the server's picture.

import { picture } from "../wire.js";
import { aligned, intersection, isEmpty, union } from "./geometry.js";

const AGAIN_MS = 2000; // after a failure
const TRIES = 5;

/**
 * Pictures are asked for one at a time and for the newest revision, so that none overtakes a newer
 * one; rectangles that become dirty meanwhile are gathered and asked for together afterwards.
 */
export class Surface {
  #pending = null;
  #controller = null;
  #waiting = [];
  #failures = 0;

  /**
   * @param region  [x, y, w, h] of the canvas, grown to multiples of 2^level
   * @param source  () => ({revision, ...}) of the query, or null if there is no document
   * @param drawn   called after each picture that was drawn
   */
  constructor(region, level, source, drawn) {
    this.level = level;
    this.step = 2 ** level;
    this.region = aligned(region, this.step);
    this.source = source;
    this.drawn = drawn;
    this.complete = false; // whether all of it was drawn once
    this.canvas = document.createElement("canvas");
    this.canvas.width = Math.max(1, this.region[2] / this.step);
    this.canvas.height = Math.max(1, this.region[3] / this.step);
    this.context = this.canvas.getContext("2d");
  }

  get settled() {
    return !this.#pending && !this.#controller;
  }

  /** Resolves when nothing is dirty or on its way. */
  whenSettled() {
    if (this.settled) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The picture has changed there; by default everywhere. */
  mark(rect = this.region) {
    const shared = intersection(rect, this.region);
    if (!shared) return;
    this.#pending = union(this.#pending, shared);
    this.#pump();
  }

  /** Stop: nothing is drawn any more. */
  close() {
    this.source = () => null;
    this.#pending = null;
    this.#controller?.abort();
    this.#release();
  }

  /** Draw into a context whose unit is the canvas pixel. */
  paint(context) {
    const [x, y, w, h] = this.region;
    context.drawImage(this.canvas, x, y, w, h);
  }

  async #pump() {
    const query = this.source();
    if (this.#controller || isEmpty(this.#pending) || !query) return;
    const rect = aligned(this.#pending, this.step);
    this.#pending = null;
    this.#controller = new AbortController();
    try {
      const [x, y, w, h] = rect;
      const got = await picture("render.png", { ...query, level: this.level, x, y, w, h }, this.#controller.signal);
      this.#draw(got);
      this.complete = true;
      this.#failures = 0;
      this.drawn();
    } catch (error) {
      if (error.name !== "AbortError") this.#failed(rect, query, error);
    }
    this.#controller = null;
    if (this.#pending) this.#pump();
    else this.#release();
  }

  /** A revision that is gone was overtaken: ask for the newest; what else fails is tried again later. */
  #failed(rect, query, error) {
    const newest = this.source();
    if (newest && newest.revision !== query.revision) this.#pending = union(this.#pending, rect);
    else if (newest && this.#failures < TRIES) setTimeout(() => this.mark(rect), AGAIN_MS);
    this.#failures += 1;
    console.warn(error.message);
  }

  #draw({ bitmap, bounds }) {
    const x = (bounds[0] - this.region[0]) / this.step;
    const y = (bounds[1] - this.region[1]) / this.step;
    this.context.clearRect(x, y, bitmap.width, bitmap.height);
    this.context.drawImage(bitmap, x, y);
    bitmap.close();
  }

  #release() {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
