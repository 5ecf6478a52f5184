// What can be done with the selected layers: one table for menus, buttons and keys.

import { t } from "../i18n.js";
import { selected } from "../store.js";
import { announce } from "./announce.js";
import { lockedOf } from "./selection.js";
import { registerShortcuts, shown } from "./shortcuts.js";
import { addShadow, fillBehind, matteAgain, regenerate, replaceLayer, splitLayer } from "./worklayer.js";

const all = (nodes, test) => nodes.length > 0 && nodes.every(test);
const isLayer = (node) => node.kind === "layer";
const isGroup = (node) => node.kind === "group";
const one = (nodes) => nodes.length === 1;
const oneLayer = (nodes) => one(nodes) && isLayer(nodes[0]);
const some = (nodes) => nodes.length > 0;

/**
 * The actions by id: { icon, keys, when(nodes, document), changes, checked(nodes), run(studio, nodes) }.
 * `changes` ones touch pixels, place or order, which a lock forbids.
 */
export const ACTIONS = {
  rename: { icon: "rename", keys: "F2", when: one, run: (studio) => studio.layerTree.rename() },
  duplicate: { icon: "duplicate", keys: "Mod+J", when: some, run: (studio) => studio.edit.run("duplicate") },
  delete: { icon: "delete", keys: ["Delete", "Backspace"], when: some, changes: true, danger: true, run: removeSelected },
  add: { icon: "add", keys: "Mod+Shift+N", when: (nodes, document) => document, run: (studio) => studio.edit.run("add_layer") },
  group: { icon: "group", keys: "Mod+G", when: some, changes: true, run: (studio) => studio.edit.run("group") },
  ungroup: { icon: "ungroup", keys: "Mod+Shift+G", when: (nodes) => nodes.some(isGroup), changes: true, run: (studio) => studio.edit.run("ungroup") },
  merge: { icon: "merge", keys: "Mod+Shift+E", when: (nodes) => nodes.length > 1 || nodes.some(isGroup), changes: true, run: (studio) => studio.edit.run("merge") },
  raise: { icon: "raise", keys: "Alt+ArrowUp", when: some, changes: true, run: reorder("raise") },
  lower: { icon: "lower", keys: "Alt+ArrowDown", when: some, changes: true, run: reorder("lower") },
  to_top: { icon: "to-front", keys: "Alt+Shift+ArrowUp", when: some, changes: true, run: reorder("to_top") },
  to_bottom: { icon: "to-back", keys: "Alt+Shift+ArrowDown", when: some, changes: true, run: reorder("to_bottom") },
  visible: toggle("visible", { icon: "eye", keys: "Mod+,", command: "visible", property: "visible" }),
  lock: toggle("lock", { icon: "lock", keys: "Mod+/", command: "lock", property: "locked" }),
  solo: {
    icon: "solo", keys: "Alt+S", when: (nodes, document) => some(nodes) || document?.solo.length > 0,
    checked: (nodes, document) => document.solo.length > 0, run: (studio, nodes) => toggleSolo(studio, nodes.map((node) => node.path)),
  },
  clip: { ...toggle("clip", { icon: "clip", keys: "Alt+G", command: "clip", property: "clipped" }), changes: true },
  mask_add: mask("add", (node) => !node.has_mask),
  mask_enable: { ...mask("enable", (node) => node.has_mask && !node.mask_enabled) },
  mask_disable: mask("disable", (node) => node.has_mask && node.mask_enabled),
  mask_invert: mask("invert", (node) => node.has_mask),
  mask_apply: mask("apply", (node) => node.has_mask && isLayer(node)),
  mask_remove: mask("remove", (node) => node.has_mask),
  flip_horizontal: { icon: "flip-h", when: some, changes: true, run: (studio) => studio.edit.run("flip", { axis: "horizontal" }) },
  flip_vertical: { icon: "flip-v", when: some, changes: true, run: (studio) => studio.edit.run("flip", { axis: "vertical" }) },
  rotate_cw: { icon: "rotate-cw", when: some, changes: true, run: (studio) => studio.edit.run("rotate90", { turns: 1 }) },
  rotate_ccw: { icon: "rotate-ccw", when: some, changes: true, run: (studio) => studio.edit.run("rotate90", { turns: 3 }) },
  crop: { icon: "crop", when: some, changes: true, run: (studio) => studio.edit.run("crop_to_content") },
  shadow: { icon: "shadow", when: some, run: addShadow },
  split: { icon: "split", when: oneLayer, changes: true, run: splitLayer },
  matte: { icon: "matte", when: oneLayer, changes: true, run: matteAgain },
  fill: { icon: "fill", when: some, run: fillBehind },
  replace: { icon: "replace", when: oneLayer, changes: true, run: replaceLayer },
  regenerate: { icon: "regenerate", when: (nodes, document) => document?.has_recipe, run: regenerate },
  export: { icon: "export", when: some, run: (studio, nodes) => studio.exportDialog({ paths: nodes.map((node) => node.path) }) },
};

