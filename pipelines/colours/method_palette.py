"""The method ``palette``: layers of solid colour from which the picture is mixed.

Importing this module loads nothing heavy: methods are listed without it.
"""

from __future__ import annotations

from layerstudio.document import Document
from layerstudio.picture import Picture
from layerstudio.pipelines.colours.stacks import REMAINDER_SETTING
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import DecomposeRequest
from layerstudio.settings import Setting


class PaletteMethod:
    card = MethodCard(
        id="palette",
        task="decompose",
        title="Palette layers",
        summary="Any picture as a few solid colours, mixed by soft alpha: recolour by repainting.",
        reference="Tan, Echevarria and Gingold, RGBXY-space geometry (SIGGRAPH Asia 2018)",
        code_licence="Apache-2.0",
        weights_licence=None,
        needs=(),
        inputs=("layers", "exact", "seed"),
        settings=(
            Setting(
                "colours",
                "",
                "the palette, bottom to top, as #rrggbb,#rrggbb,...; empty: found in the picture",
            ),
            Setting(
                "order",
                "area",
                "how colours that were found are stacked; area: the picture's edge at the bottom, "
                "small areas on top",
                choices=("area", "light-to-dark", "dark-to-light"),
            ),
            Setting(
                "stack",
                "over",
                "over: solid colours with alpha; add: colours times weights, added up on black",
                choices=("over", "add"),
            ),
            REMAINDER_SETTING,
        ),
    )

    def run(
        self,
        request: DecomposeRequest,
        picture: Picture,
        *,
        runtime: Runtime | None = None,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> Document:
        """Raises ``InvalidRequest`` for a palette that makes no sense."""
        from layerstudio.pipelines.colours.palette_running import run

        return run(request, picture, progress=progress, cancel=cancel)
