// The status bar: what is open, how exact it is; the jobs come after it.

import { el } from "../dom.js";
import { number, t } from "../i18n.js";
import { walk } from "../store.js";

export function mountStatus(studio) {
  const { store, regions } = studio;
  const facts = el("span.ls-facts-line");
  const error = el("span.ls-exact");
  const busy = el("span.ls-busy", { role: "status" });
  regions.status.append(facts, error, busy, el("span.ls-spring"));

  function draw() {
    const document = store.get("document");
    const draft = store.get("draft");
    const shown = draft || document;
    const parts = shown ? [t("upload.size", { width: number(shown.width), height: number(shown.height) })] : [];
    if (!draft && document) parts.push(t("status.layers", { count: [...walk(document.nodes)].filter(({ node }) => node.kind === "layer").length }));
    facts.textContent = parts.join(" · ");
    const off = draft ? null : document?.recomposition_max_error ?? null;
    error.textContent = off === null ? "" : exactness(off);
    error.title = off === null ? "" : t("status.exact.title");
  }
  store.watch("document", draw);
  store.watch("draft", draw);
  store.watch("busy", (count) => (busy.textContent = count ? t("status.busy") : ""));
  draw();
}

/** The error is of colours 0 to 1; people know levels of 255. */
function exactness(error) {
  const levels = error * 255;
  return levels <= 1.001 ? t("status.exact") : t("status.off", { levels: number(levels, { maximumFractionDigits: 1 }) });
}
