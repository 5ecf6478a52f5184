// A line between two panels that is dragged, or moved by arrow keys.

import { el } from "../dom.js";
import { clamp } from "./geometry.js";

const KEY = "layerstudio.split";
const STEP = 0.04;

/** Shares the height of `parent` between `upper` and `lower`; the share of the upper is remembered. */
export function splitter(parent, upper, lower, label) {
  let share = clamp(Number(localStorage.getItem(KEY)) || 0.55, 0.25, 0.8);
  const line = el("div.ls-splitter", { role: "separator", tabindex: "0", "aria-label": label, "aria-orientation": "horizontal", "aria-valuemin": "25", "aria-valuemax": "80" });

  function set(value) {
    share = clamp(value, 0.25, 0.8);
    upper.style.flexGrow = String(share);
    lower.style.flexGrow = String(1 - share);
    line.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    localStorage.setItem(KEY, String(share));
  }

  line.addEventListener("pointerdown", (event) => line.setPointerCapture(event.pointerId));
  line.addEventListener("pointermove", (event) => {
    if (!line.hasPointerCapture(event.pointerId)) return;
    const { top, height } = parent.getBoundingClientRect();
    set((event.clientY - top) / height);
  });
  line.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -STEP, ArrowDown: STEP }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    set(share + step);
  });
  set(share);
  return line;
}
