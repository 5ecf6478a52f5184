// Colours of the tokens for what is drawn on a canvas.

const NAMES = {
  accent: "--ls-accent", accentText: "--ls-accent-text", checkA: "--ls-check-a", checkB: "--ls-check-b", surround: "--ls-surround",
  line: "--ls-line", text: "--ls-text", panel: "--ls-panel", danger: "--ls-danger", good: "--ls-good",
};
let known = null;
const watchers = new Set();

function forget() {
  known = null;
  for (const watcher of watchers) watcher();
}

new MutationObserver(forget).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", forget);

/** The colours of now, by name. */
export function colours() {
  if (!known) {
    const style = getComputedStyle(document.documentElement);
    known = Object.fromEntries(Object.entries(NAMES).map(([name, token]) => [name, style.getPropertyValue(token).trim()]));
  }
  return known;
}

/** Call `watcher` when they change. */
export function onThemeChange(watcher) {
  watchers.add(watcher);
}
