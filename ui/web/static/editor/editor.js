// The editor: stage, tools, layers, properties, history, put together.

import { defineIcons, el } from "../dom.js";
import { t } from "../i18n.js";
import { tabs } from "../shell/tabs.js";
import { registerActionKeys } from "./actions.js";
import { adjustmentsPanel } from "./adjustments.js";
import { brushTool } from "./brushtool.js";
import { Stage } from "./canvas.js";
import { mountCompare } from "./compare.js";
import { mountExploded } from "./exploded.js";
import { boxTool, Marks, pointTool } from "./hinttools.js";
import { historyPanel } from "./historylist.js";
import { ICONS } from "./icons.js";
import { layerPanel } from "./layerpanel.js";
import { registerCanvasKeys } from "./nudge.js";
import { ToolOptions } from "./options.js";
import { optionsBar } from "./optionsbar.js";
import { mountPointers } from "./pointers.js";
import { propertiesPanel } from "./properties.js";
import { selectTool } from "./selecttool.js";
import { splitter } from "./splitter.js";
import { mountToolStrip } from "./toolstrip.js";
import { mountZoomControl } from "./zoomcontrol.js";

/** Fill the regions tools, canvas and layers; give `studio` its `editor` and `shortcuts`. */
export function mountEditor(studio) {
  defineIcons(ICONS);
  const options = new ToolOptions();
  const stage = new Stage(studio);
  mountToolStrip(studio);
  const marks = new Marks(studio, stage);
  const tools = {
    select: selectTool(studio, stage, options),
    hand: { cursor: () => "grab" },
    brush: brushTool(studio, stage, options),
    box: boxTool(stage, marks),
    point: pointTool(stage, marks, options),
  };
  const pointers = mountPointers(studio, stage, tools);
  registerActionKeys(studio);
  registerCanvasKeys(studio, stage, pointers);
  mountCompare(studio, stage);
  mountExploded(studio, stage);
  studio.regions.canvas.append(optionsBar(studio, stage, options, marks), stage.element);
  const [layers, side] = [layerPanel(studio), sidePanel(studio, options)];
  studio.regions.layers.append(layers, splitter(studio.regions.layers, layers, side, t("layers.split")), side);
  mountZoomControl(studio, stage.viewport);
  const { viewport } = stage;
  studio.editor = {
    fit: () => viewport.fit(),
    zoomTo: (factor) => viewport.zoomTo(factor),
    /** Resolves when the canvas shows the newest picture. */
    settled: () => stage.backing.whenSettled(),
  };
}

/** Properties, adjustments and history, one at a time. */
function sidePanel(studio, options) {
  const { list, panels } = tabs({
    label: t("props.tabs"),
    pages: [
      { id: "props", label: t("props.title"), body: propertiesPanel(studio, options) },
      { id: "adjust", label: t("props.adjust"), body: adjustmentsPanel(studio) },
      { id: "history", label: t("history.title"), body: historyPanel(studio) },
    ],
  });
  return el("section.ls-side-panel", { "aria-label": t("props.tabs") }, list, panels);
}
