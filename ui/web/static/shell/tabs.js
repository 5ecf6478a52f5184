// Tabs: one stop for the Tab key, arrow keys change.

import { el, icon, uniqueId } from "../dom.js";

/**
 * `pages`: [{ id, label, icon, body }]; `chosen(id)` is called when another is shown. Answers
 * { list, panels, show(id), shown() }: the caller places list and panels.
 */
export function tabs({ label, pages, start = null, chosen = () => {} }) {
  const group = uniqueId("tabs");
  let current = null;
  const buttons = pages.map((page) =>
    el("button.ls-tab", {
      type: "button", role: "tab", id: `${group}-${page.id}`, "aria-controls": `${group}-${page.id}-panel`,
      onclick: () => show(page.id),
    }, page.icon ? icon(page.icon, 16) : null, el("span", {}, page.label)));
  const panels = pages.map((page) =>
    el("div.ls-tab-panel", { role: "tabpanel", id: `${group}-${page.id}-panel`, "aria-labelledby": `${group}-${page.id}`, hidden: true }, page.body));
  const list = el("div.ls-tab-list", { role: "tablist", "aria-label": label, onkeydown: keys }, ...buttons);

  function keys(event) {
    const at = pages.findIndex((page) => page.id === current);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: pages.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + pages.length) % pages.length;
    show(pages[next].id);
    buttons[next].focus();
  }

  function show(id) {
    if (id === current || !pages.some((page) => page.id === id)) return;
    current = id;
    pages.forEach((page, index) => {
      const isShown = page.id === id;
      buttons[index].setAttribute("aria-selected", String(isShown));
      buttons[index].tabIndex = isShown ? 0 : -1;
      panels[index].hidden = !isShown;
    });
    chosen(id);
  }

  show(start && pages.some((page) => page.id === start) ? start : pages[0].id);
  return { list, panels: el("div.ls-tab-panels", {}, ...panels), show, shown: () => current };
}
