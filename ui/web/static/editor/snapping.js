// Edges and centres that attract what is moved.

const REACH = 6; // CSS pixels

/** Lines of the canvas and of rectangles: { x: [...], y: [...] } in canvas pixels. */
export function linesOf(extent, rects) {
  const lines = { x: [0, extent.width / 2, extent.width], y: [0, extent.height / 2, extent.height] };
  for (const [x, y, w, h] of rects) {
    lines.x.push(x, x + w / 2, x + w);
    lines.y.push(y, y + h / 2, y + h);
  }
  return lines;
}

/** The correction that brings one of the positions onto a line, or null; [by, line]. */
function nearest(positions, lines, reach) {
  let best = null;
  for (const position of positions) {
    for (const line of lines) {
      const by = line - position;
      if (Math.abs(by) <= reach && (!best || Math.abs(by) < Math.abs(best[0]))) best = [by, line];
    }
  }
  return best;
}

/** How a rectangle at (x, y) has to move to snap: { dx, dy, guides: { x: line|null, y: line|null } }. */
export function snapRect([x, y, w, h], lines, zoom) {
  const reach = REACH / zoom;
  const across = nearest([x, x + w / 2, x + w], lines.x, reach);
  const down = nearest([y, y + h / 2, y + h], lines.y, reach);
  return { dx: across?.[0] || 0, dy: down?.[0] || 0, guides: { x: across?.[1] ?? null, y: down?.[1] ?? null } };
}

/** The same for a point, of which only the wanted directions count. */
export function snapPoint({ x, y }, lines, zoom, { horizontally = true, vertically = true } = {}) {
  const reach = REACH / zoom;
  const across = horizontally ? nearest([x], lines.x, reach) : null;
  const down = vertically ? nearest([y], lines.y, reach) : null;
  return { dx: across?.[0] || 0, dy: down?.[0] || 0, guides: { x: across?.[1] ?? null, y: down?.[1] ?? null } };
}
