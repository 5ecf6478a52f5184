// What was marked on the canvas: boxes and points, as lists, and the tools that mark them.

import { el, icon, iconButton } from "../dom.js";
import { t } from "../i18n.js";

/**
 * Lists of the kinds of marks in `kinds` ("boxes", "points", "excluded"). The caller places `node`
 * and calls `stop()` when it is thrown away.
 */
export function hintLists(studio, kinds) {
  const { store } = studio;
  const node = el("div.ls-hints");
  const draw = () => {
    const hints = store.get("hints");
    node.replaceChildren(...kinds.map((kind) => list(studio, kind, hints[kind])));
    const count = kinds.reduce((sum, kind) => sum + hints[kind].length, 0);
    if (count > 1) node.append(el("button.ls-button.is-quiet.is-small", { type: "button", onclick: () => clear(store, kinds) }, t("hints.clear")));
  };
  const stops = [store.watch("hints", draw), store.watch("tool", draw)];
  draw();
  return { node, stop: () => stops.forEach((stop) => stop()) };
}

/** A word on marks that the chosen method, which takes `kinds`, would not see; `stop()` as above. */
export function unusedMarks(studio, kinds) {
  const { store } = studio;
  const node = el("p.ls-warning", {}, icon("shell-warn", 15), el("span", {}, t("hints.unused")));
  const draw = () => (node.hidden = !Object.entries(store.get("hints")).some(([kind, marks]) => marks.length && !kinds.includes(kind)));
  const stop = store.watch("hints", draw);
  draw();
  return { node, stop };
}

function list(studio, kind, marks) {
  const { store } = studio;
  const tool = kind === "boxes" ? "box" : "point";
  const isOn = store.get("tool") === tool;
  const mark = kind === "excluded" ? null : el("button.ls-button.is-small", {
    type: "button", "aria-pressed": String(isOn),
    onclick: () => {
      store.set({ tool: isOn ? "select" : tool });
      if (!isOn) studio.panels.show("canvas");
    },
  }, icon(kind === "boxes" ? "shell-box" : "shell-point", 15), t(`hints.mark.${kind}`));
  return el("div.ls-hint-kind", { role: "group", "aria-label": t(`hints.${kind}`) },
    el("div.ls-field-line", {}, el("span.ls-label", {}, t(`hints.${kind}`)), mark),
    marks.length
      ? el("ul.ls-rows", {}, ...marks.map((one, index) => row(store, kind, one, index)))
      : kind === "excluded" ? null : el("p.ls-help", {}, t(`hints.none.${kind}`)));
}

function row(store, kind, mark, index) {
  const [x, y, width, height] = mark.map(Math.round);
  const text = kind === "boxes" ? t("hints.box", { number: index + 1, x, y, width, height }) : t("hints.point", { number: index + 1, x, y });
  const remove = () => {
    const hints = store.get("hints");
    store.set({ hints: { ...hints, [kind]: hints[kind].filter((_, at) => at !== index) } });
  };
  return el("li.ls-row", {}, el("span", {}, text), iconButton("shell-close", t("field.remove", { what: text }), remove, { class: "is-small" }));
}

function clear(store, kinds) {
  store.set({ hints: { ...store.get("hints"), ...Object.fromEntries(kinds.map((kind) => [kind, []])) } });
}
