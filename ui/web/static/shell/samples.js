// The pictures that ship with the studio, as thumbnails.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import * as wire from "../wire.js";
import { served } from "./served.js";

let loading = null;

/** Thumbnails in a list; `chosen(sample)` when one is clicked. Empty while there are none. */
export function sampleList(label, chosen) {
  const node = el("ul.ls-samples", { "aria-label": t("samples.label") });
  loading ||= wire.get("samples").then((answer) => answer.samples, () => []);
  loading.then((samples) => node.replaceChildren(...samples.map((sample) => el("li", {}, tile(sample, label, chosen)))));
  return node;
}

function tile(sample, label, chosen) {
  const name = t(`catalogue.sample.${sample.id}`, {}, sample.name);
  return el("button.ls-sample", { type: "button", title: label(name), "aria-label": label(name), onclick: () => chosen(sample) },
    el("img", { src: served(sample.thumb), alt: "", loading: "lazy", draggable: "false" }), el("span", {}, name));
}
