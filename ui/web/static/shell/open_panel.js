// Opening a layered file, or a recipe.

import { el, icon } from "../dom.js";
import { t } from "../i18n.js";
import { pickFile } from "./incoming.js";
import { loadRecipe } from "./recipe_load.js";

const KINDS = ".psd,.psb,.ora,.tif,.tiff,.zip";

export function openPanel(studio) {
  return el("div.ls-form", {},
    el("div.ls-form-scroll", {},
      el("div.ls-drop", {},
        el("span.ls-drop-icon", {}, icon("shell-folder", 24)),
        el("p", {}, t("open.drop")),
        el("button.ls-button.is-primary", { type: "button", onclick: () => pickFile((file) => studio.take(file), KINDS) }, t("open.choose")),
        el("p.ls-help", {}, t("open.kinds"))),
      el("h3.ls-section", {}, t("open.formats")),
      el("dl.ls-facts", {}, ...["psd", "ora", "tif", "zip"].flatMap((id) => [el("dt", {}, t(`open.${id}`)), el("dd", {}, t(`open.${id}.reads`))])),
      el("h3.ls-section", {}, t("open.recipe")),
      el("p.ls-help", {}, t("open.recipe.help")),
      el("button.ls-button", { type: "button", onclick: () => loadRecipe(studio) }, icon("shell-command", 15), t("recipe.load"))));
}
