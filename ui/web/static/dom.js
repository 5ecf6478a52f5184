// Elements without a framework. Text always goes in as text: a layer may be called <script>.

/**
 * An element. `attributes` starting with "on" are listeners, `dataset` and `style` are objects,
 * false and null leave an attribute out, true sets it empty. Children are nodes, texts or null.
 */
export function el(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = document.createElement(name || "div");
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) setAttribute(node, key, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function setAttribute(node, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
  else if (key === "dataset" || key === "style") Object.assign(node[key], value);
  else if (key === "class") node.classList.add(...value.split(" ").filter(Boolean));
  else if (key in PROPERTIES) node[key] = value;
  else node.setAttribute(key, value === true ? "" : value);
}

// What has to be set as a property: the attribute is only the first value.
const PROPERTIES = { value: 1, checked: 1, disabled: 1, indeterminate: 1, selected: 1 };

/** Put `children` in the place of all that `node` holds. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const ICONS = new Map();

/** One of the icons of icons.svg (24 x 24, drawn with the text's colour); decoration for readers. */
export function icon(name, size = 18) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "ls-icon");
  svg.setAttribute("width", size);
  svg.setAttribute("height", size);
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = ICONS.get(name);
  if (!path) throw new Error(`There is no icon ${name}.`);
  for (const d of path) {
    const part = document.createElementNS("http://www.w3.org/2000/svg", "path");
    part.setAttribute("d", d);
    svg.append(part);
  }
  return svg;
}

/** Icons are path data by name: `{ eye: ["M...", ...] }`, strokes of 1.75 in a box of 24. */
export function defineIcons(paths) {
  for (const [name, d] of Object.entries(paths)) ICONS.set(name, [d].flat());
}

/** A button with an icon and a name for readers, which is its tooltip too. */
export function iconButton(name, label, onclick, attributes = {}) {
  return el("button.ls-icon-button", { type: "button", title: label, "aria-label": label, onclick, ...attributes }, icon(name));
}

/** Call `work` at most once a frame, with the newest arguments. */
export function framed(work) {
  let waiting = null;
  return (...given) => {
    const first = waiting === null;
    waiting = given;
    if (first)
      requestAnimationFrame(() => {
        const newest = waiting;
        waiting = null;
        work(...newest);
      });
  };
}

let counter = 0;

/** An id that no other element of the page has. */
export function uniqueId(prefix = "ls") {
  counter += 1;
  return `${prefix}-${counter}`;
}
