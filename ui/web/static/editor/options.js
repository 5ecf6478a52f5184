// Settings of the tools, remembered by the browser.

const KEY = "layerstudio.tools";
const DEFAULTS = { snap: true, mode: "erase", size: 40, hardness: 0.8, strength: 1, point: "points", keepShape: true };

/** Reads and writes like an object; `change` tells who watches. */
export class ToolOptions {
  #watchers = new Set();

  constructor() {
    Object.assign(this, DEFAULTS, remembered());
  }

  change(values) {
    Object.assign(this, values);
    const kept = Object.fromEntries(Object.keys(DEFAULTS).map((key) => [key, this[key]]));
    localStorage.setItem(KEY, JSON.stringify(kept));
    for (const watcher of this.#watchers) watcher();
  }

  onChange(watcher) {
    this.#watchers.add(watcher);
  }
}

function remembered() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY)) || {};
    const sound = ([key, value]) => key in DEFAULTS && typeof value === typeof DEFAULTS[key];
    return Object.fromEntries(Object.entries(kept).filter(sound));
  } catch {
    return {}; // not written by this version
  }
}
