"""The method ``qwen-layered``: any picture to layers by Qwen-Image-Layered.

Importing this module loads no network library: methods are listed without one.
"""

from __future__ import annotations

from dataclasses import replace

from layerstudio.document import Document
from layerstudio.picture import Picture
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.qwen_layered.counting import check_layers, estimated_layers
from layerstudio.pipelines.qwen_layered.published import GUIDANCE, STEPS
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, Progress, ProgressCallback
from layerstudio.requests import DecomposeRequest
from layerstudio.settings import Setting

_COUNTING = 0.02  # share of a run
_IGNORED = ("boxes", "points", "excluded_points")

_SETTINGS = (
    Setting(
        "weights",
        "auto",
        "How the transformer's weights are held; auto takes the most exact that fits into memory.",
        ("auto", "bf16", "fp8", "4bit", "gguf"),
    ),
    Setting(
        "encoder",
        "auto",
        "How the text encoder's weights are held; auto takes what goes with the transformer's.",
        ("auto", "bf16", "fp8", "4bit"),
    ),
    Setting(
        "resolution",
        "auto",
        "Side of a square of the area worked at; auto is 640, as the authors recommend.",
        ("auto", "640", "1024"),
    ),
    Setting("steps", STEPS, "Steps of sampling.", least=2, most=1000),
    Setting("guidance", GUIDANCE, "How closely the prompt is followed; 1 takes half the time.",
            least=1.0, most=30.0),
    Setting("cfg_normalize", True, "Guided predictions keep their length, as in the authors' app."),
    Setting("use_en_prompt", True, "The captioner writes English; otherwise Chinese."),
)  # fmt: skip


class QwenLayeredMethod:
    card = MethodCard(
        id="qwen-layered",
        task="decompose",
        title="Qwen-Image-Layered",
        summary="Any picture, photographs too: up to 20 layers with what lies behind them.",
        reference="Qwen-Image-Layered (arXiv:2512.15603)",
        code_licence="Apache-2.0",
        weights_licence="Apache-2.0",
        needs=("qwen-image-layered", "qwen-image-layered-parts"),
        inputs=("layers", "prompts", "exact", "seed", "base"),
        settings=_SETTINGS,
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
        """Raises ``InvalidRequest``, ``MissingWeights`` and ``OutOfMemory`` before anything is
        loaded."""
        if request.layers != "auto":
            check_layers(request.layers)
        from layerstudio.pipelines.qwen_layered.running import Job, run
        from layerstudio.pipelines.qwen_layered.sources import find_source

        source = find_source(request.base)

        def counting(report: Progress) -> None:
            progress(Progress(f"counting: {report.stage}", _COUNTING * report.fraction))

        def running(report: Progress) -> None:
            share = _COUNTING + (1 - _COUNTING) * report.fraction
            progress(Progress(report.stage, share, report.preview))

        layers = request.layers
        if layers == "auto":
            layers = estimated_layers(request, picture, counting, cancel)
        job = Job(request, picture, layers, runtime or Runtime(), running, cancel)
        document = run(source, job)
        return replace(document, notes=(*_remarks(request), *document.notes))


def _remarks(request: DecomposeRequest) -> list[str]:
    given = [name.replace("_", " ") for name in _IGNORED if getattr(request, name)]
    if not given:
        return []
    return [f"The method 'qwen-layered' takes no {' or '.join(given)}; they were ignored."]
