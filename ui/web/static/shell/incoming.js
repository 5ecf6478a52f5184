// Files that come in: chosen, dropped anywhere on the page, pasted, or a sample.

import { el, icon } from "../dom.js";
import { bytes, number, t } from "../i18n.js";
import * as wire from "../wire.js";

/** Give `studio` its `take(file)`, `takeSample(id)` and `pickFile()`; listen to drops and pastes. */
export function mountIncoming(studio) {
  studio.take = (file) => take(studio, file);
  studio.takeSample = (id) => takeSample(studio, id);
  studio.pickFile = () => pickFile((file) => studio.take(file));
  listenToDrops(studio);
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files || [])][0];
    if (!file || event.target.closest?.("dialog")) return;
    event.preventDefault();
    studio.take(file);
  });
}

/** Upload a file; the upload, or null with a notice. `studio.uploading` watchers see its progress. */
export async function upload(studio, file) {
  const most = studio.store.get("limits").max_upload_bytes;
  if (file.size > most) {
    studio.notify({ kind: "error", message: t("upload.too_large", { name: file.name, size: bytes(file.size), most: bytes(most) }), advice: t("upload.too_large.advice") });
    return null;
  }
  const control = new AbortController();
  const show = (fraction) => studio.store.set({ uploading: { name: file.name, fraction, cancel: () => control.abort() } });
  show(0);
  try {
    return await wire.upload(file, show, control.signal);
  } catch (error) {
    studio.fail(error);
    return null;
  } finally {
    studio.store.set({ uploading: null });
  }
}

/** A picture becomes the draft, a layered file is opened. */
async function take(studio, file) {
  const taken = await upload(studio, file);
  if (taken) await accept(studio, taken);
}

async function takeSample(studio, id) {
  try {
    const { upload: taken } = await wire.post("sample", { id });
    await accept(studio, taken);
    return taken;
  } catch (error) {
    studio.fail(error);
    return null;
  }
}

async function accept(studio, taken) {
  for (const message of taken.notes || []) studio.notify({ kind: "info", message });
  if (taken.kind === "document") await studio.startJob("open", { upload: taken.id });
  else showDraft(studio, taken);
}

/** Show a picture on the canvas, to be taken apart. */
export function showDraft(studio, taken) {
  studio.store.set({ draft: taken, hints: { boxes: [], points: [], excluded: [] }, compare: null, exploded: false });
  studio.showWay("decompose");
}

/** The browser's own file dialog. */
export function pickFile(chosen, accepts = "") {
  const input = el("input", { type: "file", accept: accepts, hidden: true });
  input.addEventListener("change", () => input.files[0] && chosen(input.files[0]));
  input.click();
}

/** Take a picture from the clipboard by a button, where the browser lets us. */
export async function pasteFromClipboard(studio) {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((one) => one.startsWith("image/"));
      if (!type) continue;
      const blob = await item.getType(type);
      await studio.take(new File([blob], `${t("upload.pasted")}.${type.slice(6)}`, { type }));
      return;
    }
    studio.notify({ kind: "info", message: t("upload.nothing_pasted") });
  } catch {
    // Refused, or a browser that only pastes by keyboard.
    studio.notify({ kind: "info", message: t("upload.paste_refused"), advice: t("upload.paste_refused.advice") });
  }
}

/** 1,080 × 1,350 px */
export const sizeText = ({ width, height }) => t("upload.size", { width: number(width), height: number(height) });

function listenToDrops(studio) {
  const veil = el("div.ls-drop-veil", { hidden: true, "aria-hidden": "true" },
    el("div.ls-drop-text", {}, icon("shell-upload", 32), el("strong", {}, t("upload.drop")), el("span", {}, t("upload.drop.kinds"))));
  document.getElementById("studio").append(veil);
  const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  let depth = 0; // a drag enters a child before it leaves its parent
  const end = () => {
    depth = 0;
    veil.hidden = true;
  };
  window.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    veil.hidden = false;
  });
  window.addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth -= 1;
    if (depth <= 0) end();
  });
  window.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  window.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    end();
    const { files } = event.dataTransfer;
    if (files.length > 1) studio.notify({ kind: "info", message: t("upload.first_only", { name: files[0].name }) });
    if (files.length) studio.take(files[0]);
  });
}
