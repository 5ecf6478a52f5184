// The header: what is open, undo and redo, how it is looked at, preferences, the way out.

import { el, icon, iconButton } from "../dom.js";
import { t } from "../i18n.js";
import { about, showShortcuts } from "./help.js";
import { openMenu } from "./menu.js";
import { languageItems, themeItems } from "./preferences.js";

export function mountHeader(studio) {
  const { store, edit, regions, panels } = studio;
  const undo = iconButton("shell-undo", t("header.undo"), () => edit.undo());
  const redo = iconButton("shell-redo", t("header.redo"), () => edit.redo());
  const compare = iconButton("shell-compare", t("header.compare"), () => store.set({ compare: store.get("compare") === null ? 0.5 : null, exploded: false }), { "aria-pressed": "false" });
  const explode = iconButton("shell-explode", t("header.explode"), () => store.set({ exploded: !store.get("exploded"), compare: null }), { "aria-pressed": "false" });
  const fit = iconButton("shell-fit", t("header.fit"), () => studio.editor?.fit());
  const name = el("span.ls-document-name");
  const out = el("button.ls-button.is-primary", { type: "button", "aria-label": t("header.export"), "aria-haspopup": "dialog", onclick: () => studio.exportDialog() }, icon("shell-export", 16), el("span", {}, t("header.export")));
  const more = menuButton("shell-menu", t("header.more"), () => [
    { label: t("header.new"), icon: "shell-plus", run: () => studio.showWay("decompose") },
    { label: t("recipe.load"), icon: "shell-command", run: () => studio.loadRecipe() },
    { label: t("header.close"), icon: "shell-close", disabled: !store.get("document"), run: () => studio.closeDocument() },
    "-",
    { label: t("help.shortcuts"), icon: "shell-help", shortcut: "?", run: () => showShortcuts(studio) },
    { label: t("help.about"), icon: "shell-info", run: () => about(studio) },
  ]);

  regions.header.append(
    el("div.ls-header-part", {}, panels.startButton, el("span.ls-brand", {}, icon("shell-layers", 20), el("span", {}, t("app.name"))), more, line(), undo, redo),
    el("div.ls-header-part.is-middle", {}, name),
    el("div.ls-header-part.is-end", {}, compare, explode, fit, line(),
      menuButton("shell-language", t("header.language"), languageItems),
      menuButton("shell-theme", t("header.theme"), themeItems),
      iconButton("shell-help", t("help.shortcuts"), () => showShortcuts(studio), { "aria-haspopup": "dialog", class: "is-wide-only" }),
      ...userPart(studio), panels.layersButton, out));

  const draw = () => {
    const document = store.get("document");
    const draft = store.get("draft");
    name.textContent = draft?.name || document?.name || t("header.nothing");
    name.title = name.textContent;
    name.classList.toggle("ls-dim", !draft && !document);
    undo.disabled = !document?.history.can_undo;
    redo.disabled = !document?.history.can_redo;
    compare.disabled = Boolean(draft) || !document?.has_source;
    explode.disabled = Boolean(draft) || !document;
    fit.disabled = !draft && !document;
    out.disabled = !document;
    compare.setAttribute("aria-pressed", String(store.get("compare") !== null));
    explode.setAttribute("aria-pressed", String(store.get("exploded")));
    window.document.title = document ? t("app.title", { name: document.name }) : t("app.name");
  };
  for (const key of ["document", "draft", "compare", "exploded"]) store.watch(key, draw);
  draw();
}

const line = () => el("span.ls-header-line", { role: "presentation" });

function menuButton(name, label, items) {
  const button = iconButton(name, label, () => openMenu(button, items()), { "aria-haspopup": "menu", "aria-expanded": "false" });
  return button;
}

function userPart(studio) {
  const user = studio.store.get("user");
  if (!user) return [];
  return [menuButton("shell-user", t("header.user", { user }), () => [{ label: t("header.logout", { user }), icon: "shell-leave", run: studio.logout }])];
}
