// Labelled inputs: each knows its value, its help and its problem.

import { el, icon, iconButton, uniqueId } from "../dom.js";
import { t } from "../i18n.js";

/**
 * An input with its label from a plain description.
 *
 * `spec`: { name, kind, label, value, help, least, most, step, unit, choices: [{value, label}],
 * required, placeholder, rows, onchange }. Kinds: text, area, number, whole, range, choice, flag,
 * color. Answers { node, name, get(), set(value), problem(text), focus() }; `get` is null for an
 * empty number.
 */
export function field(spec) {
  const id = uniqueId("field");
  const made = (KINDS[spec.kind] || KINDS.text)(spec, id);
  const help = spec.help ? el("p.ls-help", { id: `${id}-help` }, spec.help) : null;
  const fault = el("p.ls-fault", { id: `${id}-fault`, hidden: true });
  made.input.id = id;
  const described = [help && help.id, fault.id].filter(Boolean).join(" ");
  made.input.setAttribute("aria-describedby", described);
  const label = el("label.ls-label", { for: id }, spec.label, spec.unit ? el("span.ls-unit", {}, spec.unit) : null);
  const node = el("div.ls-field", { class: `is-${spec.kind}` }, ...made.order(label), help, fault);
  const handle = {
    node,
    name: spec.name,
    get: made.get,
    set: (value) => made.set(value),
    focus: () => made.input.focus(),
    problem(text) {
      fault.hidden = !text;
      fault.textContent = text || "";
      if (text) made.input.setAttribute("aria-invalid", "true");
      else made.input.removeAttribute("aria-invalid");
    },
  };
  const heard = () => {
    handle.problem(problemOf(spec, made.get()));
    if (spec.onchange) spec.onchange(made.get());
  };
  for (const event of made.events) made.input.addEventListener(event, heard);
  return handle;
}

/** What is wrong with a value, as a sentence; empty if nothing is. */
export function problemOf(spec, value) {
  if (spec.required && (value === "" || value === null)) return t("field.required");
  if (value === null || typeof value !== "number") return "";
  if (spec.kind === "whole" && !Number.isInteger(value)) return t("field.whole");
  const least = spec.least ?? -Infinity;
  const most = spec.most ?? Infinity;
  if (value >= least && value <= most) return "";
  if (most === Infinity) return t("field.least", { least });
  if (least === -Infinity) return t("field.most", { most });
  return t("field.between", { least, most });
}

const stacked = (input) => (label) => [label, input];

const KINDS = {
  text: (spec) => {
    const input = el("input.ls-input", {
      type: "text", value: spec.value ?? "", placeholder: spec.placeholder, spellcheck: "false", autocomplete: "off",
    });
    return { input, events: ["input"], get: () => input.value, set: (value) => (input.value = value ?? ""), order: stacked(input) };
  },
  area: (spec) => {
    const input = el("textarea.ls-input", { rows: spec.rows || 3, placeholder: spec.placeholder, value: spec.value ?? "" });
    return { input, events: ["input"], get: () => input.value, set: (value) => (input.value = value ?? ""), order: stacked(input) };
  },
  number: (spec) => numeric(spec, "any"),
  whole: (spec) => numeric(spec, 1),
  range: (spec) => {
    const step = spec.step ?? 0.01;
    const attributes = { type: "range", min: spec.least, max: spec.most, step, value: spec.value };
    const input = el("input.ls-range", attributes);
    const shown = el("output.ls-output", { "aria-hidden": "true" }, String(spec.value));
    const show = () => (shown.textContent = input.value);
    input.addEventListener("input", show);
    const set = (value) => {
      input.value = value;
      show();
    };
    return { input, events: ["input"], get: () => Number(input.value), set, order: (label) => [el("div.ls-field-line", {}, label, shown), input] };
  },
  choice: (spec) => {
    const input = el("select.ls-select", {}, ...spec.choices.map(({ value, label }) => el("option", { value }, label)));
    input.value = String(spec.value);
    const types = new Map(spec.choices.map(({ value }) => [String(value), value]));
    return { input, events: ["change"], get: () => types.get(input.value), set: (value) => (input.value = String(value)), order: stacked(input) };
  },
  flag: (spec) => {
    const input = el("input.ls-check", { type: "checkbox", checked: Boolean(spec.value) });
    return {
      input, events: ["change"], get: () => input.checked, set: (value) => (input.checked = Boolean(value)),
      order: (label) => [el("div.ls-check-line", {}, input, label)],
    };
  },
  color: (spec) => {
    const input = el("input.ls-color", { type: "color", value: spec.value || "#000000" });
    return { input, events: ["input"], get: () => input.value, set: (value) => (input.value = value), order: stacked(input) };
  },
};

function numeric(spec, step) {
  const attributes = { type: "number", step: spec.step ?? step, min: spec.least, max: spec.most, placeholder: spec.placeholder };
  const input = el("input.ls-input", { ...attributes, value: spec.value ?? "", inputmode: step === 1 ? "numeric" : "decimal" });
  const get = () => (input.value === "" ? null : Number(input.value));
  return { input, events: ["input"], get, set: (value) => (input.value = value ?? ""), order: stacked(input) };
}

/**
 * A list of texts that grows: { label, value: [texts], add, item(n), placeholder, help, onchange }.
 */
export function listField(spec) {
  const id = uniqueId("list");
  const rows = el("div.ls-list-rows");
  const values = [...(spec.value || [])];
  const tell = () => spec.onchange(values.filter((text) => text.trim()));
  const draw = () => rows.replaceChildren(...values.map(row));
  function row(text, index) {
    const label = spec.item(index + 1);
    const input = el("input.ls-input", {
      type: "text", value: text, "aria-label": label, placeholder: spec.placeholder, autocomplete: "off",
      oninput: () => {
        values[index] = input.value;
        tell();
      },
      onkeydown: (event) => event.key === "Enter" && !event.isComposing && add(),
    });
    const remove = () => {
      values.splice(index, 1);
      draw();
      tell();
      (rows.querySelectorAll("input")[Math.min(index, values.length - 1)] || adder).focus();
    };
    return el("div.ls-list-row", {}, input, iconButton("shell-close", t("field.remove", { what: label }), remove, { class: "is-small" }));
  }
  function add() {
    values.push("");
    draw();
    rows.querySelector(".ls-list-row:last-child input").focus();
  }
  const adder = el("button.ls-button.is-quiet.is-small", { type: "button", onclick: add }, icon("shell-plus", 14), spec.add);
  draw();
  const help = spec.help ? el("p.ls-help", { id: `${id}-help` }, spec.help) : null;
  const attributes = { role: "group", "aria-labelledby": id, "aria-describedby": help && help.id };
  const node = el("div.ls-field", attributes, el("span.ls-label", { id }, spec.label), help, rows, adder);
  const set = (texts) => {
    values.splice(0, values.length, ...texts);
    draw();
  };
  return { node, set };
}

/** One of few, side by side: { label, value, choices: [{value, label}], onchange }. */
export function segmented(spec) {
  const name = uniqueId("segment");
  const choices = spec.choices.map(({ value, label }) =>
    el("label.ls-segment", {},
      el("input", { type: "radio", name, value, checked: value === spec.value, onchange: () => spec.onchange(value) }),
      el("span", {}, label)));
  return el("div.ls-segments", { role: "radiogroup", "aria-label": spec.label }, ...choices);
}