function toggle(id, { icon, keys, command, property }) {
  return {
    icon, keys, when: some, checked: (nodes) => all(nodes, (node) => node[property]),
    run: (studio) => studio.edit.run(command, (document) => ({ value: !all(selected(document), (node) => node[property]) })),
  };
}

function mask(action, test) {
  return { icon: "mask", when: (nodes) => all(nodes, test), changes: true, run: (studio) => studio.edit.run("mask", { action }) };
}

/** Show these alone; the same again shows all. */
export function toggleSolo(studio, paths) {
  const { solo } = studio.store.get("document");
  const same = solo.length > 0 && (!paths.length || (solo.length === paths.length && paths.every((path) => solo.includes(path))));
  return studio.edit.solo(same ? [] : paths);
}

function reorder(command) {
  return async (studio) => {
    await studio.edit.run(command);
    const document = studio.store.get("document");
    const [node] = selected(document).slice(-1);
    if (!node) return;
    const steps = node.path.split(".").map(Number);
    const siblings = steps.slice(0, -1).reduce((nodes, step) => nodes[step].children, document.nodes);
    announce(t("layers.moved", { name: node.name, position: siblings.length - steps.at(-1), count_of: siblings.length }));
  };
}

async function removeSelected(studio, nodes) {
  await studio.edit.run("delete");
  announce(t("layers.deleted", { count: nodes.length }));
}

/** Whether an action can be run on the selection now. */
export function canRun(studio, id) {
  const document = studio.store.get("document");
  if (!document || studio.store.get("draft")) return false;
  const action = ACTIONS[id];
  return Boolean(action.when(selected(document), document)) && !(action.changes && lockedOf(document));
}

export function run(studio, id) {
  if (canRun(studio, id)) ACTIONS[id].run(studio, selected(studio.store.get("document")));
}

export function labelOf(id) {
  return t(`layers.action.${id}`);
}

/** The name with its keys, for tooltips. */
export function hintOf(id) {
  const keys = ACTIONS[id].keys && shown([ACTIONS[id].keys].flat()[0]);
  return keys ? `${labelOf(id)} (${keys})` : labelOf(id);
}

/** An entry of a menu for an action. */
export function menuItem(studio, id) {
  const action = ACTIONS[id];
  const document = studio.store.get("document");
  const item = {
    label: labelOf(id), icon: action.icon, disabled: !canRun(studio, id), danger: action.danger, run: () => run(studio, id),
    shortcut: action.keys ? shown([action.keys].flat()[0]) : null,
  };
  return action.checked ? { ...item, toggles: true, checked: Boolean(document) && action.checked(selected(document), document) } : item;
}

/** All keys of the table. Arrows with Alt work in the tree and on the canvas alike. */
export function registerActionKeys(studio) {
  registerShortcuts(studio, Object.entries(ACTIONS).filter(([, action]) => action.keys).map(([id, action]) => ({
    keys: action.keys, label: `layers.action.${id}`, section: "keys.layers", when: () => canRun(studio, id), run: () => run(studio, id),
  })));
  const { edit, store } = studio;
  const document = () => store.get("document");
  registerShortcuts(studio, [
    { keys: "Mod+Z", label: "keys.undo", section: "keys.edit", settled: true, when: () => document()?.history.can_undo, run: () => edit.undo() },
    { keys: ["Mod+Shift+Z", "Mod+Y"], label: "keys.redo", section: "keys.edit", settled: true, when: () => document()?.history.can_redo, run: () => edit.redo() },
    { keys: "Mod+A", label: "keys.select_all", section: "keys.edit", when: () => document(), run: () => edit.select(document().nodes.map((node) => node.path)) },
  ]);
}
