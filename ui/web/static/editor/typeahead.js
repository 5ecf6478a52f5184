// Typing the beginning of a name goes to it.

const PAUSE_MS = 700;

export class TypeAhead {
  #text = "";
  #last = -PAUSE_MS;

  /** Whether a name is being typed. */
  get going() {
    return this.#text !== "" && performance.now() - this.#last <= PAUSE_MS;
  }

  /**
   * The index of the next name that begins with what was typed, searched from `at` on and around; the
   * same letter again goes to the next one. Null if there is none.
   */
  find(key, names, at) {
    const now = performance.now();
    const fresh = now - this.#last > PAUSE_MS;
    if (fresh && key === " ") return null;
    this.#last = now;
    const repeated = !fresh && this.#text === key.toLowerCase();
    this.#text = fresh || repeated ? key.toLowerCase() : this.#text + key.toLowerCase();
    const first = fresh || repeated ? 1 : 0;
    for (let step = first; step < names.length + first; step += 1) {
      const index = (at + step) % names.length;
      if (names[index].toLowerCase().startsWith(this.#text)) return index;
    }
    return null;
  }
}
