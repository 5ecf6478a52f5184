// Menus: arrow keys move, Enter chooses, Esc closes and gives the focus back.

import { el, icon } from "../dom.js";

/**
 * Open a menu at an element or a point { x, y }.
 *
 * `items`: [{ label, icon, shortcut, checked, toggles, disabled, danger, run } or "-"]; `checked` true
 * or false makes a choice among several, with `toggles` one that is turned on and off for itself.
 */
export function openMenu(anchor, items) {
  const opener = anchor instanceof Element ? anchor : document.activeElement;
  const menu = el("div.ls-menu", { role: "menu", popover: "manual", tabindex: "-1" }, ...items.map(itemOf));
  const choices = [...menu.querySelectorAll("button:not([disabled])")];
  let open = true;

  function itemOf(item) {
    if (item === "-") return el("div.ls-menu-line", { role: "separator" });
    const isChoice = "checked" in item;
    return el("button.ls-menu-item", {
      type: "button", role: isChoice ? (item.toggles ? "menuitemcheckbox" : "menuitemradio") : "menuitem", tabindex: "-1", disabled: item.disabled,
      "aria-checked": isChoice ? String(item.checked) : null, class: item.danger ? "is-danger" : "",
      onclick: () => {
        close();
        item.run();
      },
    },
    el("span.ls-menu-icon", {}, item.checked ? icon("shell-check", 16) : item.icon ? icon(item.icon, 16) : null),
    el("span.ls-menu-label", {}, item.label),
    item.shortcut ? el("kbd.ls-menu-keys", {}, item.shortcut) : null);
  }

  function close() {
    if (!open) return;
    open = false;
    document.removeEventListener("pointerdown", outside, true);
    window.removeEventListener("blur", close);
    window.removeEventListener("resize", close);
    menu.remove();
    if (anchor instanceof Element) anchor.setAttribute("aria-expanded", "false");
    opener?.focus?.();
  }

  function outside(event) {
    if (menu.contains(event.target)) return;
    if (opener?.contains(event.target)) event.stopPropagation();
    close();
  }

  function step(by) {
    const at = choices.indexOf(document.activeElement);
    choices[(at + by + choices.length) % choices.length]?.focus();
  }

  menu.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const at = { ArrowDown: () => step(1), ArrowUp: () => step(-1), Home: () => choices[0]?.focus(), End: () => choices.at(-1)?.focus(), Escape: close, Tab: close };
    if (at[event.key]) {
      event.preventDefault();
      at[event.key]();
    } else if (event.key.length === 1 && event.key !== " ") {
      choices.find((choice) => choice.textContent.toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    }
  });

  document.getElementById("studio").append(menu);
  menu.showPopover();
  place(menu, anchor);
  if (anchor instanceof Element) anchor.setAttribute("aria-expanded", "true");
  document.addEventListener("pointerdown", outside, true);
  window.addEventListener("blur", close);
  window.addEventListener("resize", close);
  (choices.find((choice) => choice.matches("[role=menuitemradio][aria-checked=true]")) || choices[0])?.focus();
  return close;
}

/** Below its anchor, or above where there is no room; never off the screen. */
function place(menu, anchor) {
  const at = anchor instanceof Element ? anchor.getBoundingClientRect() : { left: anchor.x, right: anchor.x, top: anchor.y, bottom: anchor.y };
  const { width, height } = menu.getBoundingClientRect();
  const left = at.left + width > innerWidth - 8 ? at.right - width : at.left;
  const top = at.bottom + height + 4 > innerHeight - 8 ? at.top - height - 4 : at.bottom + 4;
  menu.style.left = `${Math.max(8, left)}px`;
  menu.style.top = `${Math.max(8, top)}px`;
}
