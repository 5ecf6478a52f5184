// What lies over the canvas: the first sight, and the progress of what makes a document.

import { el, icon } from "../dom.js";
import { number, t } from "../i18n.js";
import { bar, isGoing, kindOf, MAKES, progressText } from "./job_view.js";
import { served } from "./served.js";
import { welcome } from "./welcome.js";

export function mountStage(studio) {
  const { store, regions } = studio;
  const first = welcome(studio);
  const card = progressCard(studio);
  const sending = uploadCard(store);
  const node = el("div.ls-stage", {}, first, card.node, sending.node);
  regions.canvas.after(node);

  const draw = () => {
    const going = store.get("jobs").filter((job) => isGoing(job) && MAKES.has(job.kind));
    const shown = going.find((job) => job.state === "running") || going[0] || null;
    card.update(shown);
    sending.update(store.get("uploading"));
    first.hidden = Boolean(store.get("document") || store.get("draft") || shown || store.get("uploading"));
    node.parentElement.classList.toggle("is-first", !first.hidden);
  };
  for (const key of ["jobs", "document", "draft", "uploading"]) store.watch(key, draw);
  draw();
}

function progressCard(studio) {
  let job = null;
  const picture = el("img.ls-progress-picture.ls-checker", { alt: t("job.preview"), hidden: true });
  const wait = el("div.ls-progress-wait", {}, el("span.ls-spinner"));
  const name = el("h2");
  const text = el("p.ls-dim", { "aria-live": "off" });
  const progress = el("div");
  const cancel = el("button.ls-button", { type: "button", onclick: () => studio.cancelJob(job) }, t("job.cancel"));
  const node = el("section.ls-progress", { hidden: true, "aria-label": t("job.progress") },
    el("div.ls-progress-frame", {}, picture, wait),
    el("div.ls-progress-text", {}, name, text, progress),
    cancel);

  function update(next) {
    const isNew = next && next.id !== job?.id;
    job = next;
    node.hidden = !job;
    if (!job) return;
    if (isNew) picture.hidden = true;
    name.textContent = job.title || kindOf(job);
    text.textContent = progressText(job);
    progress.replaceChildren(bar(job));
    cancel.disabled = Boolean(job.cancelling);
    if (job.preview) {
      picture.hidden = false;
      picture.src = served(job.preview);
    }
    wait.hidden = !picture.hidden;
  }
  return { node, update };
}

function uploadCard(store) {
  const name = el("h2");
  const text = el("p.ls-dim");
  const progress = el("div");
  const cancel = el("button.ls-button", { type: "button", onclick: () => store.get("uploading")?.cancel() }, t("job.cancel"));
  const node = el("section.ls-progress.is-small", { hidden: true, "aria-label": t("upload.label") },
    el("div.ls-progress-text", {}, el("div.ls-progress-name", {}, icon("shell-upload", 18), name), text, progress), cancel);

  function update(sent) {
    node.hidden = !sent;
    if (!sent) return;
    name.textContent = sent.name;
    text.textContent = sent.fraction < 1 ? t("upload.sending", { part: number(sent.fraction, { style: "percent" }) }) : t("upload.checking");
    progress.replaceChildren(bar({ kind: "upload", state: "running", fraction: sent.fraction < 1 ? sent.fraction : null }));
  }
  return { node, update };
}
