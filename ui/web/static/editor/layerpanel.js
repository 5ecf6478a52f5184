// The layer panel: how the selected layers are blended, the tree, and the buttons below it.

import { el, iconButton } from "../dom.js";
import { t } from "../i18n.js";
import { selected } from "../store.js";
import { ACTIONS, canRun, hintOf, labelOf, run } from "./actions.js";
import { blendSelect } from "./blends.js";
import { sliderField } from "./inputs.js";
import { openLayerMenu } from "./layermenu.js";
import { LayerTree } from "./layertree.js";
import { lockedOf } from "./selection.js";
import { mergeKeys, steady } from "./steady.js";

const FOOT = ["add", "group", "mask_add", "duplicate", "delete"];

export function layerPanel(studio) {
  studio.layerTree = new LayerTree(studio);
  const empty = el("p.ls-panel-empty", {}, t("layers.empty"));
  const node = el("section.ls-layer-panel", { "aria-label": t("layers.label") },
    el("header.ls-panel-head", {}, el("h2", {}, t("layers.title")), moreButton(studio)),
    blending(studio), empty, studio.layerTree.element, foot(studio));
  const draw = () => {
    const document = studio.store.get("document");
    const draft = studio.store.get("draft");
    const listed = !draft && document?.nodes.length > 0;
    node.classList.toggle("is-empty", !document || Boolean(draft));
    studio.layerTree.element.hidden = !listed;
    empty.hidden = listed;
    empty.textContent = t(draft ? "layers.draft" : document ? "layers.none" : "layers.empty");
  };
  studio.store.watch("document", draw);
  studio.store.watch("draft", draw);
  draw();
  return node;
}

function moreButton(studio) {
  const button = iconButton("more", t("layers.more"), () => openLayerMenu(studio, button), { class: "is-small", "aria-haspopup": "menu" });
  const draw = () => (button.disabled = Boolean(studio.store.get("draft")) || !studio.store.get("document")?.selection.length);
  studio.store.watch("document", draw);
  studio.store.watch("draft", draw);
  draw();
  return button;
}

/** Blend mode and opacity of the selection. */
function blending(studio) {
  const { store, edit } = studio;
  const key = mergeKeys("opacity");
  const send = steady((value) => edit.run("opacity", { value }, { merge: key() }));
  const blend = blendSelect({ "aria-label": t("layers.blend"), onchange: () => edit.run("blend", { value: blend.node.value }) });
  const opacity = sliderField({ label: t("layers.opacity"), unit: "%", least: 0, most: 100, change: (value) => send(value / 100) });
  const draw = (document) => {
    const nodes = selected(document);
    const off = nodes.length === 0;
    const locked = Boolean(lockedOf(document));
    const [top] = nodes.slice(-1);
    blend.node.disabled = off || locked;
    blend.show(top?.blend || "normal", nodes.length > 0 && nodes.every((one) => one.kind === "group"));
    opacity.show(Math.round((top?.opacity ?? 1) * 100), off || locked);
  };
  store.watch("document", draw);
  draw(store.get("document"));
  return el("div.ls-blending", {}, blend.node, opacity.node);
}

function foot(studio) {
  const buttons = FOOT.map((id) => [id, iconButton(ACTIONS[id].icon, hintOf(id), () => run(studio, id), { "aria-label": labelOf(id) })]);
  const draw = () => {
    for (const [id, button] of buttons) button.disabled = !canRun(studio, id);
  };
  studio.store.watch("document", draw);
  studio.store.watch("draft", draw);
  draw();
  return el("div.ls-layer-foot", { role: "toolbar", "aria-label": t("layers.foot") }, ...buttons.map(([, button]) => button));
}
