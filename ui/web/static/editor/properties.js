// Properties of the selection: place and size as numbers, colour, mask, what to do with it.

import { el, icon, iconButton } from "../dom.js";
import { t } from "../i18n.js";
import { selected } from "../store.js";
import { ACTIONS, canRun, hintOf, labelOf, run } from "./actions.js";
import { canvasPanel } from "./canvasprops.js";
import { centre, rotation, scaling } from "./geometry.js";
import { numberField, sliderField } from "./inputs.js";
import { lockedOf, selectionBounds } from "./selection.js";
import { mergeKeys, steady } from "./steady.js";

const FAR = 100000;

export function propertiesPanel(studio, options) {
  const parts = [summary(studio), transformPart(studio, options), actionPart(studio, "props.turn", ["flip_horizontal", "flip_vertical", "rotate_ccw", "rotate_cw", "crop"], true),
    recolourPart(studio), maskPart(studio), actionPart(studio, "props.work", ["split", "matte", "fill", "replace", "shadow", "regenerate", "export"])];
  const canvas = canvasPanel(studio);
  const none = el("p.ls-panel-empty", {}, t("props.none"));
  const body = el("div.ls-props", {}, none, canvas.node, ...parts.map((part) => part.node));
  const draw = () => {
    const document = studio.store.get("draft") ? null : studio.store.get("document");
    const nodes = selected(document);
    none.hidden = Boolean(document);
    canvas.node.hidden = !document || nodes.length > 0;
    if (document) canvas.show(document);
    for (const part of parts) {
      part.node.hidden = nodes.length === 0;
      if (nodes.length) part.show(nodes, document);
    }
  };
  studio.store.watch("document", draw);
  studio.store.watch("draft", draw);
  draw();
  return body;
}

function section(title, ...children) {
  return el("section.ls-props-part", { "aria-label": title }, el("h3", {}, title), ...children);
}

/** What is selected, in words; the text of a text layer. */
function summary() {
  const name = el("strong.ls-props-name");
  const what = el("span.ls-props-what");
  const text = el("p.ls-props-text");
  return {
    node: el("div.ls-props-summary", {}, name, what, text),
    show(nodes, document) {
      const [node] = nodes;
      const one = nodes.length === 1;
      name.textContent = one ? node.name : t("props.several", { count: nodes.length });
      const words = one ? [t(node.kind === "group" ? "layers.group" : `layers.role.${node.role || "layer"}`)] : [];
      if (lockedOf(document)) words.push(t("layers.locked"));
      what.textContent = words.join(" · ");
      text.hidden = !one || !node.text;
      text.textContent = one && node.text ? node.text : "";
    },
  };
}

/** X, Y, width, height and an angle; sizes in proportion while the link is on. */
function transformPart(studio, options) {
  const { edit } = studio;
  const key = mergeKeys("place");
  // A key that is held down commits faster than the document follows: what to change is known on its turn.
  const move = (way) => edit.run("move", (document) => way(selectionBounds(document)), { merge: key() });
  const transform = (way) => edit.run("transform", (document) => ({ matrix: way(selectionBounds(document)), resample: "auto" }));
  const scale = (shares) => transform((box) => {
    const share = shares(box);
    return scaling(share.x ?? (options.keepShape ? share.y : 1), share.y ?? (options.keepShape ? share.x : 1), { x: box[0], y: box[1] });
  });
  const common = { unit: "px", least: -FAR, most: FAR };
  const size = { unit: "px", least: 1, most: FAR };
  const fields = {
    x: numberField({ ...common, label: "X", title: t("props.x"), commit: (value) => move(([x]) => ({ dx: value - x, dy: 0 })) }),
    y: numberField({ ...common, label: "Y", title: t("props.y"), commit: (value) => move(([, y]) => ({ dx: 0, dy: value - y })) }),
    w: numberField({ ...size, label: t("props.w_short"), title: t("props.w"), commit: (value) => scale(([, , w]) => ({ x: value / w })) }),
    h: numberField({ ...size, label: t("props.h_short"), title: t("props.h"), commit: (value) => scale(([, , , h]) => ({ y: value / h })) }),
    angle: numberField({ label: t("props.angle_short"), title: t("props.angle"), unit: "°", least: -360, most: 360, digits: 1, commit: (value) => {
      if (value % 360) transform((box) => rotation(value, centre(box)));
      fields.angle.show(0);
    } }),
  };
  const link = iconButton("link", t("props.keep_shape"), () => {
    options.change({ keepShape: !options.keepShape });
    link.setAttribute("aria-pressed", String(options.keepShape));
  }, { "aria-pressed": String(options.keepShape), class: "is-small ls-link" });
  const node = section(t("props.place"), el("div.ls-props-grid", {}, fields.x.node, fields.y.node, fields.w.node, fields.h.node, link, fields.angle.node));
  return {
    node,
    show(nodes, document) {
      const bounds = selectionBounds(document);
      const off = Boolean(lockedOf(document)) || !bounds;
      ["x", "y", "w", "h"].forEach((name, index) => fields[name].show(bounds ? bounds[index] : null, off));
      fields.angle.show(0, off);
    },
  };
}

/** Buttons of actions: icons alone, or with their names. */
function actionPart(studio, title, ids, iconsOnly = false) {
  const buttons = ids.map((id) => [id, iconsOnly
    ? iconButton(ACTIONS[id].icon, hintOf(id), () => run(studio, id), { "aria-label": labelOf(id) })
    : el("button.ls-action", { type: "button", onclick: () => run(studio, id) }, icon(ACTIONS[id].icon, 16), el("span", {}, labelOf(id)))]);
  const node = section(t(title), el(iconsOnly ? "div.ls-icon-line" : "div.ls-action-list", {}, ...buttons.map(([, button]) => button)));
  return { node, show: () => buttons.forEach(([id, button]) => (button.disabled = !canRun(studio, id))) };
}

/** Another colour, with the light and shade kept; live while the amount moves. */
function recolourPart(studio) {
  const key = mergeKeys("live-recolour");
  const send = steady((args) => studio.edit.run("recolour", args, { merge: key() }));
  const colour = el("input.ls-color", { type: "color", value: "#4b46e5", "aria-label": t("props.colour"), oninput: give });
  let amount = 1;
  const slider = sliderField({ label: t("props.amount"), unit: "%", least: 0, most: 100, change: (value) => {
    amount = value / 100;
    give();
  } });
  const apply = el("button.ls-button.is-small", { type: "button", onclick: give }, t("props.recolour_run"));
  function give() {
    send({ color: colour.value, amount });
  }
  const node = section(t("props.recolour"), el("div.ls-recolour", {}, colour, slider.node, apply));
  return {
    node,
    show(nodes, document) {
      const off = Boolean(lockedOf(document));
      colour.disabled = apply.disabled = off;
      slider.show(Math.round(amount * 100), off);
    },
  };
}

/** What can be done with the mask of the selected nodes. */
function maskPart(studio) {
  const ids = ["mask_add", "mask_enable", "mask_disable", "mask_invert", "mask_apply", "mask_remove"];
  const buttons = ids.map((id) => [id, el("button.ls-button.is-small", { type: "button", onclick: () => run(studio, id) }, labelOf(id))]);
  const node = section(t("props.mask"), el("div.ls-button-line", {}, ...buttons.map(([, button]) => button)));
  return {
    node,
    show() {
      for (const [id, button] of buttons) button.hidden = !canRun(studio, id);
      node.hidden = buttons.every(([, button]) => button.hidden);
    },
  };
}
