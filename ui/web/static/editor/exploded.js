// The stack in three dimensions: every layer a sheet above the one below it.

import { el, framed, iconButton } from "../dom.js";
import { t } from "../i18n.js";
import { walk } from "../store.js";
import { picture } from "../wire.js";
import { levelWithin } from "./backing.js";
import { clamp, distance } from "./geometry.js";
import { ofDocument } from "./selection.js";
import { registerShortcuts } from "./shortcuts.js";

const PIXELS = 4e5; // of each sheet
const AT_ONCE = 3; // pictures on their way
const START = { tilt: 58, turn: -32, spread: 60 };

export function mountExploded(studio, stage) {
  const { store } = studio;
  const view = { ...START };
  const sprites = new Map(); // by content, so that an edit fetches only what it changed
  const scene = el("div.ls-scene");
  const name = el("p.ls-scene-name", { "aria-live": "polite" });
  const spread = el("input.ls-range", { type: "range", min: 0, max: 200, value: view.spread, "aria-label": t("canvas.spread"), oninput: () => show({ spread: Number(spread.value) }) });
  const layer = el("div.ls-exploded", { hidden: true, tabindex: "0", role: "group", "aria-label": t("canvas.exploded") },
    scene, name,
    el("div.ls-scene-bar", {}, el("label.ls-scene-spread", {}, el("span", {}, t("canvas.spread")), spread),
      iconButton("fit", t("canvas.scene_reset"), () => show({ ...START }))));
  stage.element.append(layer);
  let turn = 0; // of loading: only the newest goes on

  function show(changes) {
    Object.assign(view, changes);
    spread.value = view.spread;
    place();
  }

  const place = framed(() => {
    const document = store.get("document");
    if (layer.hidden || !document) return;
    const { width, height } = stage.viewport;
    const sheets = [...scene.children];
    const most = (0.75 * height) / Math.max(0.3, Math.sin((view.tilt * Math.PI) / 180)); // more would not fit
    const depth = sheets.length > 2 ? Math.min(most, (view.spread / 100) * 0.7 * height) : 0;
    const scale = scaleWithin(document, view, { width: 0.86 * width, height: 0.8 * height, depth });
    scene.style.transform = `translate(${width / 2}px, ${height * 0.48}px) rotateX(${view.tilt}deg) rotateZ(${view.turn}deg) scale(${scale}) translate(${-document.width / 2}px, ${-document.height / 2}px)`;
    sheets.forEach((sheet, index) => {
      // The floor lies just below the lowest layer.
      const share = (Math.max(0, index - 1) / Math.max(1, sheets.length - 2) - 0.5) * depth - (index ? 0 : 2);
      sheet.style.transform = `translateZ(${share}px)`;
    });
  });

  function build() {
    const document = store.get("document");
    if (!store.get("exploded") || !stage.showsDocument) {
      layer.hidden = true;
      scene.replaceChildren();
      return;
    }
    const opened = layer.hidden;
    layer.hidden = false;
    const layers = shownLayers(document.nodes);
    const floor = el("div.ls-scene-floor", { style: { width: `${document.width}px`, height: `${document.height}px` } });
    const kept = scene.contains(globalThis.document.activeElement) ? globalThis.document.activeElement.dataset.path : null;
    scene.replaceChildren(floor, ...layers.map((node) => sheetOf(node, document)));
    if (opened) layer.focus({ preventScroll: true });
    else if (kept) scene.querySelector(`[data-path="${kept}"]`)?.focus();
    place();
    load(document, layers);
  }

  function sheetOf(node, document) {
    const [x, y, w, h] = node.bounds;
    const said = () => (name.textContent = node.name);
    return el("button.ls-sheet", {
      type: "button", "aria-label": node.name, "aria-pressed": String(document.selection.includes(node.path)), dataset: { path: node.path },
      style: { left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px`, opacity: Math.max(0.25, node.opacity) },
      onpointerenter: said, onfocus: said, onpointerleave: () => (name.textContent = ""),
      onclick: (event) => event.detail === 0 && studio.edit.select([node.path]),
    });
  }

  async function load(document, layers) {
    turn += 1;
    const mine = turn;
    const waiting = [...layers];
    const work = async () => {
      while (waiting.length && mine === turn) {
        const node = waiting.shift();
        const key = `${node.thumb} ${node.bounds}`;
        try {
          if (!sprites.has(key)) sprites.set(key, await spriteOf(document, node));
        } catch (error) {
          if (mine === turn) console.warn(error.message);
          return;
        }
        const sheet = mine === turn && scene.querySelector(`[data-path="${node.path}"]`);
        if (sheet) sheet.replaceChildren(sprites.get(key));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const used = new Set(layers.map((node) => `${node.thumb} ${node.bounds}`));
    if (mine === turn) for (const key of sprites.keys()) if (!used.has(key)) sprites.delete(key);
  }

  let drag = null; // { id, last, from, sheet }
  layer.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    if (event.target.closest(".ls-scene-bar")) return;
    drag = { id: event.pointerId, last: [event.clientX, event.clientY], from: { x: event.clientX, y: event.clientY }, sheet: event.target.closest(".ls-sheet") };
    layer.setPointerCapture(event.pointerId);
  });
  layer.addEventListener("pointermove", (event) => {
    event.stopPropagation();
    if (drag?.id !== event.pointerId) return;
    const [x, y] = drag.last;
    drag.last = [event.clientX, event.clientY];
    show({ turn: view.turn + (event.clientX - x) * 0.35, tilt: clamp(view.tilt - (event.clientY - y) * 0.3, 0, 88) });
  });
  layer.addEventListener("pointerup", (event) => {
    event.stopPropagation();
    const ended = drag;
    drag = null;
    const still = ended && distance(ended.from, { x: event.clientX, y: event.clientY }) < 4;
    if (still && ended.sheet) studio.edit.select([ended.sheet.dataset.path]);
  });
  layer.addEventListener("wheel", (event) => {
    event.preventDefault();
    event.stopPropagation();
    show({ spread: clamp(view.spread - event.deltaY * 0.1, 0, 200) });
  }, { passive: false });
  layer.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: { turn: view.turn - 5 }, ArrowRight: { turn: view.turn + 5 }, ArrowUp: { tilt: clamp(view.tilt + 5, 0, 88) }, ArrowDown: { tilt: clamp(view.tilt - 5, 0, 88) } }[event.key];
    if (event.target === spread && event.key !== "Escape") return;
    if (event.key === "Escape") store.set({ exploded: false });
    else if (by) show(by);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  for (const key of ["exploded", "document", "draft"]) store.watch(key, build);
  stage.viewport.onChange(place);
  registerShortcuts(studio, [
    { keys: "E", label: "keys.exploded", section: "keys.view", when: () => store.get("document"), run: () => store.set({ exploded: !store.get("exploded"), compare: null }) },
  ]);
}

/** How large the canvas may be so that the turned stack, `depth` high, fits; perspective left aside. */
function scaleWithin(opened, { tilt, turn }, { width, height, depth }) {
  const [tilted, turned] = [tilt, turn].map((degrees) => (degrees * Math.PI) / 180);
  const [sin, cos] = [Math.abs(Math.sin(turned)), Math.abs(Math.cos(turned))];
  const across = opened.width * cos + opened.height * sin;
  const down = (opened.width * sin + opened.height * cos) * Math.cos(tilted);
  const room = Math.max(height * 0.25, height - depth * Math.sin(tilted));
  return Math.min(width / across, room / Math.max(1, down));
}

function shownLayers(nodes) {
  const hidden = [...walk(nodes)].filter(({ node }) => !node.visible).map(({ node }) => node.path);
  const isShown = (path) => !hidden.some((one) => path === one || path.startsWith(`${one}.`));
  return [...walk(nodes)].map(({ node }) => node).filter((node) => node.kind === "layer" && isShown(node.path) && node.bounds[2] > 0);
}

/** The layer's picture as a canvas that fills its sheet. */
async function spriteOf(opened, node) {
  const level = levelWithin(node.bounds[2], node.bounds[3], PIXELS);
  const { bitmap, bounds } = await picture("sprite.png", { ...ofDocument(opened), path: node.path, level });
  const canvas = el("canvas", { width: bitmap.width, height: bitmap.height });
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  const [x, y, w, h] = bounds;
  Object.assign(canvas.style, { left: `${x - node.bounds[0]}px`, top: `${y - node.bounds[1]}px`, width: `${w}px`, height: `${h}px` });
  return canvas;
}
