/* The layers: which are shown, which is alone, which is marked. The page joins this file, panel.js,
   stage.js and start.js into one function. */

const byId = (id) => document.getElementById(id);
const tree = JSON.parse(byId("tree-data").textContent);
const stage = byId("stage");
const scene = byId("scene");

const layers = []; // bottom to top
const rows = new Map();
let alone = null; // the id of the node that is shown by itself
let marked = null;

/* ---- the tree: nodes know their parent, layers their plane ---- */
const nodes = new Map();
const adopt = (children, parent) => children.forEach((node) => {
  node.parent = parent;
  nodes.set(node.id, node);
  if (node.children) adopt(node.children, node);
  else {
    node.plane = byId("plane-" + node.id);
    node.image = node.plane.querySelector("img");
    layers.push(node);
  }
});
adopt(tree.children, null);

const within = (node, id) => {
  for (let at = node; at; at = at.parent) if (at.id === id) return true;
  return false;
};
const isOn = (node) => {
  for (let at = node; at; at = at.parent) if (!at.visible) return false;
  return true;
};

function showLayers() {
  for (const layer of layers) {
    const shown = alone === null ? isOn(layer) : within(layer, alone);
    const lit = marked === null || within(layer, marked);
    const ghost = marked !== null && lit && !shown;
    layer.plane.hidden = !(shown || ghost);
    layer.plane.style.opacity = (ghost ? 0.6 : layer.opacity) * (lit ? 1 : 0.22);
    layer.plane.classList.toggle("marked", marked !== null && lit);
  }
  for (const [id, row] of rows) {
    const node = nodes.get(id);
    row.box.classList.toggle("off", !isOn(node));
    row.box.classList.toggle("alone", alone === id);
    row.pick.setAttribute("aria-pressed", String(alone === id));
    row.eye.setAttribute("aria-pressed", String(node.visible));
    if (row.details) row.details.hidden = alone !== id;
  }
  byId("show-all").disabled = alone === null;
  byId("count").textContent = `${layers.filter(isOn).length} of ${layers.length} shown`;
}

function solo(id) {
  alone = alone === id ? null : id;
  marked = null;
  showLayers();
  const name = alone === null ? "All layers" : nodes.get(alone).name;
  byId("spoken").textContent = `${name} shown`;
  if (alone !== null) rows.get(alone).box.scrollIntoView({ block: "nearest" });
}

function mark(id) {
  if (marked === id) return;
  marked = id;
  const label = byId("label");
  label.hidden = id === null;
  if (id !== null) label.textContent = nodes.get(id).name;
  showLayers();
}

function toggle(node) {
  node.visible = !node.visible;
  showLayers();
  byId("spoken").textContent = `${node.name} ${node.visible ? "shown" : "hidden"}`;
}
