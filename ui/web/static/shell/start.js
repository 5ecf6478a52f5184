// The left drawer: three ways in.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { decomposeForm } from "./decompose_form.js";
import { generateForm } from "./generate_form.js";
import { openPanel } from "./open_panel.js";
import { tabs } from "./tabs.js";

const REMEMBERED = "layerstudio.way";

/** Fill the drawer; give `studio` its `showWay(id)` and `forms`. */
export function mountStart(studio) {
  const decompose = decomposeForm(studio);
  const generate = generateForm(studio);
  const ways = tabs({
    label: t("start.label"),
    start: sessionStorage.getItem(REMEMBERED),
    pages: [
      { id: "decompose", label: t("start.decompose"), icon: "shell-layers", body: decompose.node },
      { id: "generate", label: t("start.generate"), icon: "shell-text", body: generate.node },
      { id: "open", label: t("start.open"), icon: "shell-folder", body: openPanel(studio) },
    ],
    chosen: (id) => sessionStorage.setItem(REMEMBERED, id),
  });
  studio.regions.start.append(el("div.ls-drawer", {}, ways.list, ways.panels));
  studio.forms = { decompose, generate };
  studio.showWay = (id) => {
    ways.show(id);
    studio.panels.show("start");
  };
}
