// First sight: three ways in, and pictures to try them on.

import { el, icon } from "../dom.js";
import { t } from "../i18n.js";
import { pickFile } from "./incoming.js";
import { sampleList } from "./samples.js";

export function welcome(studio) {
  return el("section.ls-welcome", { "aria-label": t("welcome.label") },
    el("div.ls-welcome-inner", {},
      el("h1", {}, t("welcome.title")),
      el("p.ls-dim", {}, t("welcome.lead")),
      el("div.ls-choices", {},
        choice("shell-layers", "decompose", studio.pickFile),
        choice("shell-text", "generate", () => studio.showWay("generate")),
        choice("shell-folder", "open", () => pickFile((file) => studio.take(file)))),
      el("h2", {}, t("welcome.samples")),
      el("p.ls-dim", {}, t("welcome.samples.lead")),
      sampleList((name) => t("samples.decompose", { name }), (sample) => decomposeSample(studio, sample)),
      el("p.ls-help", {}, t("welcome.local"))));
}

function choice(name, way, run) {
  return el("button.ls-choice", { type: "button", onclick: run },
    el("span.ls-choice-icon", {}, icon(name, 22)),
    el("strong", {}, t(`welcome.${way}`)),
    el("span.ls-dim", {}, t(`welcome.${way}.lead`)));
}

/** With the default method, which needs no weights. */
async function decomposeSample(studio, sample) {
  const taken = await studio.takeSample(sample.id);
  if (taken?.kind !== "picture") return;
  studio.panels.show("canvas");
  await studio.startJob("decompose", { upload: taken.id, request: { task: "decompose" } });
}
