// The recipe of the document: what to run to have it again.

import { el, icon } from "../dom.js";
import { t } from "../i18n.js";
import * as wire from "../wire.js";
import { randomSeed } from "./form_parts.js";
import { commandLines } from "./recipe_lines.js";
import { loadRecipe } from "./recipe_load.js";

/** `load()` asks the server when the page is first shown. */
export function recipePage(studio, close) {
  const document = studio.store.get("document");
  const lines = el("div", {}, el("span.ls-spinner", { role: "status", "aria-label": t("recipe.loading") }));
  const again = (body) => {
    close();
    studio.startJob("regenerate", body);
  };
  const buttons = [
    el("button.ls-button", { type: "button", disabled: !document.has_recipe, onclick: () => again({}) }, icon("shell-again", 15), t("recipe.again")),
    el("button.ls-button", { type: "button", disabled: !document.has_recipe, onclick: () => again({ seed: randomSeed() }) }, icon("shell-dice", 15), t("recipe.another_seed")),
    el("button.ls-button", { type: "button", onclick: () => loadOther() }, icon("shell-folder", 15), t("recipe.load")),
  ];
  let asked = false;

  async function loadOther() {
    close();
    await loadRecipe(studio);
  }

  async function load() {
    if (asked) return;
    asked = true;
    if (!document.has_recipe) return lines.replaceChildren(el("p.ls-dim", {}, t("recipe.none")));
    try {
      lines.replaceChildren(commandLines(studio, await wire.get("recipe")));
    } catch (error) {
      lines.replaceChildren(el("p.ls-fault", {}, error.message), el("p.ls-help", {}, error.advice));
    }
  }

  return { node: el("div.ls-export", {}, el("p.ls-dim", {}, t("recipe.lead")), lines, el("div.ls-button-line", {}, ...buttons)), load };
}
