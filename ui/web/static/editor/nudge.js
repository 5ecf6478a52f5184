// Arrow keys on the canvas move the selection, or the view while nothing is selected; Esc lets go.

import { lockedOf } from "./selection.js";
import { registerShortcuts } from "./shortcuts.js";
import { mergeKeys } from "./steady.js";

const PAN = 48; // CSS pixels a press
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function registerCanvasKeys(studio, stage, pointers) {
  const { store, edit } = studio;
  const key = mergeKeys("nudge");
  const atCanvas = (event) => event.target === document.body || event.target === stage.element;
  const canMove = (event) => {
    const opened = stage.showsDocument && store.get("document");
    return atCanvas(event) && opened && opened.selection.length > 0 && !lockedOf(opened);
  };

  const canPan = (event) => atCanvas(event) && stage.viewport.extent && !canMove(event);
  const pan = (dx, dy) => stage.viewport.panBy(-dx * PAN, -dy * PAN);

  // Presses come faster than answers: what gathers meanwhile goes as one.
  let gathered = [0, 0];
  let sending = false;
  async function move(dx, dy) {
    gathered = [gathered[0] + dx, gathered[1] + dy];
    if (sending) return;
    sending = true;
    while (gathered[0] || gathered[1]) {
      const [x, y] = gathered;
      gathered = [0, 0];
      await edit.run("move", { dx: x, dy: y }, { merge: key() });
    }
    sending = false;
  }

  registerShortcuts(studio, [
    { keys: Object.keys(STEPS), label: "keys.nudge", section: "keys.canvas", when: canMove, run: (event) => move(...STEPS[event.key]) },
    { keys: Object.keys(STEPS).map((one) => `Shift+${one}`), label: "keys.nudge_far", section: "keys.canvas", when: canMove, run: (event) => move(...STEPS[event.key].map((step) => 10 * step)) },
    { keys: Object.keys(STEPS), label: "keys.pan_keys", section: "keys.view", when: canPan, run: (event) => pan(...STEPS[event.key]) },
    { keys: "Escape", label: "keys.escape", section: "keys.canvas", when: (event) => canEscape(event), run: escape },
  ]);

  function canEscape(event) {
    const opened = store.get("document");
    return event.key === "Escape" && Boolean(opened?.selection.length || store.get("compare") !== null || store.get("exploded"));
  }

  function escape() {
    if (pointers.cancel()) return;
    if (store.get("exploded") || store.get("compare") !== null) store.set({ exploded: false, compare: null });
    else edit.select([]);
  }

  // A drag can be given up wherever the focus is.
  window.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !pointers.cancel()) return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
}
