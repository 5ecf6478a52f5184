// Modal dialogs. The browser keeps the focus inside and gives it back; Esc answers null.

import { el, iconButton, uniqueId } from "../dom.js";
import { t } from "../i18n.js";
import { field, problemOf } from "./fields.js";

/**
 * Show a dialog and wait for its answer.
 *
 * `actions`: [{ label, value, primary, danger, check }]; `check()` false keeps it open. The answer
 * is the value of the action, or null for Esc and the cross. `opened(close)` gets how to close it.
 */
export function dialog({ title, body, actions = [], wide = false, opened = null, lead = null }) {
  return new Promise((resolve) => {
    const id = uniqueId("dialog");
    let answer = null;
    const close = (value = null) => {
      answer = value;
      box.close();
    };
    const buttons = actions.map((action) =>
      el("button.ls-button", {
        type: action.primary ? "submit" : "button",
        class: [action.primary && "is-primary", action.danger && "is-danger"].filter(Boolean).join(" "),
        onclick: action.primary ? null : () => close(action.value),
      }, action.label));
    const primary = actions.find((action) => action.primary);
    const submit = (event) => {
      event.preventDefault();
      if (primary && (!primary.check || primary.check())) close(primary.value ?? true);
    };
    const form = el("form.ls-dialog-form", { novalidate: true, onsubmit: submit },
      el("header.ls-dialog-head", {}, el("h2", { id }, title), iconButton("shell-close", t("dialog.close"), () => close())),
      lead ? el("p.ls-dialog-lead", {}, lead) : null,
      el("div.ls-dialog-body", { tabindex: "-1" }, ...[body].flat()),
      buttons.length ? el("footer.ls-dialog-foot", {}, ...buttons) : null);
    const box = el("dialog.ls-dialog", {
      class: wide ? "is-wide" : "", "aria-labelledby": id,
      onclose: () => {
        box.remove();
        resolve(answer);
      },
      onpointerdown: (event) => event.target === box && close(),
      // Keys of the editor must not act behind the dialog.
      onkeydown: (event) => event.stopPropagation(),
    }, form);
    document.getElementById("studio").append(box);
    box.showModal();
    const first = form.querySelector("[autofocus], .ls-dialog-body input, .ls-dialog-body select, .ls-dialog-body textarea");
    (first || buttons.at(-1) || form.querySelector(".ls-dialog-body")).focus();
    if (opened) opened(close);
  });
}

/** Ask whether to go on; true or false. */
export async function confirm({ title, message, action, danger = false }) {
  const actions = [{ label: t("dialog.cancel"), value: null }, { label: action, value: true, primary: true, danger }];
  return (await dialog({ title, body: el("p", {}, message), actions })) === true;
}

/** Ask for some values; { name: value }, or null. A field's `check(value)` is what is wrong with it, or "". */
export async function ask({ title, message = "", fields, action }) {
  const made = fields.map((spec) => ({ spec, handle: field(spec) }));
  const check = () => {
    const wrong = made.filter(({ spec, handle }) => {
      const problem = problemOf(spec, handle.get()) || spec.check?.(handle.get()) || "";
      handle.problem(problem);
      return problem;
    });
    if (wrong.length) wrong[0].handle.focus();
    return wrong.length === 0;
  };
  const actions = [{ label: t("dialog.cancel"), value: null }, { label: action, value: true, primary: true, check }];
  const body = made.map(({ handle }) => handle.node);
  if (!(await dialog({ title, lead: message, body, actions }))) return null;
  return Object.fromEntries(made.map(({ spec, handle }) => [spec.name, handle.get()]));
}
