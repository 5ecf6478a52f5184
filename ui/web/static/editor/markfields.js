// Marks by numbers: what is drawn with the pointer can be typed as well.

import { el, iconButton } from "../dom.js";
import { t } from "../i18n.js";
import { numberField } from "./inputs.js";

/** Buttons that choose a mark, fields with its numbers, add and delete. */
export function markFields(studio, stage, marks, kinds, options = null) {
  const { store } = studio;
  const names = kinds[0] === "boxes" ? ["x", "y", "w", "h"] : ["x", "y"];
  let values = null; // of the next mark, while none is chosen
  const labels = { x: ["X", t("props.x")], y: ["Y", t("props.y")], w: [t("props.w_short"), t("props.w")], h: [t("props.h_short"), t("props.h")] };
  const fields = names.map((name, index) => numberField({
    label: labels[name][0], title: labels[name][1], least: index > 1 ? 1 : 0,
    commit: (value) => {
      const next = [...current()];
      next[index] = value;
      if (mine()) marks.replace(marks.chosen, next);
      else values = next;
    },
  }));
  const add = iconButton("add", t("tools.mark_add"), () => marks.add(options?.point ?? kinds[0], current()), { class: "is-small" });
  const remove = iconButton("delete", t("tools.mark_delete"), () => marks.remove(), { class: "is-small" });
  const list = el("div.ls-marks", { role: "group", "aria-label": t("tools.marks") });

  const mine = () => marks.chosen !== null && kinds.includes(marks.chosen.kind);

  function current() {
    if (mine()) return store.get("hints")[marks.chosen.kind][marks.chosen.index];
    const extent = stage.viewport.extent || { width: 0, height: 0 };
    const middle = [Math.round(extent.width / 4), Math.round(extent.height / 4), Math.round(extent.width / 2), Math.round(extent.height / 2)];
    if (names.length === 2) return values || [middle[2], middle[3]];
    return values || middle;
  }

  function draw() {
    const hints = store.get("hints");
    const now = current();
    names.forEach((_, index) => fields[index].show(now[index]));
    remove.disabled = !mine();
    const focused = list.contains(document.activeElement);
    list.replaceChildren(...kinds.flatMap((kind) => hints[kind].map((_, index) => chip(kind, index))));
    if (focused) (list.querySelector("[aria-pressed=true]") || list.lastElementChild)?.focus();
  }

  function chip(kind, index) {
    const chosen = marks.chosen?.kind === kind && marks.chosen.index === index;
    const name = t(`tools.mark_${kind}`, { number: index + 1 });
    return el("button.ls-mark", {
      type: "button", "aria-pressed": String(chosen), "aria-label": name, title: name, class: kind === "excluded" ? "is-excluded" : "",
      onclick: () => marks.choose(chosen ? null : { kind, index }),
    }, String(index + 1));
  }

  store.watch("hints", draw);
  for (const key of ["draft", "document"]) store.watch(key, (now, before) => {
    if (now?.id !== before?.id) values = null;
    draw();
  });
  draw();
  return el("div.ls-option-part", {}, list, ...fields.map((field) => field.node), add, remove);
}
