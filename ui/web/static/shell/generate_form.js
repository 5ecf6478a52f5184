// Making layers from text: a form of what the chosen method takes in the chosen mode.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { field, listField } from "./fields.js";
import { hasProblem, layersField, notReady, remembered, runLine, seedField } from "./form_parts.js";
import { EMPTY, requestOf, valuesOf } from "./generate_request.js";
import { hintLists } from "./hints.js";
import { inputPictures } from "./input_pictures.js";
import { Memory } from "./memory.js";
import { chosenMethod, pickMethod } from "./method_cards.js";
import { STEERING, takes } from "./modes.js";
import { folded, settingsFields } from "./settings_form.js";

const SIZES = [[1024, 1024], [832, 1216], [1216, 832], [768, 1344], [1344, 768], [512, 512]];
const ADVANCED = [
  { name: "steps", kind: "whole", least: 1, most: 1000 },
  { name: "guidance", kind: "number", least: 0, most: 100, step: 0.1 },
  { name: "true_guidance", kind: "number", least: 0, most: 100, step: 0.1 },
  { name: "ending_step", kind: "number", least: 0, most: 1, step: 0.01 },
  { name: "scheduler", kind: "text" },
  { name: "variant", kind: "text" },
  { name: "base", kind: "text" },
  { name: "planner", kind: "text" },
];

