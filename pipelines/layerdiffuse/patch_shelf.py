"""LayerDiffuse's weights on a UNet: several loaded, the one of the mode at work switched on."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from layerstudio.errors import InvalidRequest, MismatchedWeights, MissingWeights
from layerstudio.models.weight_patch import AppliedPatch, WeightPatch
from layerstudio.pipelines.layerdiffuse.modes import MODES, ModeId, find_mode

PatchSource = Path | str | Mapping[str, Tensor]
_SHELVES: weakref.WeakKeyDictionary[nn.Module, PatchShelf] = weakref.WeakKeyDictionary()


class PatchShelf:
    """The patches on one UNet by mode, at most one of them switched on.

    It belongs to the UNet, so that pipelines made of the same components share it.
    """

    def __init__(self, unet: nn.Module) -> None:
        self._unet = weakref.ref(unet)
        self._patches: dict[ModeId, AppliedPatch] = {}

    @classmethod
    def of(cls, unet: nn.Module) -> PatchShelf:
        unet = getattr(unet, "_orig_mod", unet)  # what torch.compile wrapped
        return _SHELVES.setdefault(unet, cls(unet))

    @property
    def modes(self) -> tuple[ModeId, ...]:
        """Those whose patches are loaded, the last one last."""
        return tuple(self._patches)

    def load(self, source: PatchSource, mode: ModeId, strength: float) -> None:
        """Put the patch of ``mode`` on the UNet, in the place of an earlier one, and switch it on.

        Raises ``MismatchedWeights`` for a file of another mode or network, ``UnreadableFile``
        and ``InvalidRequest``; the UNet is as it was then.
        """
        if not find_mode(mode).patched:
            raise InvalidRequest(f"The mode {mode!r} is the base model itself.")
        patch = _read(source)
        _check_width(patch, mode)
        unet = self._unet()
        assert unet is not None, "the caller holds the UNet"
        before = self.modes_on()
        self.use(None)
        try:
            applied = patch.apply(unet, strength)
        except BaseException:
            self.use(before)
            raise
        self.unload(mode)
        self._patches[mode] = applied

    def modes_on(self) -> ModeId | None:
        """The mode whose patch is switched on."""
        return next((mode for mode, patch in self._patches.items() if patch.enabled), None)

    def use(self, mode: ModeId | None) -> AppliedPatch | None:
        """Switch on the patch of ``mode``, or none, and all others off.

        Raises ``MissingWeights`` if it is not loaded.
        """
        if mode is not None and mode not in self._patches:
            raise MissingWeights(
                f"LayerDiffuse's weights for SDXL's mode {mode!r} are not loaded.",
                advice=f"Call load_layerdiffuse(file, {mode!r}); `layerstudio models list` names"
                " the files.",
            )
        for other, patch in self._patches.items():
            if other != mode:
                patch.disable()
        chosen = self._patches[mode] if mode is not None else None
        if chosen is not None:
            chosen.enable()
        return chosen

    def set_strength(self, strength: float, mode: ModeId | None) -> None:
        """Of one mode's patch, or of all."""
        for patch in self._chosen(mode):
            patch.set_strength(strength)

    def unload(self, mode: ModeId | None = None) -> None:
        """Take one patch off, or all: the weights are the base's again, bit for bit."""
        for patch in self._chosen(mode):
            patch.remove()
        self._patches = {m: p for m, p in self._patches.items() if mode not in (None, m)}

    def _chosen(self, mode: ModeId | None) -> list[AppliedPatch]:
        return [patch for name, patch in self._patches.items() if mode in (None, name)]


def end_after(
    patch: AppliedPatch | None, share: float, order: int
) -> Callable[[int, int], None] | None:
    """What switches ``patch`` off once ``share`` of the steps are done; told steps done and all.

    ``order`` is how many calls of the network the scheduler makes of one step: the switch is not
    put between them.
    """
    if patch is None or share >= 1:
        return None

    def end(done: int, steps: int) -> None:
        if patch.enabled and done >= order * round(share * steps / order):
            patch.disable()

    return end


def _read(source: PatchSource) -> WeightPatch:
    if isinstance(source, Mapping):
        return WeightPatch.from_state(source)
    return WeightPatch.from_file(source)


def _check_width(patch: WeightPatch, mode: ModeId) -> None:
    needed, found = MODES[mode].extra_in_channels, patch.extra_in_channels
    if needed != found:
        fitting = [name for name, m in MODES.items() if m.patched and m.extra_in_channels == found]
        raise MismatchedWeights(
            f"The checkpoint takes {found} channels of conditions, the mode {mode!r} {needed}.",
            advice=f"It may be one of {' or '.join(fitting)}." if fitting else "",
        )
