// Pictures that a generation starts from, one for each role.

import { el, iconButton } from "../dom.js";
import { t } from "../i18n.js";
import { pickFile, sizeText, upload } from "./incoming.js";
import { served } from "./served.js";

/** `memory` keeps the uploads under "pictures", by role; `needs` are roles that must be given. */
export function inputPictures(studio, memory, roles, needs) {
  const node = el("div.ls-field", { role: "group", "aria-label": t("generate.inputs") });
  const put = (role, taken) => {
    const pictures = { ...memory.get("pictures"), [role]: taken };
    if (!taken) delete pictures[role];
    memory.set("pictures", pictures);
    draw();
  };
  const choose = (role) => pickFile(async (file) => {
    const taken = await upload(studio, file);
    if (taken) put(role, taken);
  }, "image/*");
  const draw = () => node.replaceChildren(el("span.ls-label", {}, t("generate.inputs")), ...roles.map((role) => slot(role)));

  function slot(role) {
    const taken = memory.get("pictures")[role];
    const label = t(`role.${role}`) + (needs.includes(role) ? "" : ` ${t("form.optional")}`);
    const button = el("button.ls-button.is-small", { type: "button", onclick: () => choose(role), "aria-label": t("generate.inputs.choose", { role: label }) }, t(taken ? "source.replace" : "source.choose"));
    const thumb = taken ? el("img.ls-checker", { src: served(taken.thumb), alt: "", onerror: () => put(role, null) }) : null; // gone with its session
    return el("div.ls-slot", {},
      thumb,
      el("div.ls-source-text", {}, el("strong", {}, label), taken ? el("span.ls-dim", {}, `${taken.name} · ${sizeText(taken)}`) : el("span.ls-help", {}, t(`role.${role}.help`))),
      button,
      taken ? iconButton("shell-close", t("field.remove", { what: label }), () => put(role, null), { class: "is-small" }) : null);
  }

  draw();
  return node;
}
