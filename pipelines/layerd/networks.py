"""The two networks of a run, as plain functions of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from layerstudio.color import U8
from layerstudio.models.birefnet_matte import matte
from layerstudio.models.lama_inpaint import inpaint
from layerstudio.ops.fill import fill
from layerstudio.pipelines.layerd.published import Inpainting, Matting
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.contracts import Mask
from layerstudio.pipelines.stages.opening import opened
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import DecomposeRequest


class Networks(NamedTuple):
    matting: Matting
    inpainting: Inpainting


@contextmanager
def networks(
    request: DecomposeRequest, runtime: Runtime, progress: ProgressCallback, cancel: CancelToken
) -> Iterator[Networks]:
    """Those that the settings name, loaded. ``progress`` hears how far filling is, and both look
    at ``cancel``. Raises what opening stages raises."""
    parity = request.settings.flag("parity")
    with opened("matte", request.settings.text("matte"), runtime, request.base or "") as matter:

        def matting(rgb: U8):
            cancel.check()
            if parity:
                return matte(matter.network, rgb, size=matter.size, parity=True)
            return matter.alpha(rgb, None, cancel=cancel)

        if request.settings.text("fill") == "surroundings":
            yield Networks(matting, _surroundings(request.seed or 0, cancel))
            return
        with opened("complete", "lama", runtime) as completer:

            def inpainting(rgb: U8, holes: Mask) -> U8:
                cancel.check()
                if parity:
                    return inpaint(completer.network, rgb, holes, parity=True)
                return completer.fill(
                    rgb, holes, seed=request.seed or 0, progress=progress, cancel=cancel
                )

            yield Networks(matting, inpainting)


def _surroundings(seed: int, cancel: CancelToken) -> Inpainting:
    return lambda rgb, holes: fill(rgb, holes, seed=seed, check=cancel.check).image
