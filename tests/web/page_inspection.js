// What is wrong with the page as it stands: a list of sentences. `keys` are those of its texts.
(keys) => {
  const shown = (one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !one.closest("[inert]");
  const ownTexts = (one) => [...one.childNodes].filter((part) => part.nodeType === 3 && part.data.trim()).map((part) => part.data.trim());
  const all = [...document.querySelectorAll("#studio *")].filter(shown);
  const found = [];

  const controls = "button, input:not([type=hidden]), select, textarea, [role=slider], [role=treeitem], [tabindex='0']";
  for (const one of all.filter((one) => one.matches(controls))) {
    const name = one.getAttribute("aria-label") || one.getAttribute("aria-labelledby") || one.labels?.length || one.textContent.trim() || one.title;
    if (!name) found.push(`has no name: ${one.outerHTML.slice(0, 120)}`);
  }

  const known = new Set(keys);
  for (const one of all) {
    for (const text of [...ownTexts(one), one.getAttribute("aria-label"), one.title]) if (known.has(text)) found.push(`is a key: ${text}`);
  }

  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (css) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = css;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => top.slice(0, 3).map((value, i) => value * top[3] + below[i] * (1 - top[3]));
  // WCAG 2.2: relative luminance and contrast ratio.
  const light = (rgb) => {
    const [r, g, b] = rgb.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const backdrop = (one) => {
    const layers = [];
    for (let at = one; at; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reduceRight((below, top) => over(top, below), [255, 255, 255]);
  };
  // 1.4.3: 4.5 to 1, and 3 to 1 for large text; what is disabled is exempt. The board's own texts lie
  // on pictures, and hidden layers are faint on purpose, beside the eye that says so.
  const exempt = ":disabled, [aria-disabled=true], label:has(:disabled), .ls-board, .ls-layer.is-hidden";
  for (const one of all.filter((one) => ownTexts(one).length && !one.closest(exempt))) {
    const style = getComputedStyle(one);
    const below = backdrop(one);
    const [more, less] = [light(over(rgba(style.color), below)), light(below)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const ratio = (more + 0.05) / (less + 0.05);
    if (ratio < needed - 0.01) found.push(`has a contrast of ${ratio.toFixed(2)}: ${ownTexts(one)[0].slice(0, 60)}`);
  }

  const beyond = document.documentElement.scrollWidth - innerWidth;
  if (beyond > 0) found.push(`is ${beyond} pixels too wide`);
  return [...new Set(found)];
};
