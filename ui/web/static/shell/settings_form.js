// The settings that a method declares, as fields; what few people change is folded.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { settingHelp, settingLabel } from "./catalogue.js";
import { field } from "./fields.js";

const OPEN = 3; // as many are shown without unfolding

/** `values` are those that differ from the defaults; `changed(values)` gets the new ones. */
export function settingsFields(method, values, changed) {
  const chosen = { ...values };
  const fields = method.settings.map((setting) =>
    field({
      ...shape(setting),
      name: setting.name,
      label: settingLabel(setting),
      help: settingHelp(method, setting),
      value: chosen[setting.name] ?? setting.default,
      onchange: (value) => {
        if (value === null || value === setting.default) delete chosen[setting.name];
        else chosen[setting.name] = value;
        changed({ ...chosen });
      },
    }).node);
  if (fields.length <= OPEN + 1) return { open: fields, folded: [] };
  return { open: fields.slice(0, OPEN), folded: fields.slice(OPEN) };
}

function shape(setting) {
  if (setting.kind === "choice") return { kind: "choice", choices: setting.choices.map((value) => ({ value, label: choiceLabel(value) })) };
  return { kind: setting.kind, least: setting.least ?? undefined, most: setting.most ?? undefined };
}

function choiceLabel(value) {
  if (value === "auto") return t("settings.auto");
  return value === "none" ? t("settings.none") : String(value);
}

/** Fields behind a summary; null if there are none. */
export function folded(label, nodes, isOpen = false, toggled = () => {}) {
  const shown = nodes.filter(Boolean);
  if (!shown.length) return null;
  return el("details.ls-fold", { open: isOpen, ontoggle: (event) => toggled(event.target.open) },
    el("summary", {}, label), el("div.ls-fold-body", {}, ...shown));
}
