// What the chosen tool can be set to, in a bar above the canvas.

import { el, icon } from "../dom.js";
import { t } from "../i18n.js";
import { LEAST_SIZE, MOST_SIZE } from "./brushtool.js";
import { sliderField } from "./inputs.js";
import { markFields } from "./markfields.js";

export function optionsBar(studio, stage, options, marks) {
  const { store } = studio;
  const parts = {
    select: selectPart(options),
    hand: el("p.ls-option-hint", {}, t("tools.hand_hint")),
    brush: brushPart(options),
    box: el("div.ls-option-part", {}, el("p.ls-option-hint", {}, t("tools.box_hint")), markFields(studio, stage, marks, ["boxes"])),
    point: el("div.ls-option-part", {}, pointPart(options), markFields(studio, stage, marks, ["points", "excluded"], options)),
  };
  const bar = el("div.ls-options", { role: "toolbar", "aria-label": t("tools.options") }, ...Object.values(parts));
  const draw = () => {
    for (const [id, part] of Object.entries(parts)) part.hidden = store.get("tool") !== id;
    bar.hidden = !store.get("document") && !store.get("draft");
  };
  for (const key of ["tool", "document", "draft"]) store.watch(key, draw);
  draw();
  return bar;
}

function selectPart(options) {
  const snap = el("button.ls-option-toggle", { type: "button", title: t("tools.snap_help"), onclick: () => options.change({ snap: !options.snap }) }, icon("magnet", 16), el("span", {}, t("tools.snap")));
  const draw = () => snap.setAttribute("aria-pressed", String(options.snap));
  options.onChange(draw);
  draw();
  return el("div.ls-option-part", {}, snap, el("p.ls-option-hint", {}, t("tools.select_hint")));
}

/** One of few, as buttons side by side. */
function either(options, name, label, choices) {
  const buttons = choices.map(([value, symbol, text]) =>
    [value, el("button.ls-option-toggle", { type: "button", title: text, onclick: () => options.change({ [name]: value }) }, icon(symbol, 16), el("span", {}, text))]);
  const draw = () => buttons.forEach(([value, button]) => button.setAttribute("aria-pressed", String(options[name] === value)));
  options.onChange(draw);
  draw();
  return el("div.ls-option-group", { role: "group", "aria-label": label }, ...buttons.map(([, button]) => button));
}

function brushPart(options) {
  const mode = either(options, "mode", t("tools.brush_mode"), [["erase", "eraser", t("tools.erase")], ["restore", "restore", t("tools.restore")]]);
  const size = sliderField({ label: t("tools.size"), unit: "px", least: LEAST_SIZE, most: 300, change: (value) => options.change({ size: value }), fieldMost: MOST_SIZE });
  const hardness = sliderField({ label: t("tools.hardness"), unit: "%", least: 0, most: 100, change: (value) => options.change({ hardness: value / 100 }) });
  const strength = sliderField({ label: t("tools.strength"), unit: "%", least: 1, most: 100, change: (value) => options.change({ strength: value / 100 }) });
  const draw = () => {
    size.show(options.size);
    hardness.show(Math.round(options.hardness * 100));
    strength.show(Math.round(options.strength * 100));
  };
  options.onChange(draw);
  draw();
  return el("div.ls-option-part", {}, mode, size.node, hardness.node, strength.node);
}

function pointPart(options) {
  return either(options, "point", t("tools.point_kind"), [["points", "point", t("tools.point_on")], ["excluded", "point-exclude", t("tools.point_off")]]);
}
