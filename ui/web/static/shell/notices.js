// Toasts: what happened, what to do, one action. Errors stay until they are dismissed.

import { el, icon, iconButton } from "../dom.js";
import { t } from "../i18n.js";

const STAYS_MS = 6000;
const MOST = 4; // more at once would cover the page
const ICONS = { error: "shell-warn", info: "shell-info", done: "shell-check" };

/** Give `studio` its `notify` and `fail`, and show what goes wrong with edits. */
export function mountNotices(studio) {
  const region = studio.regions.notices;
  // Over an open dialog, and of it: all else cannot be clicked and is not read out.
  const home = region.parentElement;
  const place = () => {
    const host = [...document.querySelectorAll("dialog:modal")].at(-1) || home;
    if (region.parentElement !== host) host.append(region);
  };
  document.addEventListener("close", place, true);
  studio.notify = (notice) => {
    place();
    return show(region, notice);
  };
  let answersAgain = () => {};
  const sayOffline = () => (answersAgain = studio.notify({ kind: "error", message: t("notice.offline"), advice: t("notice.offline.advice") }));
  studio.fail = (error) => {
    if (error.name === "AbortError") return;
    if (error.kind === "Offline") sayOffline();
    else studio.notify({ kind: "error", message: error.message, advice: error.advice });
  };
  studio.store.watch("offline", (offline) => {
    if (offline) return sayOffline();
    answersAgain();
    return studio.notify({ kind: "done", message: t("notice.online") });
  });
  studio.edit.failed = studio.fail;
}

function show(region, { kind = "info", message, advice = "", action = null }) {
  const same = [...region.children].find((toast) => toast.dataset.text === message + advice);
  if (same) same.remove(); // the same thing again is said once
  const toast = el("div.ls-toast", { class: `is-${kind}`, role: kind === "error" ? "alert" : null, dataset: { text: message + advice } },
    icon(ICONS[kind], 18),
    el("div.ls-toast-text", {},
      el("strong", {}, message),
      advice ? el("span", {}, advice) : null,
      action ? el("button.ls-button.is-small", { type: "button", onclick: () => {
        toast.remove();
        action.run();
      } }, action.label) : null),
    iconButton("shell-close", t("notice.dismiss"), () => toast.remove(), { class: "is-small" }));
  region.append(toast);
  while (region.children.length > MOST) region.firstElementChild.remove();
  if (kind !== "error") leaveAfter(toast, STAYS_MS + 40 * advice.length);
  return () => toast.remove();
}

/** A toast that somebody looks at or has the focus in does not go away. */
function leaveAfter(toast, wait) {
  let timer = null;
  const start = () => (timer = setTimeout(() => toast.remove(), wait));
  const stop = () => clearTimeout(timer);
  for (const event of ["pointerenter", "focusin"]) toast.addEventListener(event, stop);
  for (const event of ["pointerleave", "focusout"]) toast.addEventListener(event, start);
  start();
}
