// What is selected, as the tools need it.

import { nodeAt, selected } from "../store.js";
import { union } from "./geometry.js";

/**
 * The query of a picture of this revision. Revisions count from zero in each session, so the document
 * is named too: the browser keeps such pictures for good.
 */
export function ofDocument({ id, revision }) {
  return { of: id, revision };
}

/** Paths without those that lie within others of them. */
export function outermost(paths) {
  return paths.filter((path) => !paths.some((other) => path !== other && path.startsWith(`${other}.`)));
}

/** The rectangle around all selected nodes, or null. */
export function selectionBounds(document) {
  return selected(document).map((node) => node.bounds).reduce(union, null);
}

/** The first locked node that an edit of the selection would touch, or null. */
export function lockedOf(document) {
  const within = (node) => (node.locked ? node : (node.children || []).map(within).find(Boolean) || null);
  for (const path of document?.selection || []) {
    const steps = path.split(".");
    for (let depth = 1; depth < steps.length; depth += 1) {
      const parent = nodeAt(document, steps.slice(0, depth).join("."));
      if (parent?.locked) return parent;
    }
    const locked = nodeAt(document, path) && within(nodeAt(document, path));
    if (locked) return locked;
  }
  return null;
}

/** Compare paths in the order of the stack, bottom to top. */
export function compareSteps(one, other) {
  const [a, b] = [one, other].map((path) => path.split(".").map(Number));
  for (let depth = 0; depth < Math.min(a.length, b.length); depth += 1) if (a[depth] !== b[depth]) return a[depth] - b[depth];
  return a.length - b.length;
}

/**
 * All nodes below and above a path, whole groups where possible: its siblings and those of the
 * groups around it.
 */
export function around(document, path) {
  const steps = path.split(".").map(Number);
  const below = [];
  const above = [];
  let siblings = document.nodes;
  for (const step of steps) {
    siblings.forEach((node, index) => {
      if (index < step) below.push(node.path);
      if (index > step) above.push(node.path);
    });
    siblings = siblings[step]?.children || [];
  }
  return { below, above };
}

/** Nodes that count for snapping: visible, not selected, not around the selected. */
export function others(document) {
  const paths = document.selection;
  const found = [];
  const visit = (nodes) => {
    for (const node of nodes) {
      if (!node.visible || paths.includes(node.path)) continue;
      const holdsSelected = paths.some((path) => path.startsWith(`${node.path}.`));
      if (!holdsSelected && node.bounds[2] > 0) found.push(node);
      if (node.kind === "group") visit(node.children);
    }
  };
  visit(document.nodes);
  return found;
}
