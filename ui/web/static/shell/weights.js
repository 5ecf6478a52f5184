// Getting weights: how large they are, under what terms, and the user's consent where it is asked.

import { el, icon } from "../dom.js";
import { bytes, t } from "../i18n.js";
import { titleOf } from "./catalogue.js";
import { dialog } from "./dialog.js";
import { field } from "./fields.js";

/** Ask about the missing weights of a method, then start their downloads as jobs. */
export async function getWeights(studio, method) {
  const doubtful = method.missing.filter((one) => one.provenance_warning);
  const consents = doubtful.map((one) => field({ kind: "flag", label: t("weights.accept", { title: one.title }), value: false }));
  const check = () => {
    const open = consents.find((consent) => !consent.get());
    if (open) {
      open.problem(t("weights.must_accept"));
      open.focus();
    }
    return !open;
  };
  const total = method.missing.reduce((sum, one) => sum + (one.bytes || 0), 0);
  const body = [
    el("ul.ls-rows", {}, ...method.missing.map(row)),
    ...consents.map((consent) => consent.node),
    el("p.ls-help", {}, t("weights.where")),
  ];
  const label = total ? t("weights.download", { size: bytes(total) }) : t("weights.download_plain");
  const actions = [{ label: t("dialog.cancel"), value: null }, { label, value: true, primary: true, check }];
  if (!(await dialog({ title: t("weights.title", { method: titleOf(method) }), body, actions }))) return;
  for (const one of method.missing) {
    const job = await studio.startJob("pull", { weights: one.id, accept_provenance: Boolean(one.provenance_warning) });
    if (!job) return; // it was refused, and a notice says why
  }
  studio.notify({ kind: "info", message: t("weights.started", { count: method.missing.length }), advice: t("weights.started.advice") });
}

function row(one) {
  return el("li.ls-weight", {},
    el("div.ls-weight-head", {}, el("strong", {}, one.title), el("span.ls-dim.ls-nowrap", {}, one.bytes ? bytes(one.bytes) : t("weights.no_size"))),
    el("p.ls-dim", {}, icon("shell-licence", 13), t("weights.licence", { licence: one.licence })),
    one.gated ? el("p.ls-help", {}, t("weights.gated")) : null,
    one.provenance_warning ? el("p.ls-warning", {}, icon("shell-warn", 15), el("span", {}, one.provenance_warning)) : null);
}
