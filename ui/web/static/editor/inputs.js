// Small inputs of the panels: a number with its label in one line, a slider with a number.

import { el, uniqueId } from "../dom.js";
import { clamp } from "./geometry.js";

/**
 * A labelled number. `commit(value)` is called with a sound value on Enter and when the field is left;
 * Esc gives back the old one. Arrow keys step it, with shift by ten. Where `commit` answers a promise,
 * what is shown while one is on its way does not overwrite what was stepped to since.
 */
export function numberField({ label, title = label, unit = "", least = -Infinity, most = Infinity, digits = 0, commit }) {
  const id = uniqueId("number");
  let known = null;
  let latest = null; // what was to be shown last: [value, disabled]
  let pending = 0;
  const input = el("input.ls-number", { id, type: "text", inputmode: "decimal", autocomplete: "off", "aria-label": title, title, onfocus: () => input.select(), onblur: send, oninput: () => delete input.dataset.settled });
  const text = (value) => (value === null ? "" : String(Number(value.toFixed(digits))));
  const write = (value) => {
    input.value = text(value);
    input.dataset.settled = ""; // nothing is typed that undo could mean
  };

  function send() {
    const value = Number(input.value.trim().replace(",", "."));
    if (input.value.trim() === "" || !Number.isFinite(value)) return void write(known);
    const sound = clamp(value, least, most);
    write(sound);
    if (known !== null && text(sound) === text(known)) return;
    known = sound;
    const sent = commit(sound);
    if (!sent?.then) return;
    pending += 1;
    sent.finally(() => {
      pending -= 1;
      if (!pending && latest) show(...latest);
    });
  }

  /** Whether it is shown now, and not when the last commit is through. */
  function show(value, disabled = false) {
    latest = [value, disabled];
    const focused = document.activeElement === input && !disabled;
    if (focused && pending) return false;
    input.disabled = disabled;
    known = value;
    if (!focused) write(value);
    else if (input.dataset.settled !== undefined && text(Number(input.value)) !== text(value ?? NaN)) {
      write(value);
      input.select();
    }
    return true;
  }

  input.addEventListener("keydown", (event) => {
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === "Enter") send();
    else if (event.key === "Escape") write(known);
    else if (step && known !== null) {
      input.value = text(clamp(Number(input.value || known) + step * (event.shiftKey ? 10 : 1), least, most));
      send();
    } else return;
    event.preventDefault();
    event.stopPropagation();
    input.select();
  });

  return {
    node: el("label.ls-number-field", { for: id }, el("span.ls-number-label", {}, label), input, unit ? el("span.ls-number-unit", { "aria-hidden": "true" }, unit) : null),
    input,
    show,
  };
}

/**
 * A slider with a number beside it. `change(value)` is called while it moves, `done(value)` when it
 * rests; the number may go beyond the slider, up to `fieldMost`. A double click goes back to `start`.
 * What the document says meanwhile does not move a slider that is held.
 */
export function sliderField({ label, unit = "", least, most, step = 1, digits = 0, start = null, change, done = () => {}, fieldMost = most }) {
  const id = uniqueId("slider");
  let held = false;
  const slider = el("input.ls-range", { id, type: "range", min: least, max: most, step, "aria-label": label });
  const field = numberField({ label: "", title: label, unit, least, most: fieldMost, digits, commit: (value) => {
    slider.value = value;
    paint();
    const sent = change(value);
    done(value);
    return sent;
  } });
  const paint = () => slider.style.setProperty("--share", `${((slider.value - least) / (most - least)) * 100}%`);
  slider.addEventListener("input", () => {
    held = true;
    field.show(Number(slider.value));
    paint();
    change(Number(slider.value));
  });
  slider.addEventListener("change", () => {
    held = false;
    done(Number(slider.value));
  });
  if (start !== null) slider.addEventListener("dblclick", () => {
    slider.value = start;
    slider.dispatchEvent(new Event("input"));
    slider.dispatchEvent(new Event("change"));
  });
  return {
    node: el("div.ls-slider-field", { role: "group", "aria-label": label }, el("label.ls-slider-label", { for: id }, label), slider, field.node),
    show(value, disabled = false) {
      slider.disabled = disabled;
      if (held || !field.show(value, disabled)) return;
      slider.value = value;
      paint();
    },
  };
}
