"""PSD files as other programs write them, made with psd-tools or by hand."""

import struct

import numpy as np
from PIL import Image
from psd_tools import PSDImage
from psd_tools.constants import Tag
from psd_tools.psd.descriptor import Descriptor, DescriptorBlock, Double
from psd_tools.psd.tagged_blocks import TaggedBlock
from psd_tools.psd.vector import Path, VectorMaskSetting


def layered(mode, depth=8, size=(7, 5)):
    """A document of a colour mode with one opaque layer "pixels" of random samples; the samples
    (h, w, channels) as stored, 0 to 1."""
    channels = {"RGB": 3, "L": 1, "CMYK": 4, "LAB": 3}[mode]
    rng = np.random.default_rng(depth + channels)
    top = {8: 255, 16: 65535, 32: 1000}[depth]
    samples = rng.integers(0, top + 1, (size[1], size[0], channels)) / top
    file = PSDImage.new(mode, size, depth=depth)
    dtype = {8: np.uint8, 16: np.uint16, 32: np.float32}[depth]
    stored = samples.astype(np.float32) if depth == 32 else np.rint(samples * top).astype(dtype)
    layer = file.create_pixel_layer(Image.new("L" if channels == 1 else mode, size), name="pixels")
    replace_samples(file, layer, stored)
    return file, samples


def replace_samples(file, layer, stored):
    """Put raw samples (h, w, channels) where the layer has its colours."""
    height, width, _ = stored.shape
    big = stored.astype(stored.dtype.newbyteorder(">"))
    for info, channel in zip(layer._record.channel_info, layer._channels, strict=True):
        if info.id >= 0:
            plane = np.ascontiguousarray(big[..., int(info.id)]).tobytes()
            channel.set_data(plane, width, height, file.depth, file.version)


def saved(file, path):
    """Save without the slow, and here pointless, flattened picture."""
    file._updated = False
    file.save(path)
    return path


def add_block(layer, tag, data):
    layer._record.tagged_blocks[tag] = TaggedBlock(key=tag, data=data)


def solid_fill(file, red, green, blue):
    """A fill layer without pixels, as Photoshop writes one that covers everything."""
    layer = file.create_pixel_layer(Image.new("RGB", (1, 1)), name="fill")
    layer._record.bottom = layer._record.right = 0
    for channel in layer._channels:
        channel.data = b""
    color = Descriptor(name="", classID=b"RGBC")
    for key, value in ((b"Rd  ", red), (b"Grn ", green), (b"Bl  ", blue)):
        color[key] = Double(value)
    settings = DescriptorBlock(name="", classID=b"null")
    settings[b"Clr "] = color
    add_block(layer, Tag.SOLID_COLOR_SHEET_SETTING, settings)
    return layer


def vector_mask():
    return VectorMaskSetting(version=3, flags=0, path=Path([]))


def flat(mode, planes, *, depth=8, palette=b""):
    """A file without layers, by hand: raw ``planes`` are the bytes of the flattened picture."""
    width, height, data, count = planes
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, count, height, width, depth, mode)
    sections = struct.pack(">I", len(palette)) + palette + struct.pack(">II", 0, 0)
    return header + sections + struct.pack(">H", 0) + data
