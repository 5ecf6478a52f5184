/* The recipe dialog, and what the page shows first. */

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
