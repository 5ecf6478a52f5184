// Who gets the pointer: panning, two fingers, or the tool that is chosen.

import { mountNavigation } from "./navigation.js";

/**
 * Dispatch pointer events of the stage to tools by name.
 *
 * A tool may have: `down(event, point) -> boolean` (true begins a drag), `move`, `up`, `cancel()`,
 * `hover(event, point)`, `leave()`, `cursor(event, point) -> CSS cursor`, `left()` when another is
 * chosen, `menu(event, point)` for the context menu. Points are canvas pixels; a drag sees all its events, also outside the stage.
 */
export function mountPointers(studio, stage, tools) {
  const { element } = stage;
  const { store } = studio;
  const navigation = mountNavigation(studio, stage);
  const fingers = new Map();
  let drag = null; // { id, kind: "pan" | "tool", tool, last }

  const current = () => tools[store.get("tool")] || {};

  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") fingers.set(event.pointerId, stage.screenPointOf(event));
    if (fingers.size === 2) return beginPinch();
    if (drag || (event.button !== 0 && event.button !== 1)) return;
    if (!stage.viewport.extent) return;
    if (event.button === 1) event.preventDefault();
    element.setPointerCapture(event.pointerId);
    if (navigation.takes(event)) {
      drag = { id: event.pointerId, kind: "pan", last: stage.screenPointOf(event) };
      navigation.begin();
      return;
    }
    const tool = current();
    if (tool.down?.(event, stage.pointOf(event))) drag = { id: event.pointerId, kind: "tool", tool };
  });

  element.addEventListener("pointermove", (event) => {
    if (fingers.has(event.pointerId) && fingers.size === 2) return pinch(event);
    if (!drag) return hover(event);
    if (event.pointerId !== drag.id) return;
    if (drag.kind === "pan") {
      const now = stage.screenPointOf(event);
      navigation.move(now.x - drag.last.x, now.y - drag.last.y);
      drag.last = now;
    } else drag.tool.move?.(event, stage.pointOf(event));
  });

  const finish = (event, done) => {
    fingers.delete(event.pointerId);
    if (!drag || drag.id !== event.pointerId) return;
    const ended = drag;
    drag = null;
    if (ended.kind === "pan") navigation.end();
    else if (done) ended.tool.up?.(event, stage.pointOf(event));
    else ended.tool.cancel?.();
  };
  element.addEventListener("pointerup", (event) => finish(event, true));
  element.addEventListener("pointercancel", (event) => finish(event, false));
  element.addEventListener("pointerleave", () => !drag && current().leave?.());
  element.addEventListener("contextmenu", (event) => {
    event.preventDefault();
    if (!cancel()) current().menu?.(event, stage.pointOf(event));
  });
  element.addEventListener("auxclick", (event) => event.preventDefault());

  function hover(event) {
    const tool = current();
    if (!stage.viewport.extent || event.pointerType === "touch") return;
    const point = stage.pointOf(event);
    tool.hover?.(event, point);
    element.style.cursor = tool.cursor?.(event, point) || "";
  }

  function beginPinch() {
    if (drag?.kind === "tool") drag.tool.cancel?.();
    if (drag?.kind === "pan") navigation.end();
    drag = null;
  }

  function pinch(event) {
    const before = [...fingers.values()];
    fingers.set(event.pointerId, stage.screenPointOf(event));
    navigation.pinch(before, [...fingers.values()]);
  }

  store.watch("tool", (name, before) => {
    cancel();
    tools[before]?.left?.();
    element.style.cursor = "";
    element.dataset.tool = name;
    stage.repaint();
  });
  element.dataset.tool = store.get("tool");

  /** Give up the drag that is going on; false if there is none. */
  function cancel() {
    if (drag?.kind !== "tool") return false;
    drag.tool.cancel?.();
    drag = null;
    return true;
  }

  return { cancel };
}
