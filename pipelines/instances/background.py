"""The background at the picture's full size: the picture where it is seen, else the plate."""

from __future__ import annotations

import numpy as np

from layerstudio.color import U8, Pixels, to_depth, to_float
from layerstudio.document import Layer, Provenance, Role
from layerstudio.geometry import Bounds
from layerstudio.ops.contact_shadow import ContactShadow
from layerstudio.picture import Picture
from layerstudio.pipelines.instances.completing import Completed
from layerstudio.pipelines.instances.cutting import COVERED
from layerstudio.pipelines.instances.naming import BACKGROUND
from layerstudio.pipelines.instances.working import Working
from layerstudio.progress import CancelToken

_BAND_ROWS = 256


def background(
    picture: Picture,
    working: Working,
    completed: Completed,
    cover: U8,
    signature: Provenance,
    cancel: CancelToken,
) -> Layer:
    """``cover`` (h, w) is how much of each pixel objects show, 0 to 255; under them lies the plate.
    Elsewhere the picture shows itself, with the light that shadows take from it."""
    pixels: Pixels = np.empty_like(picture.pixels)
    whole = Bounds.full(working.extent)
    for band in _bands(picture):
        cancel.check()
        colours = to_float(picture.pixels[band.slices][..., :3])
        for _, shadow in completed.shadows:
            _give_light_back(colours, band, working, shadow)
        weight = np.clip(cover[band.slices] * np.float32(COVERED / 255), 0, 1)
        if weight.any():
            plate = working.stretched(completed.plate, whole, band) / np.float32(255)
            colours += (plate - colours) * weight[..., None]
        pixels[band.slices][..., :3] = to_depth(colours, pixels.dtype)
    pixels[..., 3] = picture.pixels[..., 3]
    return Layer(
        BACKGROUND,
        Bounds.full(picture.extent),
        pixels,
        role=Role.BACKGROUND,
        provenance=signature,
    )


def shadow_layer(
    picture: Picture,
    working: Working,
    shadow: ContactShadow,
    name: str,
    signature: Provenance,
    cancel: CancelToken,
) -> Layer:
    """Black, as opaque as the shadow is dark."""
    place = working.full_place(shadow.bounds)
    pixels: Pixels = np.zeros_like(picture.pixels[place.slices])
    for band in _bands(picture):
        common = band.intersection(place)
        if not common.is_empty:
            cancel.check()
            alpha = working.stretched(shadow.alpha, shadow.bounds, common)
            alpha = alpha * to_float(picture.pixels[common.slices][..., 3])
            into = pixels[common.relative_to(place).slices]
            into[..., 3] = to_depth(alpha, pixels.dtype)
    return Layer(name, place, pixels, role=Role.SHADOW, provenance=signature)


def _give_light_back(
    colours: np.ndarray, band: Bounds, working: Working, shadow: ContactShadow
) -> None:
    common = band.intersection(working.full_place(shadow.bounds))
    if not common.is_empty:
        alpha = working.stretched(shadow.alpha, shadow.bounds, common)
        part = colours[common.relative_to(band).slices]
        part /= 1.0 - alpha[..., None]
        np.clip(part, 0.0, 1.0, out=part)


def _bands(picture: Picture) -> list[Bounds]:
    width, height = picture.extent
    return [
        Bounds.from_edges(0, top, width, min(height, top + _BAND_ROWS))
        for top in range(0, height, _BAND_ROWS)
    ]


def untouched(pixels: Pixels, signature: Provenance) -> Layer:
    """The background of a picture in which nothing was found: the picture."""
    return Layer(
        BACKGROUND,
        Bounds(0, 0, pixels.shape[1], pixels.shape[0]),
        pixels,
        role=Role.BACKGROUND,
        provenance=signature,
    )
