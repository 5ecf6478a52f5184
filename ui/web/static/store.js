// What the page knows: one object, changed in one place, watched by key.

/**
 * Keys:
 *   document   DocumentView or null          jobs     JobView[]        limits  of uploads
 *   tool       "select" | "hand" | "brush" | "box" | "point"
 *   draft      an upload shown on the canvas before it has layers, or null
 *   hints      { boxes, points, excluded }: what the user marked on the draft or the document
 *   compare    null or 0..1: where the before/after slider is
 *   exploded   whether the stack is shown in 3-D
 *   zoom       screen pixels per canvas pixel
 *   busy       number of edits on the way
 *   uploading  null, or { name, fraction, cancel } of a file that is being sent
 *   offline    whether the connection to the studio is broken
 *   panel      which panel a narrow screen shows: "canvas" | "start" | "layers"
 */
export class Store {
  #values;
  #watchers = new Map();

  constructor(values) {
    this.#values = { ...values };
  }

  get(key) {
    return this.#values[key];
  }

  /** Change some values and tell who watches them, once each, after all are changed. */
  set(changes) {
    const before = {};
    const changed = Object.keys(changes).filter((key) => this.#values[key] !== changes[key]);
    for (const key of changed) before[key] = this.#values[key];
    Object.assign(this.#values, changes);
    for (const key of changed) for (const watcher of [...(this.#watchers.get(key) || [])]) watcher(this.#values[key], before[key]);
  }

  /** Call `watcher(value, before)` at each change of `key`; returns how to stop. */
  watch(key, watcher) {
    if (!this.#watchers.has(key)) this.#watchers.set(key, new Set());
    this.#watchers.get(key).add(watcher);
    return () => this.#watchers.get(key).delete(watcher);
  }
}

/** Every node of a document with its parent, bottom to top, a group before its children. */
export function* walk(nodes, parent = null) {
  for (const node of nodes) {
    yield { node, parent };
    if (node.kind === "group") yield* walk(node.children, node);
  }
}

/** The node at a path such as "2.0", or null. */
export function nodeAt(document, path) {
  for (const { node } of walk(document?.nodes || [])) if (node.path === path) return node;
  return null;
}

/** The selected nodes, bottom to top. */
export function selected(document) {
  if (!document) return [];
  const paths = new Set(document.selection);
  return [...walk(document.nodes)].map(({ node }) => node).filter((node) => paths.has(node.path));
}
