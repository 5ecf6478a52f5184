// Light and colour of the selected layers, by sliders that show their effect as they move.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { selected } from "../store.js";
import { sliderField } from "./inputs.js";
import { lockedOf } from "./selection.js";
import { steady } from "./steady.js";

// What the sliders show, and what the command takes.
const PERCENT = { least: -100, most: 100, unit: "", toArgument: (value) => value / 100 };
const SLIDERS = {
  brightness: PERCENT,
  contrast: PERCENT,
  saturation: PERCENT,
  temperature: PERCENT,
  hue: { least: -180, most: 180, unit: "°", toArgument: (value) => value },
  // A scale on which the middle is 1 and both ends are a factor of ten.
  gamma: { least: -100, most: 100, unit: "", toArgument: (value) => 10 ** (value / 100) },
};
const page = Math.random().toString(36).slice(2, 8);

/**
 * All sliders are one adjustment of the layers as they were when the first was touched: each value
 * takes the place of the one before. Another selection, another edit or "Apply" begins a new one.
 */
export function adjustmentsPanel(studio) {
  const { store, edit } = studio;
  const values = Object.fromEntries(Object.keys(SLIDERS).map((name) => [name, 0]));
  let invert = false;
  let session = 0;
  let sending = false; // a change of the document meanwhile is ours
  const key = () => `live-adjust-${page}-${session}`;

  const send = steady(async () => {
    const args = Object.fromEntries(Object.entries(SLIDERS).map(([name, { toArgument }]) => [name, toArgument(values[name])]));
    sending = true;
    await edit.run("adjust", { ...args, invert }, { merge: key() });
    sending = false;
  });

  const sliders = Object.entries(SLIDERS).map(([name, spec]) => [name, sliderField({
    label: t(`props.${name}`), least: spec.least, most: spec.most, unit: spec.unit, start: 0,
    change: (value) => {
      values[name] = value;
      return send();
    },
  })]);
  const flip = el("input.ls-check", { type: "checkbox", onchange: () => {
    invert = flip.checked;
    send();
  } });
  const reset = el("button.ls-button.is-small", { type: "button", onclick: () => {
    zero();
    send();
    show();
  } }, t("props.reset"));
  const keep = el("button.ls-button.is-small", { type: "button", title: t("props.apply_help"), onclick: () => begin() }, t("props.apply"));
  const none = el("p.ls-panel-empty", {}, t("props.none"));
  const body = el("div.ls-adjust", {}, ...sliders.map(([, slider]) => slider.node),
    el("label.ls-check-line", {}, flip, el("span", {}, t("props.invert"))),
    el("div.ls-button-line", {}, reset, keep));

  function zero() {
    for (const name of Object.keys(values)) values[name] = 0;
    invert = false;
  }

  function begin() {
    session += 1;
    zero();
    show();
  }

  const touched = () => invert || Object.values(values).some((value) => value !== 0);

  function show() {
    const document = store.get("document");
    const nodes = store.get("draft") ? [] : selected(document);
    const off = Boolean(lockedOf(document));
    none.hidden = nodes.length > 0;
    body.hidden = nodes.length === 0;
    for (const [name, slider] of sliders) slider.show(values[name], off);
    flip.checked = invert;
    flip.disabled = off;
    reset.disabled = keep.disabled = off || !touched();
  }

  store.watch("document", (document, before) => {
    const other = String(document?.selection) !== String(before?.selection);
    const elsewhere = !sending && document?.revision !== before?.revision;
    if (touched() && (other || elsewhere)) begin();
    else show();
  });
  store.watch("draft", show);
  show();
  return el("div", {}, none, body);
}
