"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const tree = JSON.parse(byId("tree-data").textContent);
  const stage = byId("stage");
  const scene = byId("scene");
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const TILT = { yaw: -62, pitch: -24 }; // degrees at full spread, before any drag
  const BACKDROPS = ["checks", "white", "grey", "black"];

  const view = { zoom: 1, x: 0, y: 0, spread: 0, yaw: 0, pitch: 0, fitted: true };
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

  /* ---- the panel, topmost layer first ---- */
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
    if (node.text) parts.push(`“${node.text.replace(/\s+/g, " ").trim()}”`);
    if (node.blend !== "normal") parts.push(node.blend.replace(/-/g, " "));
    if (node.opacity < 1) parts.push(percent(node.opacity));
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

  /* ---- the view ---- */
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

  /* ---- the recipe ---- */
  const recipe = JSON.stringify(JSON.parse(byId("recipe-data").textContent), null, 2);
  const dialog = byId("recipe-dialog");
  byId("open-recipe").addEventListener("click", () => {
    byId("recipe-text").textContent = recipe;
    dialog.showModal();
  });
  byId("close-recipe").addEventListener("click", () => dialog.close());
  byId("copy-recipe").addEventListener("click", () => {
    getSelection().selectAllChildren(byId("recipe-text"));
    document.execCommand("copy");
    byId("spoken").textContent = "Recipe copied";
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

  /* ---- start; the address may ask for a view: #embed, #spread=70, #layer=3, #backdrop=black ---- */
  const wish = new URLSearchParams(location.hash.slice(1));
  if (wish.has("embed")) document.documentElement.classList.add("embed");
  if (BACKDROPS.includes(wish.get("backdrop"))) stage.dataset.backdrop = wish.get("backdrop");
  if (wish.has("spread")) view.spread = Math.max(0, Math.min(1, Number(wish.get("spread")) / 100 || 0));
  if (nodes.has(wish.get("layer"))) alone = wish.get("layer");
  showLayers();
  place();
  Promise.all(layers.filter((layer) => layer.image).map((layer) => layer.image.decode().catch(() => {})))
    .then(() => rows.forEach((row, id) => drawThumb(row.thumb, nodes.get(id))));
})();