/** The form, and `fillIn(request)` for a recipe. */
export function generateForm(studio) {
  const memory = new Memory("generate", EMPTY);
  const body = el("div.ls-form-body");
  const node = el("form.ls-form", { "aria-label": t("generate.label"), novalidate: true, onsubmit: (event) => run(event) });
  let marks = null;

  const chosen = () => studio.catalogue.chosen("generate", memory.get("method"));
  const modeOf = (method) => (method.modes.includes(memory.get("mode")) ? memory.get("mode") : method.modes[0] || null);

  function draw() {
    marks?.stop();
    marks = null;
    const method = chosen();
    body.replaceChildren(...(method ? fieldsOf(method) : [el("p.ls-dim", {}, t("method.none"))]));
  }

  function fieldsOf(method) {
    const { fields, roles, needs } = takes(method, modeOf(method));
    const steering = Object.keys(STEERING).filter((role) => fields.has("inputs") && fields.has(STEERING[role]));
    const all = memory.get("settings");
    const settings = settingsFields(method, all[method.id] || {}, (values) => memory.set("settings", { ...memory.get("settings"), [method.id]: values }));
    if (fields.has("boxes")) marks = hintLists(studio, ["boxes"]);
    const advanced = [
      ...ADVANCED.filter((spec) => fields.has(spec.name)).map(number),
      fields.has("augment") ? augment() : null,
      fields.has("seed") ? seedField(memory) : null,
      steering.length ? inputPictures(studio, memory, steering, []) : null,
      ...steering.map((role) => remembered(memory, { name: STEERING[role], kind: "text", label: t(`generate.${STEERING[role]}`), help: t("form.base.help") })),
      fields.has("loras") ? list("loras") : null,
      ...settings.open, ...settings.folded,
    ];
    return [
      chosenMethod(studio, method, choose),
      notReady(studio, method),
      method.modes.length > 1 ? modes(method) : null,
      fields.has("prompt") ? text("prompt", 4) : null,
      fields.has("negative_prompt") ? text("negative_prompt", 2) : null,
      fields.has("foregrounds") ? list("foregrounds") : null,
      fields.has("background") ? text("background", 2) : null,
      roles.length ? inputPictures(studio, memory, roles, needs) : null,
      fields.has("strength") && roles.includes("image") ? number({ name: "strength", kind: "number", least: 0, most: 1, step: 0.05 }) : null,
      ...(fields.has("extent") ? size() : []),
      ...(fields.has("layers") ? layersField(memory) : []),
      marks && el("div", {}, marks.node, el("p.ls-help", {}, t("generate.boxes.help"))),
      folded(t("form.advanced"), advanced, memory.get("unfolded"), (isOpen) => memory.set("unfolded", isOpen)),
    ].filter(Boolean);
  }

  const modes = (method) => field({
    kind: "choice", label: t("generate.mode"), value: modeOf(method), choices: method.modes.map((value) => ({ value, label: t(`mode.${value}`, {}, value) })),
    onchange: (value) => {
      memory.set("mode", value);
      draw();
    },
  }).node;

  const text = (name, rows) => remembered(memory, { name, kind: "area", rows, label: t(`generate.${name}`), placeholder: t(`generate.${name}.example`, {}, ""), help: t(`generate.${name}.help`, {}, "") });

  const list = (name) => listField({
    label: t(`generate.${name}`), help: t(`generate.${name}.help`), add: t(`generate.${name}.add`), item: (number) => t(`generate.${name}.item`, { number }),
    value: memory.get(name), onchange: (value) => memory.set(name, value),
  }).node;

  const number = (spec) => remembered(memory, { ...spec, label: t(`generate.${spec.name}`), help: t(`generate.${spec.name}.help`, {}, ""), placeholder: t("generate.default") });

  const augment = () => remembered(memory, { name: "augment", kind: "choice", label: t("generate.augment"), help: t("generate.augment.help"), choices: [8, 4, 2, 1].map((value) => ({ value, label: String(value) })) });

  function size() {
    const width = remembered(memory, { name: "width", kind: "whole", least: 16, most: 8192, unit: "px", label: t("generate.width") });
    const height = remembered(memory, { name: "height", kind: "whole", least: 16, most: 8192, unit: "px", label: t("generate.height") });
    const own = el("div.ls-two", { hidden: memory.get("size") !== "own" }, width, height);
    const choices = [
      { value: "auto", label: t("generate.size.auto") },
      ...SIZES.map((extent) => ({ value: extent.join("x"), label: t("upload.size", { width: extent[0], height: extent[1] }) })),
      { value: "own", label: t("generate.size.own") },
    ];
    const choice = field({
      kind: "choice", label: t("generate.size"), value: memory.get("size"), choices,
      onchange: (value) => {
        memory.set("size", value);
        own.hidden = value !== "own";
      },
    });
    return [choice.node, own];
  }

  async function choose() {
    const id = await pickMethod(studio, "generate", chosen()?.id);
    if (id) memory.set("method", id);
    draw();
  }

  /** The request as the form stands; null without methods. */
  function request() {
    const method = chosen();
    return method && requestOf(memory, method, modeOf(method), studio.store.get("hints").boxes);
  }

  async function run(event) {
    event.preventDefault();
    const method = chosen();
    if (!method || hasProblem(node)) return;
    const { roles, needs } = takes(method, modeOf(method));
    const pictures = memory.get("pictures");
    const lacking = needs.find((role) => !pictures[role]);
    const texts = [memory.get("prompt"), ...memory.get("foregrounds"), memory.get("background")];
    if (lacking) return studio.notify({ kind: "info", message: t("generate.no_input", { role: t(`role.${lacking}`) }) });
    if (!texts.some((one) => one.trim())) {
      node.querySelector("textarea")?.focus();
      return studio.notify({ kind: "info", message: t("generate.no_prompt") });
    }
    const usable = [...roles, ...Object.keys(STEERING).filter((role) => takesSteering(method, role))];
    const inputs = Object.fromEntries(usable.filter((role) => pictures[role]).map((role) => [role, pictures[role].id]));
    studio.panels.show("canvas");
    await studio.startJob("generate", { request: request(), inputs });
  }

  const takesSteering = (method, role) => method.inputs.includes(STEERING[role]) && memory.get(STEERING[role]).trim();

  /** Take over what a recipe says. */
  function fillIn(recipe) {
    memory.setAll(valuesOf(recipe, memory.get("settings")));
    if (recipe.boxes) studio.store.set({ hints: { boxes: recipe.boxes, points: [], excluded: [] } });
    draw();
  }

  node.append(el("div.ls-form-scroll", {}, body), runLine(studio, { label: t("generate.run"), request }));
  studio.catalogue.watch(draw);
  draw();
  return { node, fillIn };
}
