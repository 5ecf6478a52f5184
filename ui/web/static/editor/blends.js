// The blend modes in the groups and the order that artists know.

import { el } from "../dom.js";
import { t } from "../i18n.js";

const GROUPS = {
  normal: ["normal", "dissolve"],
  darken: ["darken", "multiply", "color-burn", "linear-burn", "darker-color"],
  lighten: ["lighten", "screen", "color-dodge", "linear-dodge", "lighter-color"],
  contrast: ["overlay", "soft-light", "hard-light", "vivid-light", "linear-light", "pin-light", "hard-mix"],
  inversion: ["difference", "exclusion", "subtract", "divide"],
  component: ["hue", "saturation", "color", "luminosity"],
};

const option = (mode) => el("option", { value: mode }, t(`layers.blend.${mode}`));

/** A select of all modes; pass-through is there for groups (`allowPassThrough`). */
export function blendSelect(attributes) {
  const passThrough = option("pass-through");
  const groups = Object.entries(GROUPS).map(([name, modes]) => el("optgroup", { label: t(`layers.blends.${name}`) }, ...modes.map(option)));
  const select = el("select.ls-select.is-small", attributes, passThrough, ...groups);
  return {
    node: select,
    show(mode, allowPassThrough) {
      passThrough.hidden = passThrough.disabled = !allowPassThrough && mode !== "pass-through";
      select.value = mode;
    },
  };
}
