// The tree of layers: top layer first, one stop of the Tab key, arrows within.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { nodeAt } from "../store.js";
import { tracked } from "../tracking.js";
import { toggleSolo } from "./actions.js";
import { mountLayerDrag } from "./layerdrag.js";
import { openLayerMenu } from "./layermenu.js";
import { foldedOf, keepFolded } from "./folding.js";
import { LayerRow } from "./layerrow.js";
import { hasShortcut } from "./shortcuts.js";
import { TypeAhead } from "./typeahead.js";

export class LayerTree {
  #rows = new Map(); // by path
  #flat = []; // the shown rows, top first: { node, depth, index, count, parent }
  #folded = new Set();
  #focused = null; // path of the row that Tab reaches
  #anchor = null; // where a range begins
  #typed = new TypeAhead();

  constructor(studio) {
    this.studio = studio;
    this.store = studio.store;
    this.element = el("div.ls-layer-tree", {
      role: "tree", "aria-label": t("layers.tree"), "aria-multiselectable": "true",
      onkeydown: (event) => this.#key(event), onclick: (event) => this.#click(event),
      oncontextmenu: (event) => this.#contextMenu(event), ondblclick: (event) => this.#doubleClick(event),
      onfocusin: (event) => this.#focusIn(event),
    });
    this.store.watch("document", (document, before) => this.#draw(document, before));
    mountLayerDrag(studio, this);
    this.#showSelectedWhenShown();
    this.#draw(this.store.get("document"), null);
  }

  /** The rows from top to bottom. */
  get flat() {
    return this.#flat;
  }

  rowOf(path) {
    return this.#rows.get(path)?.element || null;
  }

  isFolded(path) {
    return this.#folded.has(path);
  }

  #draw(document, before) {
    const hadFocus = this.element.contains(globalThis.document.activeElement);
    if (document?.id !== before?.id) this.#folded = foldedOf(document);
    else if (document?.revision !== before?.revision) this.#folded = new Set(tracked(before, [...this.#folded])(document));
    for (const path of document?.selection || []) this.#unfoldAround(path);
    keepFolded(document, this.#folded);
    this.#flat = document ? flatten(document.nodes, this.#folded) : [];
    const shown = new Set(this.#flat.map(({ node }) => node.path));
    const moved = document && before && document.revision !== before.revision && String(document.selection) !== String(before.selection);
    if (!shown.has(this.#focused) || moved) this.#focused = document?.selection.at(-1) ?? this.#flat[0]?.node.path ?? null;
    for (const [path, row] of this.#rows) {
      if (shown.has(path)) continue;
      row.element.remove();
      this.#rows.delete(path);
    }
    this.#flat.forEach((place, order) => this.#place(place, order, document));
    if (hadFocus) this.rowOf(this.#focused)?.focus({ preventScroll: true });
    if (String(document?.selection) !== String(before?.selection)) this.rowOf(document?.selection.at(-1))?.scrollIntoView({ block: "nearest" });
  }

  /** A panel that was put away could not scroll to what was selected on the canvas meanwhile. */
  #showSelectedWhenShown() {
    let height = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (!height && contentRect.height) this.rowOf(this.store.get("document")?.selection.at(-1))?.scrollIntoView({ block: "nearest" });
      height = contentRect.height;
    }).observe(this.element);
  }

  #place(place, order, document) {
    const { path } = place.node;
    if (!this.#rows.has(path)) this.#rows.set(path, new LayerRow(this.#handlers()));
    const row = this.#rows.get(path);
    row.show(place.node, { ...place, document, expanded: !this.#folded.has(path), focused: path === this.#focused });
    const now = this.element.children[order];
    if (now !== row.element) this.element.insertBefore(row.element, now || null);
  }

  #handlers() {
    const { edit } = this.studio;
    const turn = (command, property, { path }) => edit.run(command, (document, [now]) => ({ value: !nodeAt(document, now)[property] }), { paths: [path] });
    return {
      eye: (node, event) => (event.altKey ? toggleSolo(this.studio, [node.path]) : turn("visible", "visible", node)),
      lock: (node) => turn("lock", "locked", node),
      solo: (node) => toggleSolo(this.studio, [node.path]),
      fold: (node) => this.#fold(node.path, !this.#folded.has(node.path)),
    };
  }

  #fold(path, folded) {
    if (folded) this.#folded.add(path);
    else this.#folded.delete(path);
    const document = this.store.get("document");
    if (folded && document.selection.some((one) => one.startsWith(`${path}.`))) this.studio.edit.select([path]);
    this.#draw(this.store.get("document"), this.store.get("document"));
  }

  #unfoldAround(path) {
    const steps = path.split(".");
    for (let depth = 1; depth < steps.length; depth += 1) this.#folded.delete(steps.slice(0, depth).join("."));
  }

  #pathOf(event) {
    return event.target.closest("[role=treeitem]")?.dataset.path ?? null;
  }

  #focusIn(event) {
    const path = this.#pathOf(event);
    if (path === null || path === this.#focused) return;
    const old = this.rowOf(this.#focused);
    if (old) old.tabIndex = -1;
    this.#focused = path;
    this.rowOf(path).tabIndex = 0;
  }

  #click(event) {
    const path = this.#pathOf(event);
    if (path === null || event.target.closest("button, input")) return;
    this.rowOf(path).focus({ preventScroll: true });
    this.#choose(path, { toggles: event.ctrlKey || event.metaKey, extends_: event.shiftKey });
  }

