// A request as JSON, as a command line and as Python, each to be copied.

import { el, icon } from "../dom.js";
import { t } from "../i18n.js";

/** `lines`: { request, cli, python }. */
export function commandLines(studio, { request, cli, python }) {
  const parts = [["recipe.cli", cli], ["recipe.python", python], ["recipe.json", request && JSON.stringify(request, null, 2)]];
  return el("div.ls-recipe", {}, ...parts.filter(([, text]) => text).map(([key, text]) => block(studio, t(key), text)));
}

function block(studio, title, text) {
  return el("section.ls-code", { "aria-label": title },
    el("header", {}, el("h3", {}, title),
      el("button.ls-button.is-small", { type: "button", onclick: () => copy(studio, text), "aria-label": t("recipe.copy_what", { what: title }) }, icon("shell-copy", 14), t("recipe.copy"))),
    el("pre", { tabindex: "0" }, text));
}

async function copy(studio, text) {
  try {
    await navigator.clipboard.writeText(text);
    studio.notify({ kind: "done", message: t("recipe.copied") });
  } catch {
    // Pages that are not on this machine or on https have no clipboard.
    studio.notify({ kind: "info", message: t("recipe.not_copied") });
  }
}
