// What the page says about a job, in words and as a bar.

import { el } from "../dom.js";
import { duration, number, t } from "../i18n.js";

export const isOver = (job) => ["done", "failed", "cancelled"].includes(job.state);
export const isGoing = (job) => !isOver(job);

/** Kinds that make a document: they get the card over the canvas. */
export const MAKES = new Set(["decompose", "generate", "open", "regenerate"]);

export const kindOf = (job) => t(`job.${job.kind}`, {}, job.kind);

/** "Peeling · 43 % · 12 s left", "2 ahead", "Cancelling". */
export function progressText(job) {
  if (job.state === "queued") return job.position > 0 ? t("job.queued", { count: job.position }) : t("job.next");
  if (job.state === "running") return job.cancelling ? t("job.cancelling") : runningText(job);
  if (job.state === "done") return t("job.done", { time: duration(job.elapsed_s || 0) });
  return job.state === "failed" ? t("job.failed") : t("job.cancelled");
}

/** The pipelines name their stages in English, some with a number: "matte 3". */
function stageText(stage) {
  const [, name, number] = stage.match(/^(.*?)( \d+)?$/);
  return t(`catalogue.stage.${name}`, {}, name.charAt(0).toUpperCase() + name.slice(1)) + (number || "");
}

function runningText(job) {
  const parts = [job.stage && stageText(job.stage)];
  if (job.fraction !== null) parts.push(number(job.fraction, { style: "percent" }));
  if (job.eta_s !== null && job.eta_s !== undefined) parts.push(t("job.left", { time: duration(job.eta_s) }));
  return parts.filter(Boolean).join(" · ") || t("job.running");
}

/** A progress bar; without a fraction it only shows that something goes on. */
export function bar(job) {
  const fraction = job.state === "queued" ? 0 : job.fraction;
  const attributes = { role: "progressbar", "aria-label": kindOf(job), "aria-valuemin": "0", "aria-valuemax": "100" };
  if (fraction === null) return el("div.ls-bar.is-unknown", attributes, el("span"));
  return el("div.ls-bar", { ...attributes, "aria-valuenow": String(Math.round(fraction * 100)) }, el("span", { style: { width: `${fraction * 100}%` } }));
}
