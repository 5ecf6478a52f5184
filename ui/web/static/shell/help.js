// Help: all keyboard shortcuts, and what this is.

import { el } from "../dom.js";
import { shown } from "../editor/shortcuts.js";
import { bytes, t } from "../i18n.js";
import { dialog } from "./dialog.js";

export function showShortcuts(studio) {
  const sections = new Map();
  for (const shortcut of studio.shortcuts.filter((one) => one.shown)) {
    if (!sections.has(shortcut.section)) sections.set(shortcut.section, []);
    sections.get(shortcut.section).push(shortcut);
  }
  const body = el("div.ls-shortcuts", {}, ...[...sections].map(([section, rows]) =>
    el("section", {}, el("h3", {}, t(section)), el("dl", {}, ...rows.map(row)))));
  return dialog({ title: t("help.shortcuts"), body, wide: true });
}

function row({ keys, label }) {
  const alternatives = keys.map((one) => el("kbd", {}, shown(one)));
  return el("div", {}, el("dt", {}, t(label)), el("dd", {}, ...alternatives));
}

export function about(studio) {
  const { device } = studio.catalogue;
  const facts = [
    device && ["about.device", device.name],
    device && ["about.memory", t("about.free_of", { free: bytes(device.free_bytes), memory: bytes(device.memory_bytes) })],
    ["about.licence", "Apache-2.0"],
  ].filter(Boolean);
  const body = [
    el("p", {}, t("about.lead")),
    el("p.ls-dim", {}, t("about.local")),
    el("dl.ls-facts", {}, ...facts.flatMap(([key, text]) => [el("dt", {}, t(key)), el("dd", {}, text)])),
    el("p", {}, el("a", { href: "./?view=api", target: "_blank", rel: "noopener" }, t("about.api"))),
  ];
  return dialog({ title: t("help.about"), body });
}
