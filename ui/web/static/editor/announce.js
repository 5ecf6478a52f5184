// What screen readers are told besides what is seen.

import { el } from "../dom.js";

let region = null;

/** Say a sentence once, politely. */
export function announce(text) {
  if (!region) {
    region = el("div.ls-unseen", { role: "status", "aria-live": "polite" });
    document.getElementById("studio").append(region);
  }
  // The same sentence again is a change only if the region was empty in between.
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
}
