// Values that change faster than the server answers.

/**
 * A function that sends the newest value: while one is on its way, later ones wait, and only the last
 * of them is sent. `send(value)` returns a promise; so does the function, of when all is sent.
 */
export function steady(send) {
  let waiting = null;
  let going = null;
  async function drain() {
    while (waiting) {
      const { value } = waiting;
      waiting = null;
      await send(value);
    }
    going = null;
  }
  return (value) => {
    waiting = { value };
    going ||= drain();
    return going;
  };
}

const PAUSE_MS = 1200;
const page = Math.random().toString(36).slice(2, 8); // edits of two tabs do not merge

/** Merge keys: the same while changes follow each other, another after a pause. */
export function mergeKeys(prefix) {
  let count = 0;
  let last = 0;
  return () => {
    const now = performance.now();
    if (now - last > PAUSE_MS) count += 1;
    last = now;
    return `${prefix}-${page}-${count}`;
  };
}
