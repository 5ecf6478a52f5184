// The tools, in a strip: one stop of the Tab key, arrows within.

import { el, iconButton } from "../dom.js";
import { t } from "../i18n.js";
import { registerShortcuts, shown } from "./shortcuts.js";

const TOOLS = [
  { id: "select", icon: "select", key: "V" },
  { id: "hand", icon: "hand", key: "H" },
  { id: "brush", icon: "brush", key: "B" },
  { id: "box", icon: "box", key: "M" },
  { id: "point", icon: "point", key: "P" },
];

export function mountToolStrip(studio) {
  const { store } = studio;
  const choose = (id) => store.set({ tool: id, exploded: false });
  const buttons = TOOLS.map(({ id, icon, key }) =>
    iconButton(icon, `${t(`tools.${id}`)} (${shown(key)})`, () => choose(id), { "aria-label": t(`tools.${id}`), role: "radio", class: "ls-tool", "aria-keyshortcuts": key }));
  const strip = el("div.ls-tool-strip", { role: "radiogroup", "aria-label": t("tools.label"), onkeydown: keys }, ...buttons);

  function keys(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const at = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
    buttons[at].focus();
    choose(TOOLS[at].id);
  }

  const draw = () => {
    TOOLS.forEach(({ id }, index) => {
      const on = store.get("tool") === id;
      buttons[index].setAttribute("aria-checked", String(on));
      buttons[index].tabIndex = on ? 0 : -1;
    });
  };
  store.watch("tool", draw);
  draw();
  studio.regions.tools.append(strip);
  registerShortcuts(studio, TOOLS.map(({ id, key }) => ({ keys: key, label: `tools.${id}`, section: "keys.tools", run: () => choose(id) })));
}
