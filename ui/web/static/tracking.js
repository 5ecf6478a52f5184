// Paths are of one revision: what was meant by them is found again after other edits.

import { nodeAt, walk } from "./store.js";

/**
 * Remember what lies at `paths` of `document`. The function given back finds it in a newer one: its
 * paths there, without those of layers that are gone.
 */
export function tracked(document, paths) {
  const meant = paths.map((path) => ({ path, node: nodeAt(document, path) })).filter(({ node }) => node);
  return (now) => meant.map(({ path, node }) => placeOf(now, path, node)).filter((path) => path !== null);
}

/** Where it was, if what is there now shows the same or has the same name; else the one place that fits best. */
function placeOf(now, path, node) {
  const there = nodeAt(now, path);
  const likeness = (one) => (one.kind === node.kind ? Number(one.thumb === node.thumb) + Number(one.name === node.name) : 0);
  if (there && likeness(there) === 2) return path;
  const best = [...walk(now?.nodes || [])].map((place) => place.node).filter((one) => likeness(one) === 2);
  if (best.length === 1) return best[0].path;
  return there && likeness(there) === 1 ? path : null;
}
