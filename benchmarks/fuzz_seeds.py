"""Small sound files of every format that is read, for ``fuzz.py`` to damage."""

from __future__ import annotations

import io
import json
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageCms

from layerstudio.document import BlendMode, Document, Group, Layer, Mask, Provenance, TextContent
from layerstudio.generate_request import Adapter, GenerateRequest, InputPicture
from layerstudio.geometry import Bounds, Extent
from layerstudio.io import manifest, recipe, save
from layerstudio.io.limits import Limits
from layerstudio.requests import DecomposeRequest
from layerstudio.settings import Settings

LIMITS = Limits(pixels=10**6, total_pixels=4 * 10**6, file_bytes=2**24, nodes=500, depth=12)


def document(dtype: type[np.uint8 | np.uint16] = np.uint8) -> Document:
    """Two layers, a group, masks, text, a request and notes on a canvas of 8 x 7."""
    rng = np.random.default_rng(8)
    pixels: Any = rng.integers(0, np.iinfo(dtype).max, (6, 5, 4), dtype)
    nothing: Any = pixels[:0, :0]
    mask = Mask(Bounds(1, 1, 3, 3), np.ascontiguousarray(pixels[:3, :3, 0]), 1)
    text = TextContent("Ab", "DejaVu Sans", 3.0, (1, 2, 3), Bounds(0, 0, 4, 4), baseline=3.5)
    plain = Layer("a layer", Bounds(1, -1, 5, 6), pixels, 0.5, BlendMode.SCREEN, mask=mask)
    words = Layer("words", Bounds(0, 0, 5, 6), pixels, text=text, provenance=Provenance("flat", 3))
    empty = Layer("", Bounds(0, 0, 0, 0), nothing)
    return Document(
        Extent(8, 7),
        (plain, Group("a group", (words, empty), 0.7, BlendMode.NORMAL, mask=mask)),
        metadata={"author": "me"},
        request=DecomposeRequest(boxes=(Bounds(0, 0, 2, 2),)).to_dict(),
        notes=("a note",),
    )


def saved(suffix: str, **options: Any) -> list[bytes]:
    """Our own files, 8 and 16 bits."""
    files = []
    with tempfile.TemporaryDirectory() as folder:
        for dtype in (np.uint8, np.uint16):
            path = save(document(dtype), Path(folder, f"seed{suffix}"), **options)
            files.append(path.read_bytes())
    return files


def psd(suffix: str) -> list[bytes]:
    """Ours, packed both ways, and flat ones of the colour modes by hand."""
    version = 1 if suffix == ".psd" else 2
    files = [*saved(suffix), *saved(suffix, compression="zip")]
    modes = (
        (0, 1, 1),
        (1, 1, 8),
        (2, 1, 8),
        (3, 3, 16),
        (4, 4, 8),
        (7, 3, 8),
        (9, 3, 8),
        (3, 3, 32),
    )
    for mode, count, depth in modes:
        header = struct.pack(">4sH6xHIIHH", b"8BPS", version, count, 3, 8, depth, mode)
        palette = bytes(768) if mode == 2 else b""
        sections = struct.pack(">I", len(palette)) + palette + bytes(8 if version == 1 else 12)
        samples = bytes(i % 256 for i in range(8 * 3 * count * depth // 8))
        files.append(header + sections + bytes(2) + samples)
    return files


def tiff() -> list[bytes]:
    """Ours, and other programs' kinds: tiled, planar, palette, JPEG, CCITT, float, CMYK."""
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 255, (16, 24, 3), np.uint8)
    kinds: list[tuple[np.ndarray, dict[str, Any]]] = [
        (rgb, {"photometric": "rgb", "compression": "jpeg"}),
        (rgb, {"photometric": "rgb", "tile": (16, 16), "compression": "lzw"}),
        (np.moveaxis(rgb, -1, 0).copy(), {"photometric": "rgb", "planarconfig": "separate"}),
        (rgb[..., 0].astype(np.float32), {"photometric": "minisblack"}),
        (rgb[..., 0] > 99, {"photometric": "miniswhite"}),
        (rgb.astype(np.uint16) * 257, {"photometric": "rgb", "bigtiff": True}),
        (rng.integers(0, 255, (5, 7, 4), np.uint8), {"photometric": "separated"}),
        (rgb[..., 1], {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}),
        (rgb[..., 1], {"photometric": "minisblack", "compression": "packbits", "rowsperstrip": 3}),
        (rgb[..., 1], {"photometric": "minisblack", "compression": "zstd", "byteorder": ">"}),
    ]
    files = saved(".tif")
    for array, options in kinds:
        out = io.BytesIO()
        order = options.pop("byteorder", "<")
        big = options.pop("bigtiff", False)
        with tifffile.TiffWriter(out, byteorder=order, bigtiff=big) as writer:
            writer.write(array, **options, metadata=None)
        files.append(out.getvalue())
    out = io.BytesIO()
    Image.fromarray(rgb).convert("1").save(out, "TIFF", compression="group4")
    return [*files, out.getvalue()]


def png() -> list[bytes]:
    """All colour types, interlaced or not, with profile and texts."""
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 255, (7, 9, 4), np.uint8))
    files = saved(".png")
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        out = io.BytesIO()
        made = picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode)
        made.save(out, "PNG", icc_profile=icc if mode == "RGB" else None, dpi=(90, 90))
        files.append(out.getvalue())
    return files


