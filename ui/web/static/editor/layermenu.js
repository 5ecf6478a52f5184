// The context menu of layers. What belongs together is a page of the menu, one level deep.

import { t } from "../i18n.js";
import { canRun, menuItem } from "./actions.js";

const PAGES = {
  arrange: { icon: "to-front", ids: ["to_top", "raise", "lower", "to_bottom"] },
  mask: { icon: "mask", ids: ["mask_add", "mask_enable", "mask_disable", "mask_invert", "mask_apply", "mask_remove"] },
  transform: { icon: "flip-h", ids: ["flip_horizontal", "flip_vertical", "rotate_cw", "rotate_ccw", "crop"] },
  work: { icon: "replace", ids: ["split", "matte", "fill", "replace", "regenerate"] },
};

const MAIN = ["rename", "duplicate", "delete", "-", "visible", "lock", "solo", "clip", "-", "group", "ungroup", "merge", "-",
  "page:arrange", "page:transform", "page:mask", "shadow", "page:work", "-", "export"];

/** Open it at an element or a point { x, y }. */
export function openLayerMenu(studio, anchor) {
  studio.openMenu(anchor, MAIN.map((id) => {
    if (id === "-") return id;
    return id.startsWith("page:") ? pageItem(studio, anchor, id.slice(5)) : menuItem(studio, id);
  }));
}

function pageItem(studio, anchor, name) {
  const { icon, ids } = PAGES[name];
  return {
    label: `${t(`layers.menu.${name}`)} ›`, icon, disabled: !ids.some((id) => canRun(studio, id)),
    run: () => openPage(studio, anchor, name),
  };
}

/** What an action needs may be missing altogether (a mask): it is left out; otherwise it is dimmed. */
function openPage(studio, anchor, name) {
  const { ids } = PAGES[name];
  const shown = name === "mask" ? ids.filter((id) => canRun(studio, id)) : ids;
  const back = { label: t("layers.menu.back"), icon: "chevron-left", run: () => openLayerMenu(studio, anchor) };
  studio.openMenu(anchor, [back, "-", ...shown.map((id) => menuItem(studio, id))]);
}