  /** Select a row: alone, added or taken out, or all from the anchor to it. */
  #choose(path, { toggles = false, extends_ = false } = {}) {
    const { selection } = this.store.get("document");
    if (extends_) return this.studio.edit.select(this.#between(this.#anchor ?? selection.at(-1) ?? path, path));
    this.#anchor = path;
    if (!toggles) return this.studio.edit.select([path]);
    return this.studio.edit.select(selection.includes(path) ? selection.filter((one) => one !== path) : [...selection, path]);
  }

  #between(one, other) {
    const paths = this.#flat.map(({ node }) => node.path);
    const [from, to] = [paths.indexOf(one), paths.indexOf(other)].sort((a, b) => a - b);
    return paths.slice(Math.max(0, from), to + 1);
  }

  #doubleClick(event) {
    if (event.target.closest(".ls-layer-text, .ls-layer-thumb")) this.rename(this.#pathOf(event));
  }

  #contextMenu(event) {
    const path = this.#pathOf(event) ?? this.#focused;
    if (path === null) return;
    event.preventDefault();
    if (!this.store.get("document").selection.includes(path)) this.#choose(path);
    const row = this.rowOf(path);
    // The menu key has no place of its own: the menu opens at the row.
    const byKey = event.button !== 2 && event.detail === 0;
    row.focus({ preventScroll: true });
    openLayerMenu(this.studio, byKey ? row.querySelector(".ls-layer-name") : { x: event.clientX, y: event.clientY });
  }

  #key(event) {
    if (event.target.closest("input") || event.altKey || !this.#flat.length) return;
    const at = this.#flat.findIndex(({ node }) => node.path === this.#focused);
    const place = this.#flat[at];
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: this.#flat.length - 1, PageDown: at + 8, PageUp: at - 8 }[event.key];
    if (to !== undefined) this.#goTo(Math.max(0, Math.min(this.#flat.length - 1, to)), event);
    else if (event.key === "ArrowRight" && place.node.kind === "group") this.#folded.has(this.#focused) ? this.#fold(this.#focused, false) : this.#goTo(Math.min(at + 1, this.#flat.length - 1), event);
    else if (event.key === "ArrowLeft" && place.node.kind === "group" && !this.#folded.has(this.#focused)) this.#fold(this.#focused, true);
    else if (event.key === "ArrowLeft" && place.parent) this.#goTo(this.#flat.findIndex(({ node }) => node === place.parent), event);
    else if (event.key === " " || event.key === "Enter") this.#choose(this.#focused, { toggles: event.ctrlKey || event.metaKey, extends_: event.shiftKey });
    else if (event.key === "F10" && event.shiftKey) openLayerMenu(this.studio, this.rowOf(this.#focused));
    else if (!this.#type(event, at)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  #renameTo(name, paths) {
    if (paths.length) this.studio.edit.run("rename", { name }, { paths });
  }

  /** Selection follows the focus, unless Ctrl only moves it. */
  #goTo(order, event) {
    const { path } = this.#flat[order].node;
    if (event.shiftKey && this.#anchor === null) this.#anchor = this.#focused;
    const row = this.rowOf(path);
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
    if (!event.ctrlKey && !event.metaKey) this.#choose(path, { extends_: event.shiftKey });
  }

  #type(event, at) {
    if (event.key.length !== 1 || event.ctrlKey || event.metaKey) return false;
    // A letter of a tool or of the view is that also here; the rest of a name may hold it.
    if (!this.#typed.going && hasShortcut(this.studio, event)) return false;
    const order = this.#typed.find(event.key, this.#flat.map(({ node }) => node.name), at);
    if (order === null) return false;
    this.#goTo(order, { shiftKey: false });
    return true;
  }

  /** Edit the name in its row. */
  rename(path = this.store.get("document")?.selection.at(-1)) {
    const row = this.#rows.get(path);
    if (!row || row.element.querySelector("input")) return;
    this.studio.panels?.show("layers");
    const meant = tracked(this.store.get("document"), [path]);
    const input = el("input.ls-layer-rename", { type: "text", value: row.node.name, "aria-label": t("layers.new_name"), spellcheck: "false", maxlength: "255" });
    let open = true;
    const close = (keep) => {
      if (!open) return;
      open = false;
      const hadFocus = globalThis.document.activeElement === input;
      const name = input.value.trim();
      input.replaceWith(row.name);
      if (hadFocus) row.element.focus({ preventScroll: true });
      if (keep && name && name !== row.node.name) this.#renameTo(name, meant(this.store.get("document")));
    };
    input.addEventListener("blur", () => close(true));
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.isComposing) return; // Enter and Esc belong to the input method
      if (event.key === "Enter") close(true);
      else if (event.key === "Escape") close(false);
    });
    row.name.replaceWith(input);
    input.select();
    input.focus();
  }
}

/** The shown nodes from top to bottom, with their place among their siblings (0 is the lowest). */
function flatten(nodes, folded, depth = 0, parent = null) {
  const found = [];
  for (let index = nodes.length - 1; index >= 0; index -= 1) {
    const node = nodes[index];
    found.push({ node, depth, index, count: nodes.length, parent });
    if (node.kind === "group" && !folded.has(node.path)) found.push(...flatten(node.children, folded, depth + 1, node));
  }
  return found;
}
