// Before and after: the picture that the document was made from, left of a handle.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { picture } from "../wire.js";
import { levelWithin } from "./backing.js";
import { clamp } from "./geometry.js";
import { registerShortcuts } from "./shortcuts.js";

const PIXELS = 6e6;

export function mountCompare(studio, stage) {
  const { store } = studio;
  let source = null; // { id, bitmap }
  const handle = el("div.ls-compare-handle", {
    role: "slider", tabindex: "0", "aria-label": t("canvas.compare"), "aria-valuemin": "0", "aria-valuemax": "100", "aria-orientation": "horizontal",
  }, el("span.ls-compare-grip", { "aria-hidden": "true" }));
  const before = el("span.ls-compare-sign", { "aria-hidden": "true" }, t("canvas.before"));
  const after = el("span.ls-compare-sign", { "aria-hidden": "true" }, t("canvas.after"));
  const layer = el("div.ls-compare", { hidden: true }, before, after, handle);
  stage.element.append(layer);

  async function load(document) {
    const level = levelWithin(document.width, document.height, PIXELS);
    try {
      const { bitmap } = await picture("source.png", { level, of: document.id });
      if (store.get("document")?.id !== document.id) return;
      source = { id: document.id, bitmap };
      place();
    } catch (error) {
      store.set({ compare: null });
      studio.edit.failed(error);
    }
  }

  /** The handle where the value is, the picture left of it. */
  function place() {
    const value = store.get("compare");
    const document = store.get("document");
    const shown = value !== null && stage.showsDocument && document.has_source;
    layer.hidden = !shown;
    stage.before = null;
    if (shown && source?.id === document.id) {
      const { x, zoom, width } = stage.viewport;
      const edge = x + value * document.width * zoom;
      stage.before = { bitmap: source.bitmap, edge };
      const seen = clamp(edge, 0, width);
      handle.style.left = `${seen}px`;
      before.style.right = `${width - seen + 12}px`;
      after.style.left = `${seen + 12}px`;
      const percent = Math.round(value * 100);
      handle.setAttribute("aria-valuenow", percent);
      handle.setAttribute("aria-valuetext", t("canvas.compare_at", { percent }));
    } else if (shown) load(document);
    stage.redraw();
  }

  const set = (value) => store.set({ compare: clamp(value, 0, 1) });

  handle.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    event.stopPropagation();
    set(stage.pointOf(event).x / store.get("document").width);
  });
  handle.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 0.1 : 0.01;
    const value = store.get("compare");
    const to = { ArrowLeft: value - step, ArrowDown: value - step, ArrowRight: value + step, ArrowUp: value + step, PageUp: value + 0.1, PageDown: value - 0.1, Home: 0, End: 1 }[event.key];
    if (event.key === "Escape") store.set({ compare: null });
    else if (to !== undefined) set(to);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  store.watch("compare", (value, old) => {
    place();
    if (value !== null && old === null && !layer.hidden) handle.focus({ preventScroll: true });
  });
  store.watch("document", place);
  store.watch("draft", place);
  stage.viewport.onChange(place);
  registerShortcuts(studio, [
    { keys: "C", label: "keys.compare", section: "keys.view", when: () => store.get("document")?.has_source, run: () => store.set({ compare: store.get("compare") === null ? 0.5 : null, exploded: false }) },
  ]);
}
