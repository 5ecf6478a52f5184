"""Published changes to a network's weights: merged, switched off and on again, taken out exactly.

The reference implementation adds the changes in half precision for good, and loads a second UNet
where the sampling is to end with the original one. Here the sum is formed in float32 and rounded
once, and the originals are kept by ``OriginalWeights`` outside of the memory that the network
lies in.

Low-rank changes are merged too. Kept as a side path they would cost every step 40 % more work in
the attention's projections (rank 256 at width 1280), and their result would be rounded at two
more places; toggling instead costs one pass over the weights per image.

Several patches on one network are one sum: whichever is switched off or removed, in whatever
order, the weights become what the remaining ones make of the originals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from torch import Tensor, nn

from layerstudio.errors import InvalidRequest
from layerstudio.models.checkpoints import read_state
from layerstudio.models.condition_input import ConditionInput
from layerstudio.models.patch_formats import Changes, read_changes
from layerstudio.models.patched_network import CONV_IN, LATENT_CHANNELS, Part, PatchedNetwork
from layerstudio.models.tensor_file import TensorFile


class WeightPatch:
    """Changes to weights, by the names that diffusers gives them; read when they are applied."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes

    @classmethod
    def from_file(cls, path: Path | str) -> Self:
        """Any published layout (see ``patch_formats``); of safetensors only the header is read.

        Raises:
            UnreadableFile: no such file, or broken.
            MismatchedWeights: not a patch.
        """
        path = Path(path)
        return cls.from_state(TensorFile(path) if _is_safetensors(path) else read_state(path))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The same from tensors in memory."""
        return cls(read_changes(state))

    @property
    def extra_in_channels(self) -> int:
        """How many channels of condition ``conv_in`` takes besides the 4 of the latents."""
        conv_in = self.changes.get(CONV_IN)
        return max(0, conv_in.shape[1] - LATENT_CHANNELS) if conv_in else 0

    def apply(self, module: nn.Module, strength: float = 1.0) -> AppliedPatch:
        """Add the changes, times ``strength`` (any number), to the weights of ``module``.

        The sum is formed in float32 on the weights' own device and rounded to their type. LoRA
        adapters of PEFT and other patches may be on the module. A patch with extra input channels
        puts a ``ConditionInput`` in the place of ``conv_in``, whatever the strength.

        Raises:
            MismatchedWeights: the patch has weights that the module has not (the first five are
                named), or of other shapes.
            InvalidRequest: the weights are quantised or not in memory; ``strength`` is no number;
                another patch with extra input channels is switched on.
            NumericalFailure: a sum is not finite in the weights' type.
            UnwritableFile: no room on the disk for the originals.
            In all cases the module is as it was.
        """
        module = getattr(module, "_orig_mod", module)  # what torch.compile wrapped
        network = PatchedNetwork.of(module)
        part = Part(self.changes, self.extra_in_channels, _checked(strength))
        network.add(part)
        return AppliedPatch(self, network, part)


class AppliedPatch:
    """A patch on a network. Restoring is exact: the originals come back bit for bit.

    What else was done to the weights of the patch in the meantime, such as fusing a LoRA, is
    undone with it. The network is not kept alive by its patches.
    """

    def __init__(self, patch: WeightPatch, network: PatchedNetwork, part: Part) -> None:
        self.patch = patch
        self._network = network
        self._part = part

    @property
    def enabled(self) -> bool:
        return self._part.enabled

    @property
    def strength(self) -> float:
        return self._part.strength

    @property
    def condition_input(self) -> ConditionInput | None:
        """Where a patch with extra input channels expects its condition."""
        return self._network.condition_input if self._part.extra_in_channels else None

    def disable(self) -> None:
        """Back to the weights without this patch; also between two steps of a sampling."""
        self._network.change(self._part, enabled=False)

    def enable(self) -> None:
        self._network.change(self._part, enabled=True)

    def set_strength(self, strength: float) -> None:
        self._network.change(self._part, strength=_checked(strength))

    def remove(self) -> None:
        """Disable, and forget the originals. Nothing happens the second time."""
        self._network.remove(self._part)

    @contextmanager
    def off(self) -> Iterator[None]:
        """Disabled inside the block, and as before after it."""
        enabled = self.enabled
        self.disable()
        try:
            yield
        finally:
            if enabled:
                self.enable()


@contextmanager
def patches_off(module: nn.Module) -> Iterator[None]:
    """The module as it was before its patches, for saving it: inside the block all are off.

    Saved with its patches on, a module has them merged, and would get them twice when they are
    applied to what was saved.
    """
    module = getattr(module, "_orig_mod", module)
    network = PatchedNetwork.of(module)
    with ExitStack() as stack:
        for part in [part for part in network.parts if part.enabled]:
            network.change(part, enabled=False)
            stack.callback(network.change, part, enabled=True)
        yield


def _is_safetensors(path: Path) -> bool:
    return path.suffix == ".safetensors"


def _checked(strength: float) -> float:
    if not math.isfinite(strength):
        raise InvalidRequest(f"A patch's strength is a number, not {strength}.")
    return float(strength)
