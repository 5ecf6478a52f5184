// All that is around the editor.

import { registerShortcuts } from "../editor/shortcuts.js";
import { t } from "../i18n.js";
import * as wire from "../wire.js";
import { Catalogue } from "./catalogue.js";
import { ask, confirm, dialog } from "./dialog.js";
import { restoreDraft } from "./draft.js";
import { exportDialog } from "./export_dialog.js";
import { mountHeader } from "./header.js";
import { showShortcuts } from "./help.js";
import "./icons.js";
import { mountIncoming } from "./incoming.js";
import { mountJobTray } from "./job_tray.js";
import { mountJobs } from "./jobs.js";
import { openMenu } from "./menu.js";
import { mountNotices } from "./notices.js";
import { mountPanels } from "./panels.js";
import { loadRecipe } from "./recipe_load.js";
import { mountStage } from "./stage.js";
import { mountStart } from "./start.js";
import { mountStatus } from "./status.js";

export function mountShell(studio) {
  leaveContainer(studio.regions.canvas.parentElement);
  Object.assign(studio, { dialog, confirm, ask, openMenu, catalogue: new Catalogue() });
  studio.exportDialog = (options) => exportDialog(studio, options);
  studio.loadRecipe = () => loadRecipe(studio);
  studio.closeDocument = () => closeDocument(studio);
  studio.logout = () => wire.post("../logout").then(() => location.reload(), studio.fail);
  mountNotices(studio);
  mountPanels(studio);
  mountJobs(studio);
  mountIncoming(studio);
  mountStart(studio);
  mountHeader(studio);
  mountStatus(studio);
  mountJobTray(studio);
  mountStage(studio);
  shortcuts(studio);
  restoreDraft(studio);
  studio.catalogue.load().catch(studio.fail);
}

/** Gradio's styles are for what is in its container, and its own controls are not to be reached. */
function leaveContainer(root) {
  const container = root.closest("gradio-app");
  if (!container) return;
  document.body.append(root);
  container.inert = true;
}

async function closeDocument(studio) {
  const { store } = studio;
  const message = t("header.close.message", { name: store.get("document").name });
  if (!(await confirm({ title: t("header.close"), message, action: t("header.close.action"), danger: true }))) return;
  try {
    const state = await wire.post("close");
    store.set({ jobs: state.jobs, compare: null, exploded: false });
    studio.edit.accept(state.document);
  } catch (error) {
    studio.fail(error);
  }
}

function shortcuts(studio) {
  const { store, panels } = studio;
  registerShortcuts(studio, [
    { keys: "Mod+O", label: "help.keys.open", section: "help.keys.studio", run: () => studio.pickFile() },
    { keys: ["Mod+E", "Mod+S"], label: "help.keys.export", section: "help.keys.studio", run: () => studio.exportDialog(), when: () => store.get("document") },
    { keys: "Mod+V", label: "help.keys.paste", section: "help.keys.studio", run: null },
    { keys: "Alt+Digit1", label: "help.keys.start", section: "help.keys.studio", run: () => panels.toggle("start") },
    { keys: "Alt+Digit2", label: "help.keys.layers", section: "help.keys.studio", run: () => panels.toggle("layers") },
    { keys: "?", label: "help.keys.help", section: "help.keys.studio", run: () => showShortcuts(studio) },
  ]);
}
