// Which part of the canvas is seen, and how large. All lengths here are CSS pixels or canvas pixels.

import { apply, clamp } from "./geometry.js";

export const LEAST_ZOOM = 0.02;
export const MOST_ZOOM = 64;
const STEPS = [0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.33, 0.5, 0.67, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
const MARGIN = 32; // around a fitted canvas
const KEPT = 64; // of the canvas, always within sight

export class Viewport {
  zoom = 1;
  x = 0; // where the canvas begins on the screen
  y = 0;
  width = 0; // of the screen part
  height = 0;
  extent = null; // { width, height } of the canvas
  #fitted = true;
  #watchers = new Set();

  onChange(watcher) {
    this.#watchers.add(watcher);
  }

  toScreen({ x, y }) {
    return { x: x * this.zoom + this.x, y: y * this.zoom + this.y };
  }

  toCanvas({ x, y }) {
    return { x: (x - this.x) / this.zoom, y: (y - this.y) / this.zoom };
  }

  /** From canvas to screen pixels. */
  matrix() {
    return [this.zoom, 0, 0, this.zoom, this.x, this.y];
  }

  /** A rectangle of the canvas on the screen, as [x, y, w, h]. */
  rectToScreen([x, y, w, h]) {
    const begin = apply(this.matrix(), { x, y });
    return [begin.x, begin.y, w * this.zoom, h * this.zoom];
  }

  /** The seen rectangle, in canvas pixels; it may reach beyond the canvas. */
  visible() {
    const begin = this.toCanvas({ x: 0, y: 0 });
    return [begin.x, begin.y, this.width / this.zoom, this.height / this.zoom];
  }

  resize(width, height) {
    const middle = this.toCanvas({ x: this.width / 2, y: this.height / 2 });
    const first = this.width === 0;
    this.width = width;
    this.height = height;
    if (!this.extent) return;
    if (first || this.#fitted) this.fit();
    else this.#place(this.zoom, middle, { x: width / 2, y: height / 2 });
  }

  /** Another canvas, which is shown whole. */
  show(extent) {
    this.extent = extent;
    if (extent) this.fit();
    else this.#changed();
  }

  fit() {
    if (!this.extent || !this.width) return;
    const { width, height } = this.extent;
    const margin = Math.min(MARGIN, this.width / 8, this.height / 8);
    const zoom = Math.min((this.width - 2 * margin) / width, (this.height - 2 * margin) / height);
    this.#place(clamp(zoom, LEAST_ZOOM, 8), { x: width / 2, y: height / 2 }, { x: this.width / 2, y: this.height / 2 });
    this.#fitted = true;
  }

  /** Show a rectangle of the canvas as large as it goes. */
  fitRect([x, y, w, h]) {
    const zoom = Math.min((this.width - 2 * MARGIN) / w, (this.height - 2 * MARGIN) / h);
    this.#place(clamp(zoom, LEAST_ZOOM, 8), { x: x + w / 2, y: y + h / 2 }, { x: this.width / 2, y: this.height / 2 });
  }

  /** Zoom so that what is at the screen point stays there; without one, the middle. */
  zoomTo(zoom, at = { x: this.width / 2, y: this.height / 2 }) {
    this.#place(clamp(zoom, LEAST_ZOOM, MOST_ZOOM), this.toCanvas(at), at);
  }

  /** To the next larger (1) or smaller (-1) of the usual steps. */
  step(direction) {
    const near = 1 + 1e-3;
    const next = direction > 0 ? STEPS.find((one) => one > this.zoom * near) : STEPS.findLast((one) => one < this.zoom / near);
    if (next) this.zoomTo(next);
  }

  panBy(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.#settle();
  }

  #place(zoom, canvasPoint, screenPoint) {
    this.zoom = zoom;
    this.x = screenPoint.x - canvasPoint.x * zoom;
    this.y = screenPoint.y - canvasPoint.y * zoom;
    this.#settle();
  }

  #settle() {
    this.#fitted = false;
    if (this.extent) {
      const kept = Math.min(KEPT, this.width / 2, this.height / 2);
      this.x = clamp(this.x, kept - this.extent.width * this.zoom, this.width - kept);
      this.y = clamp(this.y, kept - this.extent.height * this.zoom, this.height - kept);
    }
    // Whole device pixels, so that edges are crisp while nothing is enlarged by a fraction.
    const density = globalThis.devicePixelRatio || 1;
    this.x = Math.round(this.x * density) / density;
    this.y = Math.round(this.y * density) / density;
    this.#changed();
  }

  #changed() {
    for (const watcher of this.#watchers) watcher();
  }
}
