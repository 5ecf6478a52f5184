// Properties of the canvas itself, shown while nothing is selected: its size and what lies behind.

import { el, icon } from "../dom.js";
import { t } from "../i18n.js";
import { numberField } from "./inputs.js";

const MOST = 30000; // pixels of a side; the server has the last word

export function canvasPanel(studio) {
  const { edit } = studio;
  const resize = (wanted) => edit.run("canvas", (opened) => {
    const { width, height } = { ...opened, ...wanted };
    return { width, height, ...anchored(opened, width, height, anchor.value) };
  }, { paths: [] });
  const size = { unit: "px", least: 1, most: MOST };
  const width = numberField({ ...size, label: t("props.w_short"), title: t("props.canvas_width"), commit: (value) => resize({ width: value }) });
  const height = numberField({ ...size, label: t("props.h_short"), title: t("props.canvas_height"), commit: (value) => resize({ height: value }) });
  const anchor = el("select.ls-select.is-small", { "aria-label": t("props.anchor"), title: t("props.anchor") },
    ...Object.keys(ANCHORS).map((name) => el("option", { value: name }, t(`props.anchor_${name}`))));
  const trim = action("crop", t("props.trim"), () => edit.run("trim", {}, { paths: [] }));
  const colour = el("input.ls-color", { type: "color", value: "#ffffff", "aria-label": t("props.background_colour") });
  const add = action("fill", t("props.background"), () => edit.run("fill_colour", { color: colour.value }, { paths: [] }));
  const node = el("div.ls-props", {},
    el("section.ls-props-part", { "aria-label": t("props.canvas") }, el("h3", {}, t("props.canvas")),
      el("div.ls-props-grid.is-canvas", {}, width.node, height.node, anchor)),
    el("section.ls-props-part", { "aria-label": t("props.canvas_work") },
      el("div.ls-action-list", {}, trim, el("div.ls-action-line", {}, add, colour))),
    el("p.ls-panel-empty", {}, t("props.none")));
  return {
    node,
    show(opened) {
      width.show(opened.width);
      height.show(opened.height);
    },
  };
}

function action(name, label, onclick) {
  return el("button.ls-action", { type: "button", onclick }, icon(name, 16), el("span", {}, label));
}

// Where the picture stays when the canvas grows: shares of the added width and height before it.
const ANCHORS = { top_left: [0, 0], centre: [0.5, 0.5] };

function anchored(opened, width, height, name) {
  const [across, down] = ANCHORS[name];
  return { x: Math.round((opened.width - width) * across), y: Math.round((opened.height - height) * down) };
}
