// One row of the layer panel: eye, picture, name, what is special, lock and solo.

import { el, fill, icon } from "../dom.js";
import { t } from "../i18n.js";
import { address } from "../wire.js";

/** A button of a row: rows are reached by keyboard, and what their buttons do by the rows' keys. */
function rowButton(action, onclick) {
  return el("button.ls-layer-button", { type: "button", tabindex: "-1", dataset: { action }, onclick, ondblclick: (event) => event.stopPropagation() });
}

/** Rows are kept for a path and shown anew, so that the focus and the pictures stay. */
export class LayerRow {
  constructor(handlers) {
    const heard = (name) => (event) => {
      event.stopPropagation();
      handlers[name](this.node, event);
    };
    this.eye = rowButton("visible", heard("eye"));
    this.chevron = rowButton("fold", heard("fold"));
    this.lock = rowButton("lock", heard("lock"));
    this.solo = rowButton("solo", heard("solo"));
    this.picture = el("img", { alt: "", draggable: "false", decoding: "async" });
    this.thumb = el("span.ls-layer-thumb", { "aria-hidden": "true" });
    this.mask = el("span.ls-layer-mask", { hidden: true });
    this.clip = el("span.ls-layer-clip", { hidden: true }, icon("clip", 14));
    this.name = el("span.ls-layer-name");
    this.role = el("span.ls-layer-role", { hidden: true });
    this.element = el("div.ls-layer", { role: "treeitem", tabindex: "-1" },
      this.eye, el("span.ls-layer-indent"), this.chevron, this.clip, this.thumb, this.mask,
      el("span.ls-layer-text", {}, this.name, this.role), this.solo, this.lock);
  }

  /** Show a node at its place in the tree. */
  show(node, { depth, index, count, expanded, document, focused }) {
    this.node = node;
    const isGroup = node.kind === "group";
    const selected = document.selection.includes(node.path);
    const solo = document.solo.includes(node.path);
    const { element } = this;
    element.dataset.path = node.path;
    element.style.setProperty("--depth", depth);
    element.classList.toggle("is-selected", selected);
    element.classList.toggle("is-hidden", !node.visible || (document.solo.length > 0 && !solo && !isAround(document.solo, node.path)));
    element.tabIndex = focused ? 0 : -1;
    attributes(element, {
      "aria-level": depth + 1, "aria-setsize": count, "aria-posinset": count - index, "aria-selected": selected,
      "aria-expanded": isGroup ? expanded : null, "aria-label": describe(node, solo),
    });
    this.#buttons(node, { isGroup, expanded, solo });
    this.#picture(node, isGroup);
    this.clip.hidden = !node.clipped;
    this.mask.hidden = !node.has_mask;
    this.mask.classList.toggle("is-off", !node.mask_enabled);
    this.mask.title = t(node.mask_enabled ? "layers.has_mask" : "layers.mask_off");
    if (!this.mask.firstChild) this.mask.append(icon("mask", 15));
    if (this.name.textContent !== node.name) this.name.textContent = node.name;
    this.name.title = node.text ? `${node.name} — ${node.text}` : node.name;
    const role = node.role && t(`layers.role.${node.role}`);
    this.role.hidden = !role && node.blend === "normal" && node.opacity === 1;
    const special = isGroup && node.blend === "pass-through" ? null : node.blend !== "normal" && t(`layers.blend.${node.blend}`);
    const shares = [role, special, node.opacity < 1 && `${Math.round(node.opacity * 100)} %`].filter(Boolean);
    this.role.hidden = shares.length === 0;
    this.role.textContent = shares.join(" · ");
  }

  #buttons(node, { isGroup, expanded, solo }) {
    const show = (button, name, label, pressed) => {
      if (button.dataset.icon !== name) fill(button, icon(name, 16));
      button.dataset.icon = name;
      button.title = label;
      attributes(button, { "aria-label": `${label}: ${node.name}`, "aria-pressed": pressed });
      button.classList.toggle("is-on", Boolean(pressed));
    };
    show(this.eye, node.visible ? "eye" : "eye-off", t(node.visible ? "layers.hide" : "layers.show"), node.visible);
    show(this.lock, node.locked ? "lock" : "unlock", t(node.locked ? "layers.unlock" : "layers.lock"), node.locked);
    show(this.solo, "solo", t("layers.solo"), solo);
    show(this.chevron, expanded ? "chevron-down" : "chevron-right", t(expanded ? "layers.fold" : "layers.unfold"), null);
    this.chevron.classList.toggle("is-none", !isGroup);
    this.chevron.disabled = !isGroup;
  }

  #picture(node, isGroup) {
    const key = isGroup ? "group" : node.thumb;
    if (this.thumb.dataset.key === key) return;
    this.thumb.dataset.key = key;
    this.thumb.classList.toggle("is-group", isGroup);
    if (isGroup) return fill(this.thumb, icon("group", 18));
    this.picture.src = address(`thumb/${node.thumb}.png`);
    return fill(this.thumb, this.picture);
  }
}

function isAround(paths, path) {
  return paths.some((one) => one.startsWith(`${path}.`) || path.startsWith(`${one}.`));
}

function attributes(element, values) {
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined) element.removeAttribute(name);
    else element.setAttribute(name, String(value));
  }
}

/** What a screen reader says of a row. */
function describe(node, solo) {
  const words = [
    node.name, node.kind === "group" && t("layers.group"), node.role && t(`layers.role.${node.role}`), !node.visible && t("layers.hidden"),
    node.locked && t("layers.locked"), node.clipped && t("layers.clipped"), solo && t("layers.solo_on"), node.has_mask && t("layers.has_mask"),
  ];
  return words.filter(Boolean).join(", ");
}
