// The methods, as the server describes them, in the user's language where there is a translation.

import { t } from "../i18n.js";
import * as wire from "../wire.js";

export class Catalogue {
  methods = [];
  device = null;
  #watchers = new Set();

  /** Ask again: what is installed may have changed. */
  async load() {
    const { methods, device } = await wire.get("methods");
    this.methods = methods;
    this.device = device;
    for (const watcher of this.#watchers) watcher();
  }

  /** Call `watcher()` after each load; returns how to stop. */
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  of(task) {
    return this.methods.filter((method) => method.task === task);
  }

  find(id) {
    return this.methods.find((method) => method.id === id) || null;
  }

  /** The method of a form: the wanted one, else the default of its task. */
  chosen(task, id) {
    const found = this.find(id);
    if (found && found.task === task) return found;
    const methods = this.of(task);
    return methods.find((method) => method.default) || methods[0] || null;
  }
}

// English is the server's own text, so only the other languages have strings for these.
export const titleOf = (method) => t(`catalogue.${method.id}.title`, {}, method.title);
export const summaryOf = (method) => t(`catalogue.${method.id}.summary`, {}, method.summary);

export function settingLabel(setting) {
  const words = setting.name.replaceAll("_", " ");
  return t(`catalogue.setting.${setting.name}`, {}, words[0].toUpperCase() + words.slice(1));
}

export function settingHelp(method, setting) {
  const english = setting.summary[0].toUpperCase() + setting.summary.slice(1);
  return t(`catalogue.${method.id}.${setting.name}`, {}, english);
}
