// The jobs in the status bar: one line, and a list of all.

import { el, icon, iconButton, uniqueId } from "../dom.js";
import { bytes, t } from "../i18n.js";
import { download } from "./download.js";
import { bar, isGoing, isOver, kindOf, progressText } from "./job_view.js";
import { served } from "./served.js";

export function mountJobTray(studio) {
  const { store } = studio;
  const id = uniqueId("jobs");
  const line = el("button.ls-job-line", { type: "button", "aria-expanded": "false", "aria-controls": id, onclick: () => toggle() });
  const list = el("ul.ls-job-list", { "aria-label": t("job.label") });
  const clear = el("button.ls-button.is-quiet.is-small", { type: "button", onclick: () => clearOver() }, t("job.clear"));
  const sheet = el("section.ls-job-sheet", { id, hidden: true, "aria-label": t("job.label"), onkeydown: (event) => event.key === "Escape" && toggle(false) },
    el("header", {}, el("h2", {}, t("job.label")), clear, iconButton("shell-close", t("dialog.close"), () => toggle(false), { class: "is-small" })),
    list);
  const rows = new Map();

  function toggle(open = sheet.hidden) {
    if (!open && sheet.contains(document.activeElement)) line.focus();
    sheet.hidden = !open;
    line.setAttribute("aria-expanded", String(open));
    if (open) sheet.querySelector("button").focus();
  }

  function clearOver() {
    for (const job of store.get("jobs").filter(isOver)) studio.dismissJob(job);
  }

  function draw() {
    const jobs = store.get("jobs");
    const going = jobs.filter(isGoing);
    const now = going.find((job) => job.state === "running") || going[0];
    const failed = jobs.some((job) => job.state === "failed");
    line.classList.toggle("is-bad", failed && !now);
    line.replaceChildren(icon("shell-jobs", 15), ...(now
      ? [el("strong", {}, kindOf(now)), bar(now), el("span.ls-job-now", {}, progressText(now)), going.length > 1 ? el("span.ls-badge", {}, `+${going.length - 1}`) : null].filter(Boolean)
      : [el("span", {}, jobs.length ? t("job.count", { count: jobs.length }) : t("job.none"))]));
    line.disabled = jobs.length === 0;
    if (!jobs.length && !sheet.hidden) toggle(false);
    clear.hidden = !jobs.some(isOver);
    drawList([...jobs].reverse());
  }

  /** Rows stay in place while their jobs do, so that the focus does too. */
  function drawList(jobs) {
    const wanted = new Set(jobs.map((job) => job.id));
    for (const [key, row] of rows) if (!wanted.has(key)) {
      row.node.remove();
      rows.delete(key);
    }
    jobs.forEach((job, index) => {
      if (!rows.has(job.id)) rows.set(job.id, jobRow(studio, job));
      const row = rows.get(job.id);
      row.update(job);
      if (list.children[index] !== row.node) list.insertBefore(row.node, list.children[index] || null);
    });
  }

  store.watch("jobs", draw);
  studio.regions.status.append(el("div.ls-job-tray", {}, line));
  studio.regions.status.parentElement.append(sheet);
  draw();
}

function jobRow(studio, first) {
  let job = first;
  const picture = el("img.ls-job-preview.ls-checker", { alt: "", hidden: true });
  const name = el("strong");
  const text = el("p.ls-dim");
  const progress = el("div");
  const more = el("div.ls-job-more");
  const cancel = el("button.ls-button.is-small", { type: "button", onclick: () => studio.cancelJob(job) }, t("job.cancel"));
  const dismiss = iconButton("shell-close", t("job.dismiss"), () => studio.dismissJob(job), { class: "is-small" });
  const node = el("li.ls-job", {}, picture, el("div.ls-job-text", {}, name, text, progress, more), cancel, dismiss);
  let state = null;

  function update(next) {
    job = next;
    name.textContent = job.title || kindOf(job);
    text.textContent = progressText(job);
    progress.replaceChildren(...(isGoing(job) ? [bar(job)] : []));
    picture.hidden = !job.preview;
    if (job.preview && picture.getAttribute("src") !== served(job.preview)) picture.src = served(job.preview);
    cancel.hidden = isOver(job);
    cancel.disabled = Boolean(job.cancelling);
    cancel.setAttribute("aria-label", t("job.cancel_what", { job: name.textContent }));
    dismiss.hidden = isGoing(job);
    if (state === job.state) return;
    state = job.state;
    node.className = `ls-job is-${state}`;
    more.replaceChildren(...outcome(job));
  }
  return { node, update };
}

function outcome(job) {
  if (job.state === "failed") return [el("p.ls-fault", {}, job.error.message), job.error.advice ? el("p.ls-help", {}, job.error.advice) : null].filter(Boolean);
  const files = job.result?.files || [];
  return files.map((file) =>
    el("button.ls-button.is-small", { type: "button", onclick: () => download(file) }, icon("shell-download", 14), `${file.name} · ${bytes(file.bytes)}`));
}
