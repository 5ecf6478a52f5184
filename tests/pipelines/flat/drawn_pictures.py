"""Pictures drawn with known truth, antialiased, for the tests of the analysis."""

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from layerstudio.geometry import Bounds
from layerstudio.pipelines.flat.analysis import analyse
from layerstudio.pipelines.flat.drop_shadow import DropShadow

_GRID = 8  # samples along each side of a pixel


def covered(shape, inside):
    """Coverage (h, w) of the points that ``inside(x, y)`` accepts, 64 samples a pixel."""
    y, x = (((np.arange(side * _GRID) + 0.5) / _GRID).astype(np.float32) for side in shape)
    hits = inside(x[None, :], y[:, None])
    return cv2.resize(hits.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)


def ellipse(shape, cx, cy, rx, ry=None):
    ry = ry or rx
    return covered(shape, lambda x, y: ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1)


def rectangle(shape, box, radius=0.0):
    """A rectangle (left, top, width, height) with rounded corners."""
    left, top, width, height = box
    cx, cy = left + width / 2, top + height / 2

    def inside(x, y):
        dx = np.maximum(np.abs(x - cx) - (width / 2 - radius), 0)
        dy = np.maximum(np.abs(y - cy) - (height / 2 - radius), 0)
        beyond = np.hypot(dx, dy)
        return beyond <= radius if radius else beyond <= 0

    return covered(shape, inside)


def polygon(shape, points):
    """A polygon by its corners (x, y)."""
    fine = Image.new("1", (shape[1] * _GRID, shape[0] * _GRID))
    ImageDraw.Draw(fine).polygon([(x * _GRID, y * _GRID) for x, y in points], 1)
    hits = np.asarray(fine).reshape(shape[0], _GRID, shape[1], _GRID)
    return hits.mean(axis=(1, 3), dtype=np.float32)


def words(shape, place, string, size):
    """Coverage of a string, its capitals' top left corner near ``place``."""
    image = Image.new("L", (shape[1], shape[0]))
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text(place, string, 255, font)
    return np.asarray(image, np.float32) / 255


def ramp(shape, first, last, direction=(1.0, 0.0)):
    """A linear gradient (h, w, 3) from corner to corner along ``direction``."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    t = x * direction[0] + y * direction[1]
    t = (t - t.min()) / (t.max() - t.min())
    return np.float32(first) + t[..., None] * (np.float32(last) - np.float32(first))


def glow(shape, centre, inner, outer):
    """A radial gradient (h, w, 3), ``outer`` in the farthest corner."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    t = np.hypot(x - centre[0], y - centre[1])
    t /= t.max()
    return np.float32(inner) + t[..., None] * (np.float32(outer) - np.float32(inner))


class Drawing:
    """A picture and what was laid on it: ``layers`` holds each layer's alpha (h, w)."""

    def __init__(self, shape, fill):
        self.shape = shape
        self.shown = np.broadcast_to(np.float32(fill), (*shape, 3)).copy()
        self.layers = []

    def lay(self, coverage, colour, opacity=1.0):
        alpha = np.float32(opacity) * coverage
        self.shown += alpha[..., None] * (np.float32(colour) - self.shown)
        self.layers.append(alpha)
        return self

    def shade(self, coverage, *, dx, dy, sigma, opacity, tint=(0, 0, 0)):
        """The drop shadow of something that is to be laid next."""
        return self.lay(DropShadow(dx, dy, sigma, opacity).cast(coverage), tint)

    @property
    def png(self):
        return np.clip(np.rint(self.shown), 0, 255).astype(np.uint8)

    def jpeg(self, quality=92):
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        _, data = cv2.imencode(".jpg", np.ascontiguousarray(self.png[..., ::-1]), options)
        return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].copy()

    def analysis(self, *, lossy=False):
        return analyse(self.jpeg() if lossy else self.png, lossy=lossy)


def on_canvas(element, shape):
    """An element's alpha (h, w) over the whole canvas."""
    alpha = np.zeros(shape, np.float32)
    alpha[element.bounds.slices] = element.alpha
    return alpha


def flattened(elements, shape):
    """The elements on each other, (h, w, 3)."""
    shown = np.zeros((*shape, 3), np.float32)
    for element in elements:
        assert Bounds(0, 0, shape[1], shape[0]).contains(element.bounds)
        view = shown[element.bounds.slices]
        view += element.alpha[..., None] * (element.colour - view)
    return shown
