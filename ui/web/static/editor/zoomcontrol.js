// How large the canvas is shown, in the status bar.

import { el, iconButton } from "../dom.js";
import { number, t } from "../i18n.js";
import { shown } from "./shortcuts.js";

const CHOICES = [0.25, 0.5, 1, 2, 4, 8];

export function mountZoomControl(studio, viewport) {
  const value = el("button.ls-zoom-value", { type: "button", "aria-haspopup": "menu", title: t("canvas.zoom"), onclick: open });
  const smaller = iconButton("minus", t("keys.zoom_out"), () => viewport.step(-1), { class: "is-tiny" });
  const larger = iconButton("plus", t("keys.zoom_in"), () => viewport.step(1), { class: "is-tiny" });
  const percent = (zoom) => number(zoom, { style: "percent", maximumFractionDigits: zoom < 0.1 ? 1 : 0 });

  function open() {
    studio.openMenu(value, [
      { label: t("keys.fit"), icon: "fit", shortcut: shown("Mod+0"), run: () => viewport.fit() },
      ...CHOICES.map((zoom) => ({ label: percent(zoom), shortcut: zoom === 1 ? shown("Mod+1") : null, checked: Math.abs(viewport.zoom - zoom) < 1e-6, run: () => viewport.zoomTo(zoom) })),
    ]);
  }

  const draw = () => {
    const off = !viewport.extent;
    value.textContent = percent(studio.store.get("zoom"));
    value.setAttribute("aria-label", `${t("canvas.zoom")}: ${value.textContent}`);
    for (const button of [value, smaller, larger]) button.disabled = off;
  };
  viewport.onChange(draw);
  draw();
  studio.regions.status.prepend(el("div.ls-zoom", { role: "group", "aria-label": t("canvas.zoom") }, smaller, value, larger));
}
