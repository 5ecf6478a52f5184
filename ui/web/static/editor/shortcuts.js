// One table of keyboard shortcuts for the editor and what is around it; the help dialog lists it.

const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);
const NAMES = {
  ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc", Delete: "Del", " ": "Space", Plus: "+",
  BracketLeft: "[", BracketRight: "]",
};
const APPLE_NAMES = { Mod: "⌘", Alt: "⌥", Shift: "⇧", Backspace: "⌫", Enter: "↩" };

/**
 * Add shortcuts: `{keys, label, section, run, when, everywhere, shown}`.
 *
 * keys        "Mod+Shift+Z" or a list; Mod is Ctrl, or Command on a Mac. A single character is matched
 *             as typed ("?"), "Digit1" and "BracketLeft" by the place of the key on the keyboard
 * label       key of its text; section: key of the text of its heading
 * run(event)  does it; `when(event)` says whether it can now (otherwise the key is left to the browser)
 * everywhere  also while a text field has the focus
 * settled     also in a number field while nothing is typed that it has not sent
 * shown       false: not listed in the help; `run` null: listed only, handled elsewhere
 */
export function registerShortcuts(studio, shortcuts) {
  if (!studio.shortcuts) {
    studio.shortcuts = [];
    document.addEventListener("keydown", (event) => dispatch(studio.shortcuts, event));
  }
  studio.shortcuts.push(...shortcuts.map((one) => ({ shown: true, everywhere: false, ...one, keys: [one.keys].flat() })));
}

function dispatch(shortcuts, event) {
  if (event.defaultPrevented || event.isComposing) return;
  const typing = isTyping(event.target);
  // The focus may have been in what a dialog has drawn anew: then the event is of the page.
  const modal = event.target.closest?.("[role=menu]") || document.querySelector("dialog:modal");
  for (const one of shortcuts) {
    const isSettled = one.settled && !modal && event.target.dataset.settled !== undefined;
    if (!one.run || ((typing || modal) && !one.everywhere && !isSettled)) continue;
    if (!one.keys.some((keys) => matches(keys, event)) || (one.when && !one.when(event))) continue;
    event.preventDefault();
    one.run(event);
    return;
  }
}

/** Whether the keys of an event do something now. */
export function hasShortcut(studio, event) {
  return studio.shortcuts.some((one) => one.run && one.keys.some((keys) => matches(keys, event)) && (!one.when || one.when(event)));
}

/** Whether keys go into a field there: letters mean themselves, arrows move in it. */
export function isTyping(target) {
  if (!target?.matches) return false;
  if (target.isContentEditable || target.matches("textarea, select")) return true;
  return target.matches("input:not([type=checkbox], [type=radio], [type=button], [type=color], [type=file], [type=range])");
}

/** Whether a key event is the combination, with exactly its modifiers. */
export function matches(keys, event) {
  const parts = keys === "+" ? ["+"] : keys.split("+");
  const key = parts.pop();
  const wants = (name) => parts.includes(name);
  const mod = APPLE ? event.metaKey : event.ctrlKey;
  const other = APPLE ? event.ctrlKey : event.metaKey;
  if (mod !== wants("Mod") || other || event.altKey !== wants("Alt")) return false;
  const placed = /^(Digit\d|Bracket\w+)$/.test(key);
  const symbol = key.length === 1 && !/[a-z0-9 ]/i.test(key);
  // "?" and "+" need shift on some keyboards and not on others.
  if (!symbol && event.shiftKey !== wants("Shift")) return false;
  if (placed) return event.code === key;
  // With Alt, a Mac's keyboard types other characters: the key itself counts.
  if (event.altKey && /^[A-Z]$/i.test(key)) return event.code === `Key${key.toUpperCase()}`;
  return key === "Plus" ? event.key === "+" : event.key.toLowerCase() === key.toLowerCase();
}

/** A combination as people write it: "Ctrl+Shift+Z", or "⇧⌘Z" on a Mac. */
export function shown(keys) {
  const parts = keys === "+" ? ["+"] : keys.split("+");
  const names = parts.map((part) => {
    const digit = part.match(/^Digit(\d)$/);
    if (digit) return digit[1];
    if (APPLE && part in APPLE_NAMES) return APPLE_NAMES[part];
    if (part === "Mod") return "Ctrl";
    return NAMES[part] || (part.length === 1 ? part.toUpperCase() : part);
  });
  return names.join(APPLE ? "" : "+");
}
