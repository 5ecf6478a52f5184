// The stage: two canvases over each other (the picture; what is drawn over it) and what moves them.

import { el, framed } from "../dom.js";
import { t } from "../i18n.js";
import { address, picture } from "../wire.js";
import { Backing } from "./backing.js";
import { checkerboard } from "./drawing.js";
import { ofDocument } from "./selection.js";
import { colours, onThemeChange } from "./theme.js";
import { Viewport } from "./viewport.js";

const PIXELATED_ABOVE = 3;

/** The stage of the canvas region; tools, preview and comparison are hung onto it. */
export class Stage {
  preview = null; // { paint(context): boolean }: drawn in the picture's place while something is dragged
  before = null; // { bitmap, rect, edge }: another picture left of `edge`, a screen x
  #painters = new Set();
  #draft = null;

  constructor(studio) {
    this.studio = studio;
    this.store = studio.store;
    this.viewport = new Viewport();
    this.pictureCanvas = el("canvas.ls-board-picture", { "aria-hidden": "true" });
    this.overlayCanvas = el("canvas.ls-board-overlay", { "aria-hidden": "true" });
    this.element = el("div.ls-board", { tabindex: "0", role: "application", "aria-roledescription": t("canvas.role") },
      this.pictureCanvas, this.overlayCanvas);
    this.backing = new Backing(this.viewport, () => this.#query(), () => this.redraw());
    this.redraw = framed(() => this.#drawPicture());
    this.repaint = framed(() => this.#drawOverlay());
    this.viewport.onChange(() => {
      this.store.set({ zoom: this.viewport.zoom });
      this.redraw();
      this.repaint();
    });
    onThemeChange(() => {
      this.redraw();
      this.repaint();
    });
    new ResizeObserver(() => this.#resize()).observe(this.element);
    this.#follow();
  }

  /** Draw something over the picture: `painter(context, viewport)`, in screen pixels. */
  addPainter(painter) {
    this.#painters.add(painter);
  }

  /** Where a pointer is, in canvas pixels. */
  pointOf(event) {
    return this.viewport.toCanvas(this.screenPointOf(event));
  }

  screenPointOf(event) {
    const { left, top } = this.element.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  /** Whether the document is what is shown (a draft may be in its place). */
  get showsDocument() {
    return Boolean(this.store.get("document")) && !this.store.get("draft");
  }

  #query() {
    const document = this.store.get("document");
    return document && ofDocument(document);
  }

  #follow() {
    let shown = null;
    const open = () => {
      const document = this.store.get("document");
      const draft = this.store.get("draft");
      const key = draft ? `draft ${draft.id}` : document ? `${document.id} ${document.width} ${document.height}` : "";
      this.element.setAttribute("aria-label", this.#description());
      if (key === shown) return false;
      shown = key;
      this.backing.open(draft ? null : document);
      this.#openDraft(draft);
      this.viewport.show(draft || document);
      this.redraw();
      this.repaint();
      return true;
    };
    this.store.watch("draft", open);
    this.store.watch("document", () => {
      open();
      this.repaint();
    });
    this.studio.edit.onChange((document, dirty) => {
      const changed = dirty === null || (dirty[2] > 0 && dirty[3] > 0);
      if (document && !this.store.get("draft") && changed) this.backing.mark(dirty);
    });
    open();
  }

  #description() {
    const document = this.store.get("document");
    const draft = this.store.get("draft");
    if (draft) return t("canvas.draft", { name: draft.name, width: draft.width, height: draft.height });
    if (!document) return t("canvas.empty");
    return t("canvas.document", { name: document.name, width: document.width, height: document.height });
  }

  async #openDraft(draft) {
    this.#draft = null;
    if (!draft) return;
    const route = `upload/${encodeURIComponent(draft.id)}.png`;
    try {
      const { bitmap } = await picture(route);
      if (this.store.get("draft") === draft) this.#draft = bitmap;
      this.redraw();
    } catch (error) {
      console.warn(address(route), error.message);
    }
  }

  #resize() {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || !height) return;
    const density = devicePixelRatio || 1;
    for (const canvas of [this.pictureCanvas, this.overlayCanvas]) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
    }
    this.viewport.resize(width, height);
    this.#drawPicture(); // at once: a resized canvas is blank
    this.#drawOverlay();
  }

  #begin(canvas) {
    const context = canvas.getContext("2d");
    const density = canvas.width / Math.max(1, this.viewport.width);
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, this.viewport.width, this.viewport.height);
    return context;
  }

  #drawPicture() {
    const context = this.#begin(this.pictureCanvas);
    const { extent, zoom } = this.viewport;
    if (!extent) return;
    const rect = this.viewport.rectToScreen([0, 0, extent.width, extent.height]);
    checkerboard(context, rect);
    context.imageSmoothingEnabled = zoom <= PIXELATED_ABOVE;
    context.imageSmoothingQuality = "high";
    if (this.#draft) context.drawImage(this.#draft, ...rect);
    else this.#drawDocument(context, rect);
    context.lineWidth = 1;
    context.strokeStyle = colours().line;
    context.strokeRect(rect[0] - 0.5, rect[1] - 0.5, rect[2] + 1, rect[3] + 1);
  }

  /** The composite is put together beside the checkerboard, which blend modes must not see. */
  #drawDocument(context, rect) {
    if (!this.showsDocument) return;
    const [x, y, w, h] = rect;
    context.save();
    context.beginPath();
    context.rect(x, y, w, h);
    context.clip();
    const sheet = this.#sheet(context);
    if (!this.preview?.paint(sheet)) this.backing.paint(sheet);
    context.save();
    context.resetTransform();
    context.drawImage(sheet.canvas, 0, 0);
    context.restore();
    if (this.before) this.#drawBefore(context, rect);
    context.restore();
  }

  /** A cleared canvas of the stage's size whose unit is the canvas pixel. */
  #sheet(context) {
    const { width, height } = context.canvas;
    this.sheetCanvas ||= document.createElement("canvas");
    if (this.sheetCanvas.width !== width || this.sheetCanvas.height !== height) Object.assign(this.sheetCanvas, { width, height });
    const sheet = this.sheetCanvas.getContext("2d");
    sheet.resetTransform();
    sheet.clearRect(0, 0, width, height);
    const density = width / Math.max(1, this.viewport.width);
    sheet.setTransform(density, 0, 0, density, 0, 0);
    sheet.transform(...this.viewport.matrix());
    sheet.imageSmoothingEnabled = context.imageSmoothingEnabled;
    sheet.imageSmoothingQuality = "high";
    return sheet;
  }

  #drawBefore(context, [x, y, w, h]) {
    const { bitmap, edge } = this.before;
    context.beginPath();
    context.rect(x, y, Math.max(0, edge - x), h);
    context.clip();
    checkerboard(context, [x, y, w, h]);
    context.drawImage(bitmap, x, y, w, h);
  }

  #drawOverlay() {
    const context = this.#begin(this.overlayCanvas);
    if (!this.viewport.extent) return;
    for (const painter of this.#painters) painter(context, this.viewport);
  }
}
