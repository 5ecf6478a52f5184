// Jobs that work on layers: what they need is asked in a dialog, then a job does it.

import { t } from "../i18n.js";
import { get } from "../wire.js";
import { selectionBounds } from "./selection.js";

const MOST_LAYERS = 20;

/** Names are long on some stages: an id is shown where there is no title. */
function choicesOf(entries) {
  const choices = entries.map((entry) => (typeof entry === "string" ? { id: entry } : entry)).filter((entry) => entry.ready !== false);
  return [{ value: "", label: t("layers.work.auto") }, ...choices.map(({ id, title }) => ({ value: id, label: title || id }))];
}

async function catalogue(studio) {
  try {
    return await get("methods");
  } catch (error) {
    studio.edit.failed(error);
    return null;
  }
}

/** Without what was left to the studio. */
function chosen(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== "" && value !== null));
}

export async function splitLayer(studio, [node]) {
  const known = await catalogue(studio);
  if (!known) return;
  const methods = known.methods.filter((method) => method.task === "decompose");
  const answer = await studio.ask({
    title: t("layers.work.split", { name: node.name }), message: t("layers.work.split_lead"), action: t("layers.work.split_run"),
    fields: [
      { name: "method", kind: "choice", label: t("layers.work.method"), value: "", choices: choicesOf(methods) },
      { name: "layers", kind: "whole", label: t("layers.work.layers"), value: null, least: 2, most: MOST_LAYERS, placeholder: t("layers.work.auto") },
      { name: "prompts", kind: "text", label: t("layers.work.prompts"), value: "", help: t("layers.work.prompts_help") },
    ],
  });
  if (!answer) return;
  const prompts = answer.prompts.split(/[,，、]/).map((text) => text.trim()).filter(Boolean);
  const request = { task: "decompose", ...chosen({ method: answer.method, layers: answer.layers }), ...(prompts.length ? { prompts } : {}) };
  studio.startJob("split", { path: node.path, request });
}

export async function matteAgain(studio, [node]) {
  const known = await catalogue(studio);
  if (!known) return;
  const { boxes } = studio.store.get("hints");
  const answer = await studio.ask({
    title: t("layers.work.matte", { name: node.name }), message: t("layers.work.matte_lead"), action: t("layers.work.matte_run"),
    fields: [
      { name: "matter", kind: "choice", label: t("layers.work.matter"), value: "", choices: choicesOf(known.stages?.matte || []) },
      ...(boxes.length ? [{ name: "boxed", kind: "flag", label: t("layers.work.within_box"), value: true }] : []),
    ],
  });
  if (answer) studio.startJob("matte", { path: node.path, ...chosen({ matter: answer.matter }), ...(answer.boxed ? { box: boxes.at(-1) } : {}) });
}

export async function fillBehind(studio, nodes) {
  const known = await catalogue(studio);
  if (!known) return;
  const answer = await studio.ask({
    title: t("layers.work.fill"), message: t("layers.work.fill_lead"), action: t("layers.work.fill_run"),
    fields: [
      { name: "completer", kind: "choice", label: t("layers.work.completer"), value: "", choices: choicesOf(known.stages?.inpaint || []) },
      { name: "prompt", kind: "text", label: t("layers.work.behind"), value: "", help: t("layers.work.behind_help") },
    ],
  });
  if (answer) studio.startJob("fill", { paths: nodes.map((node) => node.path), ...chosen(answer) });
}

export async function replaceLayer(studio, [node]) {
  const known = await catalogue(studio);
  if (!known) return;
  const methods = known.methods.filter((method) => method.task === "generate");
  const answer = await studio.ask({
    title: t("layers.work.replace", { name: node.name }), message: t("layers.work.replace_lead"), action: t("layers.work.replace_run"),
    fields: [
      { name: "prompt", kind: "area", label: t("layers.work.prompt"), value: node.text ? "" : node.name, required: true },
      { name: "method", kind: "choice", label: t("layers.work.method"), value: "", choices: choicesOf(methods) },
      { name: "seed", kind: "whole", label: t("layers.work.seed"), value: null, least: 0, placeholder: t("layers.work.seed_random") },
    ],
  });
  if (answer) studio.startJob("replace", { path: node.path, ...chosen(answer) });
}

export async function regenerate(studio) {
  const answer = await studio.ask({
    title: t("layers.work.regenerate"), message: t("layers.work.regenerate_lead"), action: t("layers.work.regenerate_run"),
    fields: [{ name: "seed", kind: "whole", label: t("layers.work.seed"), value: null, least: 0, placeholder: t("layers.work.seed_random") }],
  });
  if (answer) studio.startJob("regenerate", chosen(answer));
}

/** Sizes begin in proportion to the layer. */
export async function addShadow(studio) {
  const [, , width, height] = selectionBounds(studio.store.get("document"));
  const size = Math.max(2, Math.round(Math.max(width, height) / 40));
  const answer = await studio.ask({
    title: t("layers.shadow.title"), action: t("layers.shadow.run"),
    fields: [
      { name: "dx", kind: "whole", label: t("layers.shadow.dx"), value: size, unit: "px", required: true },
      { name: "dy", kind: "whole", label: t("layers.shadow.dy"), value: size, unit: "px", required: true },
      { name: "blur", kind: "number", label: t("layers.shadow.blur"), value: size, least: 0, most: 1000, unit: "px", required: true },
      { name: "opacity", kind: "range", label: t("layers.shadow.opacity"), value: 0.5, least: 0, most: 1, step: 0.01 },
      { name: "color", kind: "color", label: t("layers.shadow.colour"), value: "#000000" },
    ],
  });
  if (answer) studio.edit.run("shadow", answer);
}
