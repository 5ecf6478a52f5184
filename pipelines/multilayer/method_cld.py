"""The method ``cld``: a picture, and boxes of what is on it, to layers with what lies behind them.

Importing this module loads no network library: methods are listed without one.
"""

from __future__ import annotations

from layerstudio.document import Document
from layerstudio.picture import Picture
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.multilayer.bases import find_base
from layerstudio.pipelines.multilayer.cld_boxes import places_of
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.requests import DecomposeRequest

_FINDING = 0.1  # share of a run that finding boxes takes


class CldMethod:
    card = MethodCard(
        id="cld",
        task="decompose",
        title="CLD, layers in boxes",
        summary="Any picture: up to 50 objects in boxes, given or found by flat, and their ground.",
        reference="CLD: Controllable Layer Decomposition (arXiv:2511.16249)",
        code_licence="Apache-2.0",
        weights_licence=(
            "not recorded here; bound by FLUX.1 [dev]'s non-commercial terms. Whether they descend "
            "from ART's withdrawn weights is not stated: --accept-provenance"
        ),
        needs=("flux-dev", "flux-inpaint-alpha", "cld"),
        inputs=("boxes", "layers", "prompts", "exact", "seed", "base"),
        setup="`layerstudio models convert cld -o FOLDER`, then --base FOLDER",
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
        """Raises ``MissingWeights`` before anything is loaded, and ``InvalidRequest`` for boxes
        that make no sense and where no object is found."""
        base = find_base(request.base, needs_adapter=True)

        def finding(report: Progress) -> None:
            progress(Progress(f"boxes: {report.stage}", _FINDING * report.fraction))

        places = places_of(request, picture, finding, cancel)
        from layerstudio.pipelines.multilayer.cld_running import run

        def running(report: Progress) -> None:
            share = _FINDING + (1 - _FINDING) * report.fraction
            progress(Progress(report.stage, share, report.preview))

        return run(
            base, request, picture, places,
            runtime=runtime or Runtime(), progress=running, cancel=cancel,
        )  # fmt: skip
