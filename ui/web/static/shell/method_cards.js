// A method as a card: what it does, what it needs, what it costs on this machine.

import { el, icon } from "../dom.js";
import { bytes, duration, t } from "../i18n.js";
import { summaryOf, titleOf } from "./catalogue.js";
import { dialog } from "./dialog.js";
import { bar, isGoing, progressText } from "./job_view.js";
import { getWeights } from "./weights.js";

/** The chosen method in a form, with what it is missing and how to choose another. */
export function chosenMethod(studio, method, choose) {
  const missing = method.missing.length > 0;
  return el("section.ls-method", { "aria-label": t("method.label") },
    el("div.ls-method-head", {},
      el("strong", {}, titleOf(method)),
      el("button.ls-button.is-small", { type: "button", onclick: choose, "aria-haspopup": "dialog" }, t("method.change"))),
    el("p.ls-dim", {}, summaryOf(method)),
    facts(method, { brief: true }),
    method.setup ? el("p.ls-help", {}, t("method.setup", { setup: method.setup })) : null,
    missing ? weightsLine(studio, method) : null);
}

/** Let the user choose a method of a task; its id, or null. */
export async function pickMethod(studio, task, current) {
  const { catalogue } = studio;
  let close = null;
  const list = el("div.ls-cards");
  const draw = () => list.replaceChildren(...catalogue.of(task).map((method) => card(studio, method, method.id === current, () => close(method.id))));
  draw();
  const stop = catalogue.watch(draw);
  const device = catalogue.device;
  const lead = device ? t("method.device", { name: device.name, free: bytes(device.free_bytes), memory: bytes(device.memory_bytes) }) : "";
  const answer = await dialog({ title: t(`method.pick.${task}`), lead, body: list, wide: true, opened: (how) => (close = how) });
  stop();
  return answer;
}

function card(studio, method, isChosen, use) {
  return el("article.ls-card", { class: isChosen ? "is-chosen" : "", "aria-label": titleOf(method) },
    el("header.ls-card-head", {},
      el("h3", {}, titleOf(method)),
      isChosen ? el("span.ls-chip.is-accent", {}, icon("shell-check", 13), t("method.chosen")) : null),
    el("p", {}, summaryOf(method)),
    facts(method),
    method.reference ? el("p.ls-help", {}, method.reference) : null,
    method.setup ? el("p.ls-help", {}, t("method.setup", { setup: method.setup })) : null,
    el("footer.ls-card-foot", {},
      isChosen ? null : el("button.ls-button", { type: "button", onclick: use }, t("method.use")),
      method.missing.length ? weightsLine(studio, method) : null));
}

/** How to get what is missing; while it comes, how far it is. */
function weightsLine(studio, method) {
  const node = el("div.ls-weights-line");
  const titles = new Set(method.missing.map((one) => one.title));
  const draw = () => {
    const pulls = studio.store.get("jobs").filter((job) => job.kind === "pull" && isGoing(job) && titles.has(job.title));
    if (pulls.length) node.replaceChildren(...pulls.flatMap((job) => [el("span.ls-help", {}, `${job.title} · ${progressText(job)}`), bar(job)]));
    else if (!node.querySelector("button")) node.replaceChildren(weightsButton(studio, method));
  };
  draw();
  const stop = studio.store.watch("jobs", () => (node.isConnected ? draw() : stop()));
  return node;
}

function weightsButton(studio, method) {
  const total = method.missing.reduce((sum, one) => sum + (one.bytes || 0), 0);
  const label = total ? t("weights.get_size", { size: bytes(total) }) : t("weights.get");
  return el("button.ls-button", { type: "button", "aria-haspopup": "dialog", onclick: () => getWeights(studio, method) }, icon("shell-download", 15), label);
}

/** Chips: ready or not, memory, time, licences. */
function facts(method, { brief = false } = {}) {
  const { cost, missing, ready } = method;
  const state = ready
    ? chip("shell-check", t("method.ready"), "is-good")
    : chip("shell-download", missing.length ? t("method.missing", { count: missing.length }) : t("method.not_ready"), "is-warn");
  const chips = [state, memory(cost), time(cost)];
  if (!brief) chips.push(chip("shell-licence", licence(method)));
  return el("ul.ls-chips", { "aria-label": t("method.facts") }, ...chips.filter(Boolean).map((one) => el("li", {}, one)));
}

function memory({ memory_bytes: needed, fits }) {
  if (!needed) return null;
  const size = bytes(needed);
  if (fits === null) return chip("shell-memory", t("method.memory", { size }));
  return fits ? chip("shell-memory", t("method.fits", { size }), "is-good") : chip("shell-warn", t("method.too_large", { size }), "is-bad");
}

function time({ seconds, basis }) {
  if (seconds === null || seconds === undefined) return null;
  const key = basis === "measured here" ? "method.time_measured" : "method.time_estimate";
  return chip("shell-clock", t(key, { time: duration(seconds) }));
}

function licence(method) {
  if (!method.weights_licence) return t("method.licence_code", { code: method.code_licence });
  return t("method.licence", { code: method.code_licence, weights: method.weights_licence });
}

function chip(name, text, kind = "") {
  return el("span.ls-chip", { class: kind }, icon(name, 13), text);
}
