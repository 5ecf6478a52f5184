// Taking a picture apart: which picture, by which method, into how many layers.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { settingsFields, folded } from "./settings_form.js";
import { field, listField } from "./fields.js";
import { hasProblem, layersField, notReady, remembered, runLine, seedField } from "./form_parts.js";
import { hintLists, unusedMarks } from "./hints.js";
import { Memory } from "./memory.js";
import { chosenMethod, pickMethod } from "./method_cards.js";
import { sourceOf, sourcePicker } from "./source_picker.js";

const EMPTY = { method: null, layers: "auto", exact: true, seed: null, read_text: "auto", languages: "", prompts: [], base: "", settings: {}, unfolded: false };

/** The form, and `fillIn(request)` for a recipe. */
export function decomposeForm(studio) {
  const memory = new Memory("decompose", EMPTY);
  const body = el("div.ls-form-body");
  const node = el("form.ls-form", { "aria-label": t("decompose.label"), novalidate: true, onsubmit: (event) => run(event) });
  let marks = null;
  let unused = null;

  function draw() {
    marks?.stop();
    unused?.stop();
    marks = unused = null;
    const method = studio.catalogue.chosen("decompose", memory.get("method"));
    body.replaceChildren(...(method ? fieldsOf(method) : [el("p.ls-dim", {}, t("method.none"))]));
  }

  function fieldsOf(method) {
    const takes = new Set(method.inputs);
    const all = memory.get("settings");
    const settings = settingsFields(method, all[method.id] || {}, (values) => memory.set("settings", { ...memory.get("settings"), [method.id]: values }));
    const kinds = ["boxes", "points", takes.has("excluded_points") && "excluded"].filter((kind) => takes.has(kind) || kind === "excluded");
    if (kinds.length) marks = hintLists(studio, kinds);
    unused = unusedMarks(studio, kinds);
    const advanced = [
      ...settings.folded,
      takes.has("seed") ? seedField(memory) : null,
      takes.has("languages") ? remembered(memory, { name: "languages", kind: "text", label: t("decompose.languages"), help: t("decompose.languages.help"), placeholder: "eng" }) : null,
      takes.has("base") ? remembered(memory, { name: "base", kind: "text", label: t("form.base"), help: t("form.base.help") }) : null,
    ];
    return [
      chosenMethod(studio, method, choose),
      notReady(studio, method),
      ...(takes.has("layers") ? layersField(memory) : []),
      takes.has("prompts") ? prompts() : null,
      marks && marks.node,
      unused.node,
      ...settings.open,
      takes.has("exact") ? remembered(memory, { name: "exact", kind: "flag", label: t("decompose.exact"), help: t("decompose.exact.help") }) : null,
      takes.has("read_text") ? readText() : null,
      folded(t("form.advanced"), advanced, memory.get("unfolded"), (isOpen) => memory.set("unfolded", isOpen)),
    ].filter(Boolean);
  }

  const prompts = () => listField({
    label: t("decompose.prompts"), help: t("decompose.prompts.help"), add: t("decompose.prompts.add"), item: (number) => t("decompose.prompts.item", { number }),
    value: memory.get("prompts"), onchange: (value) => memory.set("prompts", value),
  }).node;

  const readText = () => field({
    kind: "choice", label: t("decompose.read_text"), value: memory.get("read_text"), onchange: (value) => memory.set("read_text", value),
    choices: ["auto", "yes", "no"].map((value) => ({ value, label: t(`decompose.read_text.${value}`) })),
  }).node;

  async function choose() {
    const current = studio.catalogue.chosen("decompose", memory.get("method"));
    const id = await pickMethod(studio, "decompose", current?.id);
    if (id) memory.set("method", id);
    draw();
  }

  /** The request as the form stands; null without methods. */
  function request() {
    const method = studio.catalogue.chosen("decompose", memory.get("method"));
    if (!method) return null;
    const takes = new Set(method.inputs);
    const hints = studio.store.get("hints");
    const whole = (mark) => mark.map(Math.round);
    const given = {
      layers: memory.get("layers"),
      boxes: hints.boxes.map(whole),
      points: hints.points.map(whole),
      excluded_points: hints.excluded.map(whole),
      prompts: memory.get("prompts").filter((text) => text.trim()),
      exact: memory.get("exact"),
      seed: memory.get("seed"),
      read_text: { auto: null, yes: true, no: false }[memory.get("read_text")],
      languages: memory.get("languages").split(/[\s,+]+/).filter(Boolean),
      base: memory.get("base").trim(),
    };
    const asked = Object.entries(given).filter(([name, value]) => takes.has(name) && value !== null && value !== "" && value.length !== 0);
    const settings = memory.get("settings")[method.id] || {};
    return { task: "decompose", method: method.id, ...Object.fromEntries(asked), ...(Object.keys(settings).length ? { settings } : {}) };
  }

  async function run(event) {
    event.preventDefault();
    if (hasProblem(node)) return;
    const source = sourceOf(studio.store);
    const wanted = request();
    if (!source) studio.notify({ kind: "info", message: t("decompose.no_picture"), advice: t("decompose.no_picture.advice") });
    else if (wanted) {
      studio.panels.show("canvas");
      await studio.startJob("decompose", { upload: source, request: wanted });
    }
  }

  /** Take over what a recipe says. */
  function fillIn(recipe) {
    const { method, layers = "auto", exact = true, seed = null, read_text = null, languages = [], prompts = [], base = "", settings = {} } = recipe;
    memory.setAll({
      method, layers, exact, seed, prompts, base: base || "", languages: languages.join(" "),
      read_text: read_text === null ? "auto" : read_text ? "yes" : "no",
      settings: { ...memory.get("settings"), [method]: settings },
    });
    studio.store.set({ hints: { boxes: recipe.boxes || [], points: recipe.points || [], excluded: recipe.excluded_points || [] } });
    draw();
  }

  node.append(el("div.ls-form-scroll", {}, sourcePicker(studio), body), runLine(studio, { label: t("decompose.run"), request }));
  studio.catalogue.watch(draw);
  draw();
  return { node, fillIn };
}
