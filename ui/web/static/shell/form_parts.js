// What the forms of decomposing and generating have in common.

import { el, icon, iconButton } from "../dom.js";
import { t } from "../i18n.js";
import { dialog } from "./dialog.js";
import { field } from "./fields.js";
import { commandLines } from "./recipe_lines.js";
import * as wire from "../wire.js";

const MOST_SEED = 2 ** 32 - 1;
export const randomSeed = () => Math.floor(Math.random() * MOST_SEED);

/** The seed, empty for one that the server draws, with dice. */
export function seedField(memory) {
  const seed = field({
    kind: "whole", label: t("form.seed"), placeholder: t("form.seed.any"), least: 0, most: MOST_SEED,
    value: memory.get("seed"), onchange: (value) => memory.set("seed", value),
  });
  const roll = () => {
    const value = randomSeed();
    seed.set(value);
    memory.set("seed", value);
  };
  const input = seed.node.querySelector("input");
  const line = el("div.ls-input-line", {});
  input.replaceWith(line);
  line.append(input, iconButton("shell-dice", t("form.seed.roll"), roll));
  return seed.node;
}

/** "auto" or a number of layers. */
export function layersField(memory) {
  const count = field({
    kind: "whole", label: t("form.layers.count"), least: 1, most: 1000, value: memory.get("layers") === "auto" ? 5 : memory.get("layers"),
    onchange: (value) => value && memory.set("layers", value),
  });
  const choice = field({
    kind: "choice", label: t("form.layers"), value: memory.get("layers") === "auto" ? "auto" : "number", help: t("form.layers.help"),
    choices: [{ value: "auto", label: t("form.layers.auto") }, { value: "number", label: t("form.layers.number") }],
    onchange: (value) => {
      count.node.hidden = value === "auto";
      memory.set("layers", value === "auto" ? "auto" : count.get() || 5);
    },
  });
  count.node.hidden = memory.get("layers") === "auto";
  return [choice.node, count.node];
}

/** A text or number of a request, kept in the memory of its form under its own name. */
export function remembered(memory, spec) {
  return field({ ...spec, value: memory.get(spec.name), onchange: (value) => memory.set(spec.name, value) }).node;
}

/** The button at the foot of a form, and a way to its command lines. */
export function runLine(studio, { label, request }) {
  const show = async () => {
    const wanted = request();
    if (!wanted) return;
    try {
      const lines = await wire.post("recipe", { request: wanted });
      await dialog({ title: t("recipe.command"), body: commandLines(studio, lines), wide: true });
    } catch (error) {
      studio.fail(error);
    }
  };
  const button = el("button.ls-button.is-primary.is-large", { type: "submit" }, label);
  const update = () => (button.disabled = !request()); // the methods are on their way
  studio.catalogue.watch(update);
  update();
  return el("footer.ls-run", {},
    button,
    iconButton("shell-command", t("recipe.show_command"), show));
}

/** Whether a field of the form has a problem; then it is shown. */
export function hasProblem(form) {
  const wrong = form.querySelector("[aria-invalid]");
  const fold = wrong?.closest("details");
  if (fold) fold.open = true;
  wrong?.focus();
  return Boolean(wrong);
}

/** The words for a method whose weights are missing: the form can be filled in but not run. */
export function notReady(studio, method) {
  if (method.ready) return null;
  return el("p.ls-warning", {}, icon("shell-warn", 15), el("span", {}, t("method.not_ready.advice")));
}
