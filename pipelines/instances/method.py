"""The method ``instances``: photographs taken apart into the things on them.

Importing this module loads no network library: methods are listed without one.
"""

from __future__ import annotations

from layerstudio.document import Document
from layerstudio.picture import Picture
from layerstudio.pipelines.instances.choices import check_weights, choose, stage_settings
from layerstudio.pipelines.instances.hints import asked
from layerstudio.pipelines.instances.wanted import WORKING_SIDE, Wanted
from layerstudio.pipelines.methods import MethodCard
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages.preferring import PREFERRED
from layerstudio.pipelines.stages.table import stage_class
from layerstudio.progress import CancelToken, ProgressCallback
from layerstudio.requests import DecomposeRequest
from layerstudio.settings import Setting


class InstancesMethod:
    card = MethodCard(
        id="instances",
        task="decompose",
        title="Things on a photograph",
        summary=(
            "Photographs: what is pointed at, named, or all there is, with soft edges, from far "
            "to near, what is hidden made up, and contact shadows."
        ),
        reference="The chain of MuLAn (arXiv:2404.02790), its stages as chosen",
        code_licence="Apache-2.0",
        weights_licence="that of each stage; the smallest set is Apache-2.0",
        needs=stage_class(PREFERRED["segment"][-1]).card.needs,
        inputs=(
            "layers", "boxes", "points", "excluded_points", "prompts", "exact", "seed", "settings",
        ),
        settings=(
            *stage_settings(),
            Setting(
                "working_side", WORKING_SIDE, "longest side, in pixels, at which networks look",
                least=256, most=4096,
            ),
            Setting("shadows", True, "contact shadows as layers of their own"),
            Setting("parts", False, "keep things that are parts of others"),
            Setting("fill_prompt", "", "what the background shows, for stages that read it"),
        ),
    )  # fmt: skip

    def run(
        self,
        request: DecomposeRequest,
        picture: Picture,
        *,
        runtime: Runtime | None = None,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> Document:
        """Raises ``MissingWeights`` for all that is missing before anything is loaded."""
        wanted = Wanted.of_request(request)
        named = asked(wanted, picture.extent).prompts
        stages = choose(request.settings, has_prompts=bool(named))
        check_weights(stages, f"The method {self.card.id!r}")
        from layerstudio.pipelines.instances.disassembly import disassemble

        return disassemble(
            picture, wanted, stages,
            runtime=runtime or Runtime(), progress=progress, cancel=cancel,
        )  # fmt: skip
