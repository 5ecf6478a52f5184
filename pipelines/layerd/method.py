"""The method ``layerd``: what lies on top of a design is peeled off until the background is left.

Importing this module loads no network library: methods are listed without one.
"""

from __future__ import annotations

from layerstudio.document import Document
from layerstudio.picture import Picture
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.needs import require
from layerstudio.pipelines.runtime import Runtime
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import DecomposeRequest
from layerstudio.settings import Setting

MATTES = ("layerd-birefnet", "birefnet", "birefnet-matting", "birefnet-lite")
SETTINGS = (
    Setting(
        "matte",
        MATTES[0],
        "the network that says what lies on top; all but the first know photographs",
        choices=MATTES,
    ),
    Setting(
        "fill",
        "lama",
        "what completes hidden parts; 'surroundings' needs no weights and continues flat ground",
        choices=("lama", "surroundings"),
    ),
    Setting("peels", 0, "at most so many; 0: until nothing is found", least=0, most=30),
    Setting(
        "kernel_scale",
        0.0,
        "share of the sides by which holes are widened, more where edges leave traces; 0: 0.015, "
        "and 0.035 in lossy pictures",
        least=0.0,
        most=0.2,
    ),
    Setting(
        "grouping",
        "things",
        "layers are things and texts, or whole peels",
        choices=("things", "peels"),
    ),
    Setting("parity", False, "the published algorithm, bit for bit with exact off"),
    Setting("fg_refine", False, "with parity: its refinement of flat foregrounds"),
)


class LayerdMethod:
    card = MethodCard(
        id="layerd",
        task="decompose",
        title="LayerD, peeled from the top",
        summary="Designs: what lies on top is matted and peeled off, and what it hid completed.",
        reference="LayerD: Decomposing Raster Graphic Designs into Layers (arXiv:2509.25134)",
        code_licence="Apache-2.0",
        weights_licence="not recorded here (the published code of both networks is Apache-2.0)",
        needs=("layerd-birefnet", "big-lama"),
        inputs=("layers", "boxes", "exact", "seed", "read_text", "languages", "base"),
        settings=SETTINGS,
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
        """Raises ``MissingWeights`` before anything is loaded."""
        require(_needed(request), "The method 'layerd'")
        from layerstudio.pipelines.layerd.running import run

        return run(request, picture, runtime or Runtime(), progress=progress, cancel=cancel)


def _needed(request: DecomposeRequest) -> list[str]:
    """The registry's ids; ``base`` stands for the matting network."""
    needed = [] if request.base else [request.settings.text("matte")]
    return needed + (["big-lama"] if request.settings.text("fill") == "lama" else [])
