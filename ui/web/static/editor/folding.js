// Which groups are folded outlives a reload of the page.

import { nodeAt } from "../store.js";

const KEY = "layerstudio.folded";

/** The paths of the folded groups of a document, as the page last had them. */
export function foldedOf(document) {
  const { id, revision, paths } = read();
  const same = document && document.id === id && document.revision === revision; // another tab may have moved them
  return new Set(same ? paths.filter((path) => nodeAt(document, path)?.kind === "group") : []);
}

export function keepFolded(document, folded) {
  if (document) sessionStorage.setItem(KEY, JSON.stringify({ id: document.id, revision: document.revision, paths: [...folded] }));
}

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) || {};
  } catch {
    return {};
  }
}
