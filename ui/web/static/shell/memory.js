// Values of forms that survive a reload of this tab.

const PREFIX = "layerstudio.form.";

export class Memory {
  #key;
  #values;

  /** `initial` is what is not remembered yet. */
  constructor(name, initial) {
    this.#key = PREFIX + name;
    this.#values = { ...initial, ...read(this.#key) };
  }

  get(name) {
    return this.#values[name];
  }

  set(name, value) {
    this.#values[name] = value;
    sessionStorage.setItem(this.#key, JSON.stringify(this.#values));
  }

  setAll(values) {
    for (const [name, value] of Object.entries(values)) this.set(name, value);
  }
}

function read(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key)) || {};
  } catch {
    return {}; // written by another version of the page
  }
}
