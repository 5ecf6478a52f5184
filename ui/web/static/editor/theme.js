// Colours of the tokens for what is drawn on a canvas.

const NAMES = { checkA: "--ls-check-a", checkB: "--ls-check-b", line: "--ls-line" };

// Marks lie on pictures, not on panels: the same in both themes, and with white around or in them.
export const MARK = { main: "#4b46e5", good: "#1b6e3c", bad: "#b3261e", ink: "#ffffff" };

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
