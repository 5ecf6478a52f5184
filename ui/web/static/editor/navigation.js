// Pan and zoom: wheel and trackpad, space, middle button, hand tool, two fingers.

import { isTyping, registerShortcuts } from "./shortcuts.js";

const LINE = 16; // CSS pixels of a wheel's line

/** Whether the space bar is held over the stage: pointers pan then. */
export function mountNavigation(studio, stage) {
  const { viewport, element, store } = { viewport: stage.viewport, element: stage.element, store: studio.store };
  const state = { space: false, panning: false };

  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    const scale = event.deltaMode === 1 ? LINE : event.deltaMode === 2 ? viewport.height : 1;
    const [dx, dy] = [event.deltaX * scale, event.deltaY * scale];
    if (event.ctrlKey || event.metaKey) {
      // A wheel's notch (100) is a fifth; a pinch on a trackpad sends small steps.
      viewport.zoomTo(viewport.zoom * Math.exp(-Math.max(-200, Math.min(200, dy)) * (Math.abs(dy) < 50 ? 0.01 : 0.002)), stage.screenPointOf(event));
    } else if (event.shiftKey && !dx) viewport.panBy(-dy, 0);
    else viewport.panBy(-dx, -dy);
  }, { passive: false });

  window.addEventListener("keydown", (event) => {
    if (event.key !== " " || isTyping(event.target) || event.target.closest?.("button, a, summary, [role=treeitem], [role=slider], dialog")) return;
    event.preventDefault();
    state.space = true;
    element.classList.add("is-panning");
  });
  window.addEventListener("keyup", (event) => event.key === " " && release());
  window.addEventListener("blur", release);

  function release() {
    state.space = false;
    if (!state.panning) element.classList.remove("is-panning");
  }

  registerShortcuts(studio, [
    { keys: ["+", "="], label: "keys.zoom_in", section: "keys.view", run: () => viewport.step(1) },
    { keys: ["-"], label: "keys.zoom_out", section: "keys.view", run: () => viewport.step(-1) },
    { keys: ["Mod+0", "Shift+Digit1"], label: "keys.fit", section: "keys.view", run: () => viewport.fit() },
    { keys: ["Mod+1", "Shift+Digit0"], label: "keys.actual", section: "keys.view", run: () => viewport.zoomTo(1) },
    { keys: [" "], label: "keys.pan", section: "keys.view", run: null },
  ]);

  return {
    /** Whether a pointer that goes down now pans. */
    takes: (event) => event.button === 1 || (event.button === 0 && (state.space || store.get("tool") === "hand")),
    begin() {
      state.panning = true;
      element.classList.add("is-panning", "is-grabbing");
    },
    move: (dx, dy) => viewport.panBy(dx, dy),
    end() {
      state.panning = false;
      element.classList.remove("is-grabbing");
      if (!state.space) element.classList.remove("is-panning");
    },
    /** Two fingers: pan with their middle, zoom with their distance. */
    pinch(before, after) {
      const middle = ([one, other]) => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 });
      const apart = ([one, other]) => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
      const [from, to] = [middle(before), middle(after)];
      viewport.panBy(to.x - from.x, to.y - from.y);
      viewport.zoomTo((viewport.zoom * apart(after)) / apart(before), to);
    },
  };
}
