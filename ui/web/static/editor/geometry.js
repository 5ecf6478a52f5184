// Rectangles [x, y, w, h] and affine matrices [a, b, c, d, e, f]: x' = a x + c y + e, y' = b x + d y + f.

export const IDENTITY = [1, 0, 0, 1, 0, 0];

/** `first` applied after `second`. */
export function multiply(first, second) {
  const [a, b, c, d, e, f] = first;
  const [g, h, i, j, k, l] = second;
  return [a * g + c * h, b * g + d * h, a * i + c * j, b * i + d * j, a * k + c * l + e, b * k + d * l + f];
}

export function apply([a, b, c, d, e, f], { x, y }) {
  return { x: a * x + c * y + e, y: b * x + d * y + f };
}

export function translation(dx, dy) {
  return [1, 0, 0, 1, dx, dy];
}

/** Scaling about a point that stays where it is. */
export function scaling(sx, sy, about) {
  return [sx, 0, 0, sy, about.x * (1 - sx), about.y * (1 - sy)];
}

/** Turning clockwise (as seen, y grows downwards) about a point. */
export function rotation(degrees, about) {
  const angle = (degrees * Math.PI) / 180;
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  return [cos, sin, -sin, cos, about.x - cos * about.x + sin * about.y, about.y - sin * about.x - cos * about.y];
}

export function isIdentity(matrix) {
  return matrix.every((value, index) => Math.abs(value - IDENTITY[index]) < 1e-6);
}

export function isEmpty(rect) {
  return !rect || rect[2] <= 0 || rect[3] <= 0;
}

export function union(one, other) {
  if (isEmpty(one)) return isEmpty(other) ? null : other;
  if (isEmpty(other)) return one;
  const x = Math.min(one[0], other[0]);
  const y = Math.min(one[1], other[1]);
  return [x, y, Math.max(one[0] + one[2], other[0] + other[2]) - x, Math.max(one[1] + one[3], other[1] + other[3]) - y];
}

export function intersection(one, other) {
  if (isEmpty(one) || isEmpty(other)) return null;
  const x = Math.max(one[0], other[0]);
  const y = Math.max(one[1], other[1]);
  const rect = [x, y, Math.min(one[0] + one[2], other[0] + other[2]) - x, Math.min(one[1] + one[3], other[1] + other[3]) - y];
  return isEmpty(rect) ? null : rect;
}

export function contains(outer, inner) {
  const shared = intersection(outer, inner);
  return shared !== null && shared[2] === inner[2] && shared[3] === inner[3];
}

export function holds([x, y, w, h], point) {
  return point.x >= x && point.y >= y && point.x < x + w && point.y < y + h;
}

export function grown([x, y, w, h], by) {
  return [x - by, y - by, w + 2 * by, h + 2 * by];
}

/** Outwards to multiples of `step`. */
export function aligned([x, y, w, h], step) {
  const left = Math.floor(x / step) * step;
  const top = Math.floor(y / step) * step;
  return [left, top, Math.ceil((x + w) / step) * step - left, Math.ceil((y + h) / step) * step - top];
}

export function centre([x, y, w, h]) {
  return { x: x + w / 2, y: y + h / 2 };
}

/** Clockwise from the top left. */
export function corners([x, y, w, h]) {
  return [{ x, y }, { x: x + w, y }, { x: x + w, y: y + h }, { x, y: y + h }];
}

/** A rectangle spanned by two points. */
export function spanned(one, other) {
  return [Math.min(one.x, other.x), Math.min(one.y, other.y), Math.abs(one.x - other.x), Math.abs(one.y - other.y)];
}

export function distance(one, other) {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

export function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
