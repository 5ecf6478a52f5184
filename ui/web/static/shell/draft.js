// The picture that waits to be taken apart stays for as long as the server has it, also over a reload.

import { t } from "../i18n.js";
import { served } from "./served.js";

const KEY = "layerstudio.draft";

export function restoreDraft(studio) {
  const { store } = studio;
  const kept = read();
  if (kept) look(kept, () => store.get("draft") || store.set({ draft: kept }), () => sessionStorage.removeItem(KEY));
  store.watch("offline", (offline) => {
    const draft = store.get("draft");
    if (draft && !offline) look(draft, () => {}, () => gone(draft)); // the studio may have been started anew
  });
  store.watch("draft", (draft) => (draft ? sessionStorage.setItem(KEY, JSON.stringify(draft)) : sessionStorage.removeItem(KEY)));

  function gone(draft) {
    if (store.get("draft") !== draft) return;
    store.set({ draft: null });
    studio.notify({ kind: "error", message: t("source.gone", { name: draft.name }), advice: t("notice.gone.advice") });
  }
}

/** Ask the server for its thumbnail, past what the browser has kept. */
function look(draft, there, gone) {
  fetch(served(draft.thumb), { cache: "no-store" }).then((response) => (response.ok ? there() : gone()), () => {});
}

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null;
  }
}
