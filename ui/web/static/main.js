// The page: state first, then the regions, then the editor and what is around it.

import { el } from "./dom.js";
import { mountEditor } from "./editor/editor.js";
import { loadStrings, t } from "./i18n.js";
import { mountShell } from "./shell/shell.js";
import { Store } from "./store.js";
import { tracked } from "./tracking.js";
import * as wire from "./wire.js";

const DOUBT_MS = 1500; // a connection may break and come back at once
const NO_HINTS = { boxes: [], points: [], excluded: [] };

/** The regions of the page; the style sheet places them. */
function regions(root) {
  const made = {
    header: el("header.ls-header", { role: "banner" }),
    tools: el("nav.ls-tools", { "aria-label": t("tools.label") }),
    start: el("aside.ls-start", { "aria-label": t("start.label") }),
    canvas: el("main.ls-canvas", { "aria-label": t("canvas.label") }),
    layers: el("aside.ls-layers", { "aria-label": t("layers.label") }),
    status: el("footer.ls-status", { role: "contentinfo" }),
    notices: el("div.ls-notices", { role: "status", "aria-live": "polite" }),
    tabs: el("nav.ls-tabs", { "aria-label": t("panels.label") }),
  };
  root.replaceChildren(...Object.values(made));
  return made;
}

async function begin() {
  const root = await appeared("studio");
  applyTheme();
  await loadStrings();
  const state = await wire.get("state");
  const store = new Store({
    document: state.document, jobs: state.jobs, limits: state.limits, user: state.user, hints: NO_HINTS,
    draft: null, tool: "select", compare: null, exploded: false, zoom: 1, busy: 0, offline: false, panel: "canvas",
  });
  root.className = "ls-root";
  const studio = { store, regions: regions(root), edit: editsOf(store) };
  mountEditor(studio);
  mountShell(studio);
  follow(store, studio.edit);
  root.dataset.ready = "true"; // tests and screen readers wait for it
}

/** Gradio puts its components into the page some time after this module has loaded. */
function appeared(id) {
  const found = () => document.getElementById(id);
  if (found()) return Promise.resolve(found());
  return new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      if (!found()) return;
      observer.disconnect();
      resolve(found());
    });
    observer.observe(document.documentElement, { childList: true, subtree: true });
  });
}

function applyTheme() {
  const chosen = localStorage.getItem("layerstudio.theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
}

/**
 * How everybody changes the document. Edits go one after another, each on the newest revision; the
 * answer becomes the document, with `dirty` for who draws. `edit.failed` is set by the shell.
 */
function editsOf(store) {
  let last = Promise.resolve();
  const watchers = new Set();
  const edit = {
    /**
     * Send a command for `paths`, by default the selection. `args` may be a function of the document and
     * the paths as they are on its turn, for what depends on the edits before it.
     */
    run: (command, args = {}, { paths = null, merge = null } = {}) => {
      const meant = paths?.length ? tracked(store.get("document"), paths) : null; // edits before it may move them
      return inTurn(() => {
        const { revision, selection } = store.get("document");
        const found = meant ? meant(store.get("document")) : paths || selection;
        if (meant && !found.length) throw new wire.StudioError({ kind: "Stale", message: t("edit.gone") });
        const given = typeof args === "function" ? args(store.get("document"), found) : args;
        return wire.post("edit", { revision, command, paths: found, args: given, merge });
      });
    },
    undo: () => inTurn(() => wire.post("undo")),
    redo: () => inTurn(() => wire.post("redo")),
    jump: (index) => inTurn(() => wire.post("history", { index })),
    solo: (paths) => inTurn(() => wire.post("solo", { paths })),
    select: (paths) => {
      const document = store.get("document");
      if (document) store.set({ document: { ...document, selection: paths } });
      return inTurn(async () => {
        await wire.post("select", { paths });
        return null;
      });
    },
    /** Take a document from the server; `dirty` null means that all may have changed. */
    accept: (document, dirty = null) => {
      store.set({ document });
      for (const watcher of watchers) watcher(document, dirty);
    },
    /** Call `watcher(document, dirty)` after each change of the picture. */
    onChange: (watcher) => watchers.add(watcher),
    failed: (error) => console.warn(error.message, error.advice),
  };

  function inTurn(send) {
    store.set({ busy: store.get("busy") + 1 });
    last = last.then(async () => {
      try {
        const result = await send();
        if (result) edit.accept(result.document, result.dirty);
      } catch (error) {
        if (error.status === 409 && error.body?.document) edit.accept(error.body.document);
        edit.failed(error);
      } finally {
        store.set({ busy: store.get("busy") - 1 });
      }
    });
    return last;
  }
  return edit;
}

/** Jobs as they go on, and documents that a job or another tab changed. */
function follow(store, edit) {
  let opened = false;
  let doubt = null;
  const refresh = async () => {
    const state = await wire.get("state");
    store.set({ jobs: state.jobs });
    const known = store.get("document");
    const same = state.document?.id === known?.id && state.document?.revision === known?.revision;
    if (!same) edit.accept(state.document);
    return { lost: known && !state.document };
  };
  const comeBack = async () => {
    const { lost } = await refresh();
    if (lost) edit.failed(new wire.StudioError({ kind: "Gone", message: t("notice.gone"), advice: t("notice.gone.advice") }));
  };
  wire.listen({
    job: (job) => {
      const others = store.get("jobs").filter((one) => one.id !== job.id);
      store.set({ jobs: [...others, job] });
    },
    document: ({ revision }) => {
      if (store.get("busy") === 0 && store.get("document")?.revision !== revision) refresh();
    },
    open: () => {
      clearTimeout(doubt);
      store.set({ offline: false });
      if (opened) comeBack().catch(edit.failed); // a connection that came back missed what happened meanwhile
      opened = true;
    },
    error: () => {
      clearTimeout(doubt);
      doubt = setTimeout(() => store.set({ offline: true }), DOUBT_MS);
    },
  });
}

begin();
