// The way out: files in one or several formats, single layers, and the recipe.

import { el, icon } from "../dom.js";
import { bytes, t } from "../i18n.js";
import { walk } from "../store.js";
import * as wire from "../wire.js";
import { dialog } from "./dialog.js";
import { download } from "./download.js";
import { field, segmented } from "./fields.js";
import { bar, isOver, progressText } from "./job_view.js";
import { Memory } from "./memory.js";
import { recipePage } from "./recipe_page.js";
import { tabs } from "./tabs.js";

const WORDS = ["svg", "pptx", "html"]; // formats that can hold live text

/** `paths`: begin with these layers as single pictures. */
export async function exportDialog(studio, { paths = null } = {}) {
  const document = studio.store.get("document");
  if (!document) return;
  const files = await filesPage(studio, paths);
  if (!files) return;
  let close = null;
  const recipe = recipePage(studio, () => close());
  const pages = tabs({
    label: t("export.title"),
    pages: [{ id: "files", label: t("export.files"), icon: "shell-download", body: files.node }, { id: "recipe", label: t("export.recipe"), icon: "shell-command", body: recipe.node }],
    chosen: (id) => id === "recipe" && recipe.load(),
  });
  await dialog({ title: t("export.title"), lead: document.name, body: [pages.list, pages.panels], wide: true, opened: (how) => (close = how) });
  files.stop();
}

async function filesPage(studio, paths) {
  let formats = null;
  try {
    ({ formats } = await wire.get("formats"));
  } catch (error) {
    studio.fail(error);
    return null;
  }
  const memory = new Memory("export", { formats: ["psd"], text: "live", canvas: false });
  const document = studio.store.get("document");
  const selection = paths || document.selection;
  const checked = new Set(memory.get("formats").filter((id) => formats.some((format) => format.id === id)));
  let scope = paths ? "selected" : "whole";
  let job = null;

  const result = el("div.ls-export-result", { "aria-live": "polite" });
  const cards = el("div.ls-format-cards", { role: "group", "aria-label": t("export.formats") }, ...formats.map((format) => formatCard(format, checked, refresh)));
  const single = el("p.ls-dim", { hidden: true });
  const canvas = field({ kind: "flag", label: t("export.canvas"), value: memory.get("canvas"), onchange: (value) => memory.set("canvas", value) });
  const text = field({
    kind: "choice", label: t("export.text"), value: memory.get("text"), onchange: (value) => memory.set("text", value),
    choices: ["live", "pixels"].map((value) => ({ value, label: t(`export.text.${value}`) })),
  });
  const run = el("button.ls-button.is-primary.is-large", { type: "button", onclick: () => start() });
  const scopes = segmented({
    label: t("export.scope"), value: scope,
    choices: [
      { value: "whole", label: t("export.scope.whole") },
      { value: "all", label: t("export.scope.all") },
      ...(selection.length ? [{ value: "selected", label: t("export.scope.selected", { count: selection.length }) }] : []),
    ],
    onchange: (value) => {
      scope = value;
      refresh();
    },
  });

  function refresh() {
    cards.hidden = scope !== "whole";
    single.hidden = canvas.node.hidden = scope === "whole";
    text.node.hidden = scope !== "whole" || !WORDS.some((id) => checked.has(id));
    single.textContent = t(scope === "all" ? "export.single.all" : "export.single.selected");
    const count = scope === "whole" ? checked.size : 1;
    run.replaceChildren(icon("shell-export", 16), el("span", {}, scope === "whole" && count ? t("export.run", { count }) : t("export.run_plain")));
    run.disabled = count === 0 || (job !== null && !isOver(job));
  }

  async function start() {
    memory.set("formats", [...checked]);
    const layers = () => [...walk(document.nodes)].filter(({ node }) => node.kind === "layer").map(({ node }) => node.path);
    const body = scope === "whole" ? { formats: [...checked], options: { text: memory.get("text") } } : { formats: ["png"], paths: scope === "all" ? layers() : selection, options: { canvas: memory.get("canvas") } };
    job = await studio.startJob("export", body, { claim: () => node.isConnected });
    show(job);
  }

  function show(next) {
    job = next;
    refresh();
    if (!job) result.replaceChildren();
    else if (!isOver(job)) result.replaceChildren(el("p.ls-dim", {}, progressText(job)), bar(job));
    else if (job.state === "failed") result.replaceChildren(el("p.ls-fault", {}, job.error.message), el("p.ls-help", {}, job.error.advice || ""));
    else result.replaceChildren(...fileRows(job.result?.files || []));
  }

  const stop = studio.store.watch("jobs", (jobs) => {
    const next = job && jobs.find((one) => one.id === job.id);
    if (!next || next.state === job.state && next.fraction === job.fraction) return;
    const wasOver = isOver(job);
    show(next);
    const files = next.result?.files || [];
    if (isOver(next)) result.scrollIntoView({ block: "nearest" });
    if (!wasOver && next.state === "done" && files.length === 1) download(files[0]);
  });
  const node = el("div.ls-export", {}, scopes, cards, text.node, single, canvas.node, result, el("footer.ls-run", {}, run));
  refresh();
  return { node, stop };
}

function formatCard(format, checked, changed) {
  const text = (key, english) => t(`catalogue.format.${format.id}.${key}`, {}, english);
  const box = el("input.ls-check", {
    type: "checkbox", checked: checked.has(format.id),
    onchange: () => {
      if (box.checked) checked.add(format.id);
      else checked.delete(format.id);
      changed();
    },
  });
  const loses = (format.loses || []).map((one, index) => text(`loses.${index}`, one));
  return el("label.ls-format", {}, box,
    el("span.ls-format-text", {},
      el("span.ls-format-head", {}, el("strong", {}, text("title", format.title)), el("code", {}, format.suffix)),
      format.summary ? el("span", {}, text("summary", format.summary)) : null,
      loses.length
        ? el("span.ls-format-loses", {}, t("export.loses", { what: loses.join("; ") }))
        : el("span.ls-format-keeps", {}, icon("shell-check", 13), t("export.keeps"))));
}

function fileRows(files) {
  const rows = files.map((file) =>
    el("li.ls-row", {},
      el("div.ls-file", {},
        el("strong", {}, file.name), el("span.ls-dim", {}, bytes(file.bytes)),
        ...(file.notes || []).map((note) => el("p.ls-help", {}, note))),
      el("button.ls-button", { type: "button", onclick: () => download(file), "aria-label": t("export.save_what", { name: file.name }) }, icon("shell-download", 15), t("export.save"))));
  const all = files.length > 1 ? el("button.ls-button.is-small", { type: "button", onclick: () => files.forEach(download) }, icon("shell-download", 14), t("export.save_all")) : null;
  return [el("header.ls-row", {}, el("h3.ls-section", {}, t("export.made", { count: files.length })), all), el("ul.ls-rows", {}, ...rows)];
}