def pictures() -> list[bytes]:
    """Everything that ``read_picture`` opens, small."""
    picture = Image.fromarray(np.random.default_rng(2).integers(0, 255, (9, 11, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    files = []
    for kind, mode in _KINDS:
        out = io.BytesIO()
        frames = {"save_all": True, "append_images": [picture] * 2} if kind in _MANY else {}
        sizes = {"sizes": [picture.size]} if kind == "ICO" else {}  # its own are all larger
        picture.convert(mode).save(out, kind, exif=exif, **frames, **sizes)
        files.append(out.getvalue())
    return files


_KINDS = (
    ("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("TIFF", "RGB"),
    ("TIFF", "LAB"), ("WEBP", "RGBA"), ("GIF", "P"), ("BMP", "RGB"), ("PPM", "L"),
    ("JPEG2000", "RGB"), ("AVIF", "RGB"), ("ICO", "RGBA"),
)  # fmt: skip
_MANY = ("GIF", "TIFF", "WEBP")


def manifests() -> list[bytes]:
    numbers = iter(range(100))
    data = manifest.describe(document(), lambda node, mask: f"layers/{next(numbers)}.png")
    return [manifest.dumps(data).encode()]


def recipes() -> list[bytes]:
    return [recipe.to_json(document()).encode(), recipe.to_xmp(document())]


def requests() -> list[bytes]:
    """JSON of both tasks with most fields given."""
    asked = DecomposeRequest(
        method="flat", layers=4, boxes=(Bounds(1, 2, 3, 4),), points=((1, 1),), prompts=("cat",),
        excluded_points=((5, 5),), seed=3, read_text=False,
        settings=Settings({"quality": 0.5, "on": True}),
    )  # fmt: skip
    made = GenerateRequest(
        prompt="a cat", foregrounds=("cat", "dog"), background="grass", extent=Extent(64, 48),
        boxes=(Bounds(0, 0, 9, 9), Bounds(9, 9, 9, 9)), inputs=(InputPicture(role="style"),),
        count=2, seed=1, steps=9, guidance=4.5, strength=0.5, loras=(Adapter(source="x"),),
        controlnet=Adapter(source="y", weight=-1), layer_guidance=(("cat", 2.0),), layers=3,
    )  # fmt: skip
    return [json.dumps(item.to_dict()).encode() for item in (asked, made)]


def rows() -> list[bytes]:
    """JSON lines, CSV and a journal; the first byte says which."""
    asked, made = (json.loads(text) for text in requests())
    lines = [{**asked, "source": "a.png", "name": "a"}, made, {"task": "again", "source": "b.psd"}]
    table = "source,task,layers,settings.on,boxes\n"
    table += 'a.png,decompose,4,true,"[[1,2,3,4]]"\nb.psd,convert,,,\n'
    journal = [
        {"event": "start", "version": 1},
        {"event": "ready", "key": "k", "files": [{"part": ".p", "target": "t", "bytes": 5}]},
        {"event": "done", "key": "k", "files": [["t", 5]]},
        {"event": "refused", "key": "j", "message": "no"},
    ]
    return [
        b"J" + b"\n".join(json.dumps(line).encode() for line in lines),
        b"C" + table.encode(),
        b"L" + b"\n".join(json.dumps(line).encode() for line in journal) + b"\n",
    ]
