// Which layer is under the pointer, asked when the pointer rests.

import { post } from "../wire.js";

const REST_MS = 60;

export function mountHover(studio, stage) {
  let path = null;
  let timer = null;
  let asked = 0; // only the newest answer counts

  function show(found) {
    if (found === path) return;
    path = found;
    stage.repaint();
  }

  async function ask(point) {
    const document = studio.store.get("document");
    const [x, y] = [Math.floor(point.x), Math.floor(point.y)];
    if (!stage.showsDocument || x < 0 || y < 0 || x >= document.width || y >= document.height) return show(null);
    asked += 1;
    const mine = asked;
    try {
      const answer = await post("pick", { revision: document.revision, x, y, again: false });
      if (mine === asked) show(answer.path);
    } catch {
      show(null); // a pick of a revision that is gone: the next move asks again
    }
  }

  return {
    path: () => path,
    at(point) {
      clearTimeout(timer);
      timer = setTimeout(() => ask(point), REST_MS);
    },
    clear() {
      clearTimeout(timer);
      asked += 1;
      show(null);
    },
  };
}
