// The picture that waits to be taken apart comes back after a reload, if the server still has it.

import { served } from "./served.js";

const KEY = "layerstudio.draft";

export function restoreDraft(studio) {
  const { store } = studio;
  const kept = read();
  if (kept) {
    const probe = new Image();
    probe.onload = () => store.get("draft") || store.set({ draft: kept });
    probe.onerror = () => sessionStorage.removeItem(KEY);
    probe.src = served(kept.thumb);
  }
  store.watch("draft", (draft) => (draft ? sessionStorage.setItem(KEY, JSON.stringify(draft)) : sessionStorage.removeItem(KEY)));
}

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null;
  }
}
