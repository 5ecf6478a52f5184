// What the modes of generators take: texts of single layers, a background, pictures by role.

const MODES = {
  "fg": { foregrounds: true, boxes: true },
  "fg+bg": { foregrounds: true, boxes: true, background: true },
  "bg+fg": { foregrounds: true, background: true, roles: ["background"] },
  "fg2bg": { background: true, needs: ["foreground"], roles: ["blended"] },
  "bg2fg": { foregrounds: true, needs: ["background"], roles: ["blended"] },
  "img2img": { foregrounds: true, needs: ["image"], strength: true },
  "joint": { foregrounds: true, background: true },
  "layers": { foregrounds: true, background: true, boxes: true, roles: ["image"], strength: true },
  "design": { foregrounds: true, background: true, boxes: true },
  "picture": { foregrounds: true, boxes: true, needs: ["image"] },
  "plate": { background: true, needs: ["background"] },
  "foreground": { foregrounds: true, boxes: true, roles: ["image"], strength: true },
};
const ALL = { foregrounds: true, background: true, boxes: true, strength: true };

/**
 * { fields: Set of request fields, roles, needs } of a method in one of its modes. `needs` are
 * roles that must be given, `roles` all that may be.
 */
export function takes(method, mode) {
  const facts = MODES[mode] || ALL;
  const has = new Set(method.inputs);
  for (const name of ["foregrounds", "background", "boxes", "strength"]) if (!facts[name]) has.delete(name);
  const needs = has.has("inputs") ? facts.needs || [] : [];
  const roles = has.has("inputs") ? [...needs, ...(facts.roles || [])] : [];
  return { fields: has, roles, needs };
}

/** Roles of pictures that steer, each with the field that names its network. */
export const STEERING = { control: "controlnet", style: "ip_adapter" };
