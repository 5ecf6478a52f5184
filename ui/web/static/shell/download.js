// Saving a file of a job: the browser takes it as it is.

import { el } from "../dom.js";
import { served } from "./served.js";

export function download(file) {
  const link = el("a", { href: served(file.url), download: file.name, hidden: true });
  document.getElementById("studio").append(link);
  link.click();
  link.remove();
}
