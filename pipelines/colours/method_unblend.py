"""The method ``unblend``: layers with blend modes, as an illustrator stacks them.

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


class UnblendMethod:
    card = MethodCard(
        id="unblend",
        task="decompose",
        title="Flat colours, shade and light",
        summary="Any picture as colours below a multiplied shade and a screened light, or as "
        "layers of given colours and blend modes.",
        reference="Koyama and Goto, Advanced Color Blending (Pacific Graphics 2018)",
        code_licence="Apache-2.0",
        weights_licence=None,
        needs=(),
        inputs=("layers", "exact"),
        settings=(
            Setting(
                "modes",
                "",
                "blend modes, bottom to top, as normal,normal,multiply,screen; empty: normal "
                "colours, multiply, screen",
            ),
            Setting(
                "colours",
                "",
                "colours of the layers, bottom to top, as #rrggbb,auto,...; empty: estimated",
            ),
            Setting(
                "spread",
                "",
                "how far a layer's colours stray, in 8-bit levels, one number or one for each "
                "layer; empty: estimated",
            ),
            Setting(
                "smoothing",
                0.01,
                "radius within which alpha follows the picture's edges, as a share of its shorter "
                "side; 0: none. The paper has 0.06",
                least=0.0,
                most=0.2,
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
        """Raises ``InvalidRequest`` for layers that make no sense."""
        from layerstudio.pipelines.colours.unblend_running import run

        return run(request, picture, progress=progress, cancel=cancel)
