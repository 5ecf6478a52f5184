// The history: what was done, where one is; a click goes there.

import { el, iconButton } from "../dom.js";
import { currentLanguage, t } from "../i18n.js";

export function historyPanel(studio) {
  const { store, edit } = studio;
  const undo = iconButton("undo", t("history.undo"), () => edit.undo(), { class: "is-small" });
  const redo = iconButton("redo", t("history.redo"), () => edit.redo(), { class: "is-small" });
  const list = el("ol.ls-history", { "aria-label": t("history.label") });
  const none = el("p.ls-panel-empty", {}, t("history.none"));

  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const buttons = [...list.querySelectorAll("button")];
    buttons[buttons.indexOf(document.activeElement) + step]?.focus();
  });

  function draw(opened) {
    const history = opened?.history;
    const focused = list.contains(document.activeElement);
    undo.disabled = !history?.can_undo;
    redo.disabled = !history?.can_redo;
    none.hidden = Boolean(history?.entries.length);
    list.replaceChildren(...(history?.entries || []).map((entry, order) => row(entry, order, history.position)));
    const current = list.querySelector("[aria-current]");
    if (focused) current?.focus({ preventScroll: true });
    current?.scrollIntoView({ block: "nearest" });
  }

  function row({ index, label, label_key }, order, position) {
    return el("li", {}, el("button.ls-history-entry", {
      type: "button", "aria-current": order === position ? "step" : null, class: order > position ? "is-undone" : "", tabindex: order === position ? "0" : "-1",
      onclick: () => order !== position && edit.jump(index),
    }, textOf(label, label_key)));
  }

  store.watch("document", (document, before) => {
    if (document?.history !== before?.history) draw(document);
  });
  draw(store.get("document"));
  return el("div.ls-history-panel", {}, el("div.ls-icon-line", {}, undo, redo), none, list);
}

/** The server's English names the layers too; the other languages have a text for each kind of edit. */
function textOf(label, key) {
  return currentLanguage() === "en" || !key ? label : t(key, {}, label);
}
