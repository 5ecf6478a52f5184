// Between the values of the form and a generate request.

import { STEERING, takes } from "./modes.js";

/** The form before anything was entered. */
export const EMPTY = {
  method: null, mode: null, prompt: "", negative_prompt: "", foregrounds: [], background: "", size: "auto", width: 1024, height: 1024,
  layers: "auto", seed: null, steps: null, guidance: null, true_guidance: null, strength: null, ending_step: null, scheduler: "",
  variant: "", base: "", planner: "", augment: 8, loras: [], controlnet: "", ip_adapter: "", pictures: {}, settings: {}, unfolded: false,
};
const PLAIN = ["prompt", "negative_prompt", "background", "seed", "steps", "guidance", "true_guidance", "strength", "ending_step", "scheduler", "variant", "base", "planner", "layers"];

/** Only what the method takes in this mode, and only what was given. */
export function requestOf(memory, method, mode, boxes) {
  const { fields } = takes(method, mode);
  const request = { task: "generate", method: method.id };
  const give = (name, value) => {
    if (fields.has(name) && value !== null && value !== undefined && value !== "" && value.length !== 0) request[name] = value;
  };
  if (mode) request.mode = mode;
  for (const name of PLAIN) give(name, trimmed(memory.get(name)));
  give("foregrounds", memory.get("foregrounds").map(trimmed).filter(Boolean));
  give("extent", extentOf(memory));
  give("boxes", boxes.map((box) => box.map(Math.round)));
  give("loras", memory.get("loras").map(trimmed).filter(Boolean).map((source) => ({ source })));
  for (const name of Object.values(STEERING)) if (trimmed(memory.get(name))) give(name, { source: trimmed(memory.get(name)) });
  if (memory.get("augment") !== EMPTY.augment) give("augment", memory.get("augment"));
  const settings = memory.get("settings")[method.id] || {};
  if (Object.keys(settings).length) request.settings = settings;
  return request;
}

/** What the form remembers, from the request of a recipe. */
export function valuesOf(request, settings) {
  const texts = Object.fromEntries(PLAIN.map((name) => [name, request[name] ?? EMPTY[name]]));
  const [width, height] = request.extent || [EMPTY.width, EMPTY.height];
  return {
    ...texts,
    method: request.method ?? null,
    mode: request.mode ?? null,
    foregrounds: request.foregrounds || [],
    size: request.extent ? "own" : "auto",
    width,
    height,
    augment: request.augment ?? EMPTY.augment,
    loras: (request.loras || []).map((one) => one.source),
    controlnet: request.controlnet?.source || "",
    ip_adapter: request.ip_adapter?.source || "",
    settings: { ...settings, [request.method]: request.settings || {} },
  };
}

function extentOf(memory) {
  const size = memory.get("size");
  if (size === "auto") return null;
  if (size !== "own") return size.split("x").map(Number);
  const [width, height] = [memory.get("width"), memory.get("height")];
  return width && height ? [width, height] : null;
}

function trimmed(value) {
  return typeof value === "string" ? value.trim() : value;
}
