// Drawers that fold on a wide screen, lie over the canvas on a middle one, and are pages on a phone.

import { el, icon, iconButton } from "../dom.js";
import { t } from "../i18n.js";

const REMEMBERED = "layerstudio.drawers";
const OVERLAY = matchMedia("(max-width: 899px)");
const PHONE = matchMedia("(max-width: 599px)");
const PAGES = [["start", "shell-drawer"], ["canvas", "shell-picture"], ["layers", "shell-layers"]];

/** Give `studio` its `panels`: { show(id), toggle(id), startButton, layersButton }. */
export function mountPanels(studio) {
  const { store, regions } = studio;
  const root = regions.canvas.parentElement;
  const wide = { start: true, layers: true, ...remembered() }; // what is open where there is room
  let over = null; // the drawer that lies over the canvas

  const startButton = iconButton("shell-drawer", t("panels.start"), () => toggle("start"), { "aria-expanded": "true" });
  const layersButton = iconButton("shell-drawer-end", t("panels.layers"), () => toggle("layers"), { "aria-expanded": "true" });
  const buttons = { start: startButton, layers: layersButton };
  const tabs = PAGES.map(([id, name]) =>
    el("button.ls-page-tab", { type: "button", onclick: () => show(id) }, icon(name, 20), el("span", {}, t(`panels.tab.${id}`))));
  regions.tabs.append(...tabs);

  function isOpen(id) {
    if (PHONE.matches) return store.get("panel") === id;
    return OVERLAY.matches ? over === id : wide[id];
  }

  function toggle(id) {
    if (OVERLAY.matches) over = over === id ? null : id;
    else {
      wide[id] = !wide[id];
      localStorage.setItem(REMEMBERED, JSON.stringify(wide));
    }
    draw();
  }

  /** Make a panel visible; "canvas" puts away what lies over it. */
  function show(id) {
    store.set({ panel: id });
    over = id === "canvas" ? null : id;
    if (id !== "canvas" && !OVERLAY.matches && !wide[id]) toggle(id);
    draw();
  }

  function draw() {
    root.dataset.panel = store.get("panel");
    for (const id of ["start", "layers"]) {
      const open = isOpen(id);
      root.dataset[id] = open ? "open" : "closed";
      regions[id].inert = !open; // what cannot be seen is not reached by the keyboard
      buttons[id].setAttribute("aria-expanded", String(open));
    }
    PAGES.forEach(([id], index) => {
      if (id === store.get("panel")) tabs[index].setAttribute("aria-current", "page");
      else tabs[index].removeAttribute("aria-current");
    });
    dispatchEvent(new Event("resize")); // the canvas has another size
  }

  for (const query of [OVERLAY, PHONE]) query.addEventListener("change", draw);
  store.watch("panel", draw);
  regions.canvas.addEventListener("pointerdown", () => {
    if (!over || !OVERLAY.matches) return;
    over = null;
    draw();
  });
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !over || !OVERLAY.matches || event.defaultPrevented) return;
    const button = buttons[over];
    over = null;
    draw();
    button.focus();
  });
  studio.panels = { show, toggle, startButton, layersButton };
  draw();
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED)) || {};
  } catch {
    return {};
  }
}
