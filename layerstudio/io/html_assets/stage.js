/* The stage: where the picture is seen from, and the pointers and keys that change it. */

const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const TILT = { yaw: -62, pitch: -24 }; // degrees at full spread, before any drag
const BACKDROPS = ["checks", "white", "grey", "black"];

const view = { zoom: 1, x: 0, y: 0, spread: 0, yaw: 0, pitch: 0, fitted: true };
const tilt = () => ({ yaw: view.spread * TILT.yaw + view.yaw, pitch: view.spread * TILT.pitch + view.pitch });
const depth = () => {
  const side = Math.max(tree.width, tree.height);
  return view.spread * Math.min(2.4 * side, 0.4 * side * Math.max(1, layers.length - 1));
};

/** The zoom at which the turned stack, seen without perspective, fills the stage. */
function fittingZoom() {
  const { yaw, pitch } = tilt();
  const [sy, cy] = [Math.abs(Math.sin(yaw * Math.PI / 180)), Math.abs(Math.cos(yaw * Math.PI / 180))];
  const [sp, cp] = [Math.abs(Math.sin(pitch * Math.PI / 180)), Math.abs(Math.cos(pitch * Math.PI / 180))];
  const wide = tree.width * cy + depth() * sy;
  const high = tree.height * cp + (tree.width * sy + depth() * cy) * sp;
  const room = { w: stage.clientWidth - 48, h: stage.clientHeight - byId("tools").offsetHeight - 64 };
  const zoom = Math.min(room.w / wide, room.h / high) * (view.spread > 0 ? 0.88 : 1);
  return Math.max(0.01, Math.min(view.spread > 0 ? 16 : Math.max(1, Math.floor(zoom)), zoom));
}

function place() {
  const apart = view.spread > 0;
  if (view.fitted) Object.assign(view, { zoom: fittingZoom(), x: 0, y: -byId("tools").offsetHeight / 2 });
  const { yaw, pitch } = apart ? tilt() : { yaw: 0, pitch: 0 };
  stage.classList.toggle("apart", apart);
  stage.classList.toggle("close", view.zoom >= 3);
  stage.style.setProperty("--zoom", view.zoom);
  stage.style.perspective = apart ? `${2.6 * Math.max(stage.clientWidth, stage.clientHeight)}px` : "none";
  scene.style.transform = `translate(${view.x}px, ${view.y}px) scale3d(${view.zoom}, ${view.zoom}, ${view.zoom})`
    + (apart ? ` rotateX(${pitch}deg) rotateY(${yaw}deg)` : "");
  const step = layers.length > 1 ? depth() / (layers.length - 1) : 0;
  layers.forEach((layer, index) => {
    const z = index * step - depth() / 2;
    layer.plane.style.transform = apart ? `translateZ(${z}px)` : "";
  });
  scene.querySelector(".paper").style.transform = apart ? `translateZ(${-depth() / 2 - 1}px)` : "";
  byId("zoom").textContent = percent(view.zoom);
  byId("spread").value = Math.round(view.spread * 100);
  byId("pull").setAttribute("aria-pressed", String(apart));
}

function zoomBy(factor, at) {
  const box = stage.getBoundingClientRect();
  const point = at || { x: box.left + box.width / 2, y: box.top + box.height / 2 };
  const dx = point.x - box.left - box.width / 2 - view.x, dy = point.y - box.top - box.height / 2 - view.y;
  const zoom = Math.max(0.02, Math.min(32, view.zoom * factor));
  const real = zoom / view.zoom;
  Object.assign(view, { zoom, fitted: false, x: view.x + dx * (1 - real), y: view.y + dy * (1 - real) });
  place();
}

function fit() {
  Object.assign(view, { fitted: true, yaw: 0, pitch: 0 });
  place();
}

