// Reordering by drag and drop, with a line that shows where the layers would go.

import { el } from "../dom.js";

const STILL = 5; // CSS pixels before a press is a drag
const EDGE = 28; // of the list, where dragging scrolls
const INDENT = 16;

export function mountLayerDrag(studio, tree) {
  const list = tree.element;
  const line = el("div.ls-layer-line", { hidden: true, "aria-hidden": "true" });
  let drag = null; // { id, from, paths, slot }

  list.addEventListener("pointerdown", (event) => {
    const row = event.target.closest("[role=treeitem]");
    // A finger scrolls the list; the menu and the keys reorder there.
    if (!row || event.button !== 0 || event.pointerType === "touch" || event.target.closest("button, input")) return;
    drag = { id: event.pointerId, from: { x: event.clientX, y: event.clientY }, pressed: row.dataset.path, paths: null, slot: null };
  });

  window.addEventListener("pointermove", (event) => {
    if (drag?.id !== event.pointerId) return;
    if (!drag.paths && Math.abs(event.clientY - drag.from.y) + Math.abs(event.clientX - drag.from.x) < STILL) return;
    if (!drag.paths) begin();
    scroll(event.clientY);
    drag.slot = slotAt(event, tree, drag.paths);
    showLine(drag.slot);
  });

  window.addEventListener("pointerup", (event) => {
    if (drag?.id !== event.pointerId) return;
    const { paths, slot } = drag;
    const dragged = paths !== null;
    end();
    if (!dragged) return;
    window.addEventListener("click", swallow, { capture: true, once: true }); // the drag was no click
    setTimeout(() => window.removeEventListener("click", swallow, true), 0);
    if (slot) studio.edit.run("reorder", { to: { parent: slot.parent, index: slot.index } }, { paths });
  });
  window.addEventListener("pointercancel", end);
  window.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !drag?.paths) return;
    event.stopPropagation();
    event.preventDefault();
    end();
  }, true);

  function begin() {
    const { selection } = studio.store.get("document");
    if (!selection.includes(drag.pressed)) studio.edit.select([drag.pressed]);
    drag.paths = studio.store.get("document").selection;
    list.append(line);
    list.classList.add("is-dragging");
    for (const path of drag.paths) tree.rowOf(path)?.classList.add("is-dragged");
  }

  function end() {
    drag = null;
    line.remove();
    list.classList.remove("is-dragging");
    for (const row of list.querySelectorAll(".is-dragged, .is-target")) row.classList.remove("is-dragged", "is-target");
  }

  function scroll(y) {
    const { top, bottom } = list.getBoundingClientRect();
    if (y < top + EDGE) list.scrollTop -= 8;
    if (y > bottom - EDGE) list.scrollTop += 8;
  }

  function showLine(slot) {
    for (const row of list.querySelectorAll(".is-target")) row.classList.remove("is-target");
    line.hidden = !slot || slot.y === null;
    if (!slot) return;
    if (slot.y === null) tree.rowOf(slot.parent)?.classList.add("is-target");
    else {
      line.style.top = `${slot.y}px`;
      line.style.left = `${36 + slot.depth * INDENT}px`;
    }
  }
}

function swallow(event) {
  event.stopPropagation();
  event.preventDefault();
}

/**
 * Where a drop would put the dragged nodes: { parent, index, depth, y }, with `index` a slot between
 * the parent's children (0: below all) and `y` null for "into this group"; null where it cannot go.
 */
function slotAt(event, tree, paths) {
  const { flat } = tree;
  const rows = flat.map(({ node }) => tree.rowOf(node.path));
  const found = rows.findIndex((row) => event.clientY < row.getBoundingClientRect().bottom);
  const order = found === -1 ? rows.length - 1 : found;
  const place = flat[order];
  const row = rows[order];
  const { top, height, left } = row.getBoundingClientRect();
  const share = (event.clientY - top) / height;
  const isGroup = place.node.kind === "group";
  let slot;
  if (isGroup && share > 0.3 && share < 0.7) slot = { parent: place.node.path, index: place.node.children.length, depth: place.depth + 1, y: null };
  else if (share < 0.5) slot = { parent: parentOf(place), index: place.index + 1, depth: place.depth, y: row.offsetTop };
  else if (isGroup && !tree.isFolded(place.node.path) && place.node.children.length) {
    slot = { parent: place.node.path, index: place.node.children.length, depth: place.depth + 1, y: row.offsetTop + height };
  } else slot = { ...below(place, flat, event.clientX - left), y: row.offsetTop + height };
  const within = (path) => slot.parent === path || slot.parent.startsWith(`${path}.`);
  return paths.some(within) ? null : slot;
}

const parentOf = (place) => place.parent?.path ?? "";

/** Below the lowest of a group one may mean below the group: how far left the pointer is tells. */
function below(place, flat, x) {
  let at = place;
  while (at.parent && at.index === 0 && x < 36 + at.depth * INDENT) at = flat.find(({ node }) => node === at.parent);
  return { parent: parentOf(at), index: at.index, depth: at.depth };
}
