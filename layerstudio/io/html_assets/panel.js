/* The panel: a row for each layer and group, topmost first. */

const make = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
const icon = (paths) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  for (const [d, name] of paths) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    if (name) path.setAttribute("class", name);
    svg.append(path);
  }
  return svg;
};
const EYE = [
  ["M1.8 10S4.8 4.8 10 4.8 18.2 10 18.2 10 15.2 15.2 10 15.2 1.8 10 1.8 10z"],
  ["M12.4 10a2.4 2.4 0 1 1-4.8 0 2.4 2.4 0 0 1 4.8 0z", "pupil"],
  ["M4 16 16 4", "slash"],
];
const SAVE = [["M10 3.5v8.5M6.3 8.6 10 12.2l3.7-3.6M4 16.2h12"]];
const FOLD = [["M7.5 5 12.5 10 7.5 15"]];
const percent = (value) => `${Math.round(value * 100)} %`;
const fileName = (name) => (name.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, "_").trim().slice(0, 80) || "layer") + ".png";

function summary(node) {
  if (node.children) return node.children.length === 1 ? "Group of 1" : `Group of ${node.children.length}`;
  const parts = [node.role];
  if (node.blend !== "normal") parts.push(node.blend.replace(/-/g, " "));
  if (node.opacity < 1) parts.push(percent(node.opacity));
  if (!node.text && node.image) parts.push(`${node.w} × ${node.h}`);
  if (node.text) parts.push(`“${node.text.replace(/\s+/g, " ").trim()}”`);
  return parts.join(" · ");
}

function drawThumb(canvas, node) {
  const box = { w: 44, h: 36 };
  const ratio = Math.min(2, devicePixelRatio || 1);
  canvas.width = box.w * ratio;
  canvas.height = box.h * ratio;
  const members = node.children ? layers.filter((layer) => within(layer, node.id)) : [node];
  const filled = members.filter((layer) => layer.image);
  if (!filled.length) return;
  const left = Math.min(...filled.map((m) => m.x)), top = Math.min(...filled.map((m) => m.y));
  const width = Math.max(...filled.map((m) => m.x + m.w)) - left;
  const height = Math.max(...filled.map((m) => m.y + m.h)) - top;
  const scale = Math.min((box.w - 4) / width, (box.h - 4) / height) * ratio;
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.translate((canvas.width - width * scale) / 2, (canvas.height - height * scale) / 2);
  for (const m of filled) {
    pen.drawImage(m.image, (m.x - left) * scale, (m.y - top) * scale, Math.max(1, m.w * scale), Math.max(1, m.h * scale));
  }
  const tone = toneOf(pen.getImageData(0, 0, canvas.width, canvas.height).data);
  canvas.classList.toggle("on-dark", tone > 0.6);
  canvas.classList.toggle("on-light", tone < 0.4);
}

/** Mean lightness, 0 to 1, weighted by alpha: light layers get a dark ground and dark ones a light one. */
function toneOf(rgba) {
  let light = 0, weight = 0;
  for (let i = 0; i < rgba.length; i += 4) {
    light += (0.3 * rgba[i] + 0.59 * rgba[i + 1] + 0.11 * rgba[i + 2]) * rgba[i + 3];
    weight += rgba[i + 3];
  }
  return weight ? light / weight / 255 : 0.5;
}

function detailsOf(node) {
  const list = make("dl", { class: "details", hidden: "" });
  const add = (term, value) => list.append(make("dt", {}, term), make("dd", {}, value));
  const slider = make("input", { type: "range", min: 0, max: 100, value: Math.round(node.opacity * 100), "aria-label": `Opacity of ${node.name}` });
  const shown = make("output", {}, percent(node.opacity));
  slider.addEventListener("input", () => {
    node.opacity = slider.value / 100;
    shown.textContent = percent(node.opacity);
    rows.get(node.id).meta.textContent = summary(node);
    showLayers();
  });
  add("Opacity", make("label", {}, slider, shown));
  if (node.image) add("Place", `${node.x}, ${node.y}`);
  if (node.image) add("Size", `${node.w} × ${node.h}`);
  if (node.blend !== "normal") add("Blend", node.blend.replace(/-/g, " "));
  if (node.text) add("Text", node.text);
  return list;
}

function saveLink(node) {
  const link = make("a", { class: "icon", href: node.image.src, download: fileName(node.name), title: "Save as PNG", "aria-label": `Save ${node.name} as PNG` });
  link.append(icon(SAVE));
  return link;
}

function rowOf(node) {
  const meta = make("span", {}, summary(node));
  const thumb = make("canvas", { class: "thumb", "aria-hidden": "true" });
  const pick = make("button", { type: "button", class: "pick", title: node.name }, thumb,
    make("span", { class: "names" }, make("b", {}, node.name), meta));
  const eye = make("button", { type: "button", class: "icon eye", title: "Show or hide", "aria-label": `Show ${node.name}` });
  eye.append(icon(EYE));
  const box = make("div", { class: "row" }, pick, eye);
  const row = { box, pick, eye, meta, thumb };
  const item = make("li", {}, box);
  if (node.children) {
    const list = make("ul", { "aria-label": `In ${node.name}` });
    node.children.slice().reverse().forEach((child) => list.append(rowOf(child)));
    const fold = make("button", { type: "button", class: "icon fold", "aria-expanded": "true", "aria-label": `Unfold ${node.name}` });
    fold.append(icon(FOLD));
    fold.addEventListener("click", () => {
      list.hidden = !list.hidden;
      fold.setAttribute("aria-expanded", String(!list.hidden));
    });
    box.insertBefore(fold, pick);
    item.append(list);
  } else {
    if (node.image) box.insertBefore(saveLink(node), eye);
    row.details = detailsOf(node);
    item.append(row.details);
  }
  pick.addEventListener("click", () => solo(node.id));
  eye.addEventListener("click", () => toggle(node));
  box.addEventListener("pointerenter", () => alone === null && mark(node.id));
  box.addEventListener("pointerleave", () => mark(null));
  pick.addEventListener("focus", () => alone === null && pick.matches(":focus-visible") && mark(node.id));
  pick.addEventListener("blur", () => mark(null));
  rows.set(node.id, row);
  return item;
}

const list = byId("layers");
tree.children.slice().reverse().forEach((node) => list.append(rowOf(node)));
list.addEventListener("keydown", (event) => {
  const picks = [...list.querySelectorAll(".pick")].filter((pick) => pick.offsetParent);
  const at = picks.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && at >= 0) {
    event.preventDefault();
    picks[Math.max(0, Math.min(picks.length - 1, at + step))].focus();
  } else if (event.key === " " && at >= 0) {
    event.preventDefault();
    toggle([...rows].map(([id, row]) => row.pick === picks[at] && nodes.get(id)).find(Boolean));
  }
});

// Firefox presses a button when Space goes up, whatever happened when it went down.
list.addEventListener("keyup", (event) => event.key === " " && event.target.matches(".pick") && event.preventDefault());
