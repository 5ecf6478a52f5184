// How a stroke of the brush looks before the server has drawn it.

/** An opaque stroke through [x, y, pressure] with round ends; pressure scales the radius. */
export function drawStroke(context, points, radius, colour) {
  context.fillStyle = colour;
  context.strokeStyle = colour;
  context.lineCap = "round";
  context.lineJoin = "round";
  points.forEach(([x, y, pressure], index) => {
    context.beginPath();
    if (index === 0) {
      context.arc(x, y, radius * pressure, 0, 2 * Math.PI);
      context.fill();
      return;
    }
    const [fromX, fromY, fromPressure] = points[index - 1];
    context.lineWidth = radius * (pressure + fromPressure);
    context.moveTo(fromX, fromY);
    context.lineTo(x, y);
    context.stroke();
  });
}

/**
 * A picture of a layer less a stroke. `bounds` is where the picture lies; the soft edge is a blur, so
 * that a stroke that crosses itself takes away no more than `strength`.
 */
export function erased(bitmap, bounds, points, { radius, hardness, strength }) {
  const { width, height } = bitmap;
  const scale = width / bounds[2];
  const hard = new OffscreenCanvas(width, height);
  const paint = hard.getContext("2d");
  paint.setTransform(scale, 0, 0, height / bounds[3], -bounds[0] * scale, (-bounds[1] * height) / bounds[3]);
  const soft = radius * (1 - hardness);
  drawStroke(paint, points, Math.max(0.5, radius - soft / 2), "#000");
  const result = new OffscreenCanvas(width, height);
  const context = result.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  context.globalCompositeOperation = "destination-out";
  context.globalAlpha = strength;
  if (soft * scale > 0.5) context.filter = `blur(${(soft * scale) / 2.5}px)`;
  context.drawImage(hard, 0, 0);
  return result;
}
