// Which picture is taken apart: a new one, or the one that the open document came from.

import { el, icon, iconButton } from "../dom.js";
import { t } from "../i18n.js";
import { address } from "../wire.js";
import { pasteFromClipboard, sizeText } from "./incoming.js";
import { sampleList } from "./samples.js";
import { served } from "./served.js";

const THUMB = 160; // pixels that its picture needs at least, for dense screens too

/** The upload's id, "source" for that of the document, or null. */
export function sourceOf(store) {
  const draft = store.get("draft");
  if (draft) return draft.id;
  return store.get("document")?.has_source ? "source" : null;
}

/** Draws itself anew when draft or document change. */
export function sourcePicker(studio) {
  const { store } = studio;
  const node = el("div.ls-source");
  let shown = null;
  const draw = () => {
    const now = JSON.stringify([store.get("draft")?.id, store.get("document")?.id, store.get("document")?.has_source]);
    if (now === shown) return; // edits change neither
    shown = now;
    node.replaceChildren(...parts(studio));
  };
  store.watch("draft", draw);
  store.watch("document", draw);
  draw();
  return node;
}

function parts(studio) {
  const { store } = studio;
  const draft = store.get("draft");
  const document = store.get("document");
  if (draft) return [chosen(studio, { name: draft.name, extent: draft, src: served(draft.thumb), remove: () => store.set({ draft: null }) })];
  if (document?.has_source) {
    const level = Math.max(0, Math.floor(Math.log2(Math.max(document.width, document.height) / THUMB)));
    const src = address("source.png", { level, of: document.id });
    return [chosen(studio, { name: document.name, extent: document, src, note: t("source.of_document") })];
  }
  return [dropZone(studio), el("p.ls-label.ls-sample-label", {}, t("source.samples")), sampleList((name) => t("samples.use", { name }), (sample) => studio.takeSample(sample.id))];
}

function chosen(studio, { name, extent, src, note = null, remove = null }) {
  return el("div.ls-source-card", {},
    el("img.ls-checker", { src, alt: "" }),
    el("div.ls-source-text", {},
      el("strong", { title: name }, name),
      el("span.ls-dim", {}, sizeText(extent)),
      note ? el("span.ls-dim", {}, note) : null,
      el("button.ls-button.is-small", { type: "button", onclick: studio.pickFile }, t("source.replace"))),
    remove ? iconButton("shell-close", t("source.remove"), remove, { class: "is-small" }) : null);
}

function dropZone(studio) {
  return el("div.ls-drop", {},
    el("span.ls-drop-icon", {}, icon("shell-picture", 24)),
    el("p", {}, t("source.drop")),
    el("div.ls-button-line", {},
      el("button.ls-button.is-primary", { type: "button", onclick: studio.pickFile }, t("source.choose")),
      el("button.ls-button", { type: "button", onclick: () => pasteFromClipboard(studio) }, t("source.paste"))),
    el("p.ls-help", {}, t("source.kinds")));
}
