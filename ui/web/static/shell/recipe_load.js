// A recipe from JSON: it fills in the form of its task, for the user to look at and run.

import { t } from "../i18n.js";
import * as wire from "../wire.js";
import { ask } from "./dialog.js";

/** Ask for the JSON; whether a form was filled in. */
export async function loadRecipe(studio) {
  const answer = await ask({
    title: t("recipe.load"), message: t("recipe.load.help"), action: t("recipe.load.action"),
    fields: [{ name: "text", kind: "area", rows: 14, label: t("recipe.json"), required: true, check: notRecipe, placeholder: '{"task": "decompose", ...}' }],
  });
  if (!answer) return false;
  const request = await checked(studio, parsed(answer.text));
  if (!request) return false;
  studio.showWay(request.task);
  studio.forms[request.task].fillIn(request);
  const unknown = request.method && !studio.catalogue.find(request.method);
  studio.notify(unknown
    ? { kind: "error", message: t("recipe.unknown_method", { name: request.method }), advice: t("recipe.unknown_method.advice") }
    : { kind: "done", message: t("recipe.loaded") });
  return true;
}

/** Said beside the field, where the text can still be mended. */
const notRecipe = (text) => (parsed(text) ? "" : `${t("recipe.not_json")} ${t("recipe.not_json.advice")}`);

/** The request as the server understands it; null with a notice if it makes no sense. */
async function checked(studio, request) {
  try {
    return (await wire.post("recipe", { request })).request || request;
  } catch (error) {
    studio.fail(error);
    return null;
  }
}

/** The request, also from inside a document's manifest; null for anything else. */
function parsed(text) {
  try {
    const data = JSON.parse(text);
    const request = data?.request || data?.recipe || data;
    return request && ["decompose", "generate"].includes(request.task) ? request : null;
  } catch {
    return null;
  }
}