function spreadTo(goal) {
  const from = view.spread, start = performance.now(), span = still ? 1 : 550;
  const frame = (now) => {
    const t = Math.min(1, (now - start) / span);
    view.spread = from + (goal - from) * (1 - (1 - t) ** 3);
    if (t >= 1) view.spread = goal;
    place();
    if (t < 1) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}
const pull = () => spreadTo(view.spread > 0 ? 0 : 0.7);

function nextBackdrop() {
  const now = BACKDROPS.indexOf(stage.dataset.backdrop || "checks");
  stage.dataset.backdrop = BACKDROPS[(now + 1) % BACKDROPS.length];
  byId("spoken").textContent = `Backdrop: ${stage.dataset.backdrop}`;
}

byId("pull").addEventListener("click", pull);
byId("spread").addEventListener("input", (event) => {
  view.spread = event.target.value / 100;
  place();
});
byId("zoom-in").addEventListener("click", () => zoomBy(1.25));
byId("zoom-out").addEventListener("click", () => zoomBy(0.8));
byId("zoom-fit").addEventListener("click", fit);
byId("backdrop").addEventListener("click", nextBackdrop);
byId("show-all").addEventListener("click", () => alone !== null && solo(alone));
new ResizeObserver(() => view.fitted && place()).observe(stage);

/* ---- pointers: drag moves the flat picture and turns the spread one, two fingers zoom ---- */
const alphas = new Map();
function alphaAt(layer, x, y) {
  if (!layer.image || x < layer.x || y < layer.y || x >= layer.x + layer.w || y >= layer.y + layer.h) return 0;
  if (!alphas.has(layer.id)) {
    const scale = Math.min(1, 512 / Math.max(layer.w, layer.h));
    const canvas = make("canvas", { width: Math.max(1, Math.round(layer.w * scale)), height: Math.max(1, Math.round(layer.h * scale)) });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(layer.image, 0, 0, canvas.width, canvas.height);
    alphas.set(layer.id, { pen, scale });
  }
  const { pen, scale } = alphas.get(layer.id);
  return pen.getImageData(Math.floor((x - layer.x) * scale), Math.floor((y - layer.y) * scale), 1, 1).data[3];
}
function layerUnder(event) {
  const box = stage.getBoundingClientRect();
  const x = (event.clientX - box.left - box.width / 2 - view.x) / view.zoom + tree.width / 2;
  const y = (event.clientY - box.top - box.height / 2 - view.y) / view.zoom + tree.height / 2;
  return layers.slice().reverse().find((layer) => isOn(layer) && alphaAt(layer, x, y) > 25);
}

const fingers = new Map();
let travelled = 0;
const onTool = (event) => event.target.closest(".tools, .words text");
stage.addEventListener("pointerdown", (event) => {
  if (onTool(event)) return;
  fingers.set(event.pointerId, event);
  travelled = 0;
  stage.setPointerCapture(event.pointerId);
  stage.classList.add("dragging");
});
stage.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
  travelled += Math.abs(dx) + Math.abs(dy);
  fingers.set(event.pointerId, event);
  if (fingers.size === 2) return pinch(event, before);
  if (view.spread > 0 && !event.shiftKey) {
    view.yaw += dx * 0.35;
    view.pitch = Math.max(-85, Math.min(85, view.pitch - dy * 0.35));
  } else Object.assign(view, { fitted: false, x: view.x + dx, y: view.y + dy });
  place();
});
function pinch(event, before) {
  const other = [...fingers.values()].find((finger) => finger.pointerId !== event.pointerId);
  const reach = (finger) => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY) || 1;
  zoomBy(reach(event) / reach(before), { x: (event.clientX + other.clientX) / 2, y: (event.clientY + other.clientY) / 2 });
}
const release = (event) => {
  if (!fingers.delete(event.pointerId)) return;
  stage.classList.toggle("dragging", fingers.size > 0);
  if (event.type !== "pointerup" || travelled > 5 || view.spread > 0) return;
  if (alone !== null) return solo(alone);
  const hit = layerUnder(event);
  if (hit) solo(hit.id);
};
stage.addEventListener("pointerup", release);
stage.addEventListener("pointercancel", release);
stage.addEventListener("dblclick", (event) => onTool(event) || fit());
stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), { x: event.clientX, y: event.clientY });
}, { passive: false });

/* ---- keys ---- */
const KEYS = {
  "+": () => zoomBy(1.25), "=": () => zoomBy(1.25), "-": () => zoomBy(0.8), 0: fit,
  p: pull, b: nextBackdrop, Escape: () => alone !== null && solo(alone),
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("recipe-dialog").open) return;
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  const arrow = event.target === stage && ARROWS[event.key];
  if (action) action();
  else if (arrow) {
    event.preventDefault();
    if (view.spread > 0) Object.assign(view, { yaw: view.yaw + arrow[0] * 5, pitch: view.pitch - arrow[1] * 5 });
    else Object.assign(view, { fitted: false, x: view.x - arrow[0] * 40, y: view.y - arrow[1] * 40 });
    place();
  }
});
