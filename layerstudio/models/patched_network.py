"""A network and the patches on it: its weights are always the originals plus all that are on."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from layerstudio.errors import InvalidRequest, NumericalFailure
from layerstudio.models.checkpoints import mismatch
from layerstudio.models.condition_input import ConditionInput
from layerstudio.models.original_weights import OriginalWeights
from layerstudio.models.patch_formats import Changes

CONV_IN = "conv_in.weight"
LATENT_CHANNELS = 4

_PLAIN_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_NETWORKS: weakref.WeakKeyDictionary[nn.Module, PatchedNetwork] = weakref.WeakKeyDictionary()


@dataclass(eq=False)
class Part:
    """One patch's share in the sum."""

    changes: Changes
    extra_in_channels: int
    strength: float
    enabled: bool = False

    def weighs(self, name: str) -> bool:
        """Whether it changes the weight; at strength 0 not even the sign of a zero."""
        return self.enabled and self.strength != 0 and name in self.changes


class PatchedNetwork:
    """Everything that is known about the patches on one module.

    It is found through the module and does not keep it alive.
    """

    def __init__(self, module: nn.Module) -> None:
        self.parts: list[Part] = []
        self._module = weakref.ref(module)
        self._originals = OriginalWeights()
        self._merged: set[str] = set()

    @classmethod
    def of(cls, module: nn.Module) -> PatchedNetwork:
        return _NETWORKS.setdefault(module, cls(module))

    @property
    def module(self) -> nn.Module:
        module = self._module()
        assert module is not None, "whoever changes a patch holds the network it is on"
        return module

    @property
    def condition_input(self) -> ConditionInput | None:
        owner = _owner_of_weight(self.module, CONV_IN)
        return owner if isinstance(owner, ConditionInput) else None

    def add(self, part: Part) -> None:
        """Check that ``part`` fits, and switch it on."""
        _check_fits(self.module, part)
        self.parts.append(part)
        if part.extra_in_channels and self.condition_input is None:
            _replace_conv_in(self.module, ConditionInput)
        try:
            self.change(part, enabled=True)
        except BaseException:
            self._forget(part)
            raise

    def remove(self, part: Part) -> None:
        if part in self.parts and self._module() is not None:
            self.change(part, enabled=False)
            self._forget(part)

    def change(
        self, part: Part, *, enabled: bool | None = None, strength: float | None = None
    ) -> None:
        """Switch ``part`` or weigh it anew; where that fails, everything is as it was."""
        before = (part.enabled, part.strength)
        enabled = part.enabled if enabled is None else enabled
        wanted = (enabled, part.strength if strength is None else strength)
        if wanted == before:
            return
        self._check_change(part, enabled)
        done: list[str] = []
        try:
            part.enabled, part.strength = wanted
            for name in part.changes:
                done.append(name)
                self._rewrite(name)
        except BaseException:
            part.enabled, part.strength = before
            for name in done:
                self._rewrite(name)
            raise

    def _check_change(self, part: Part, enabled: bool) -> None:
        if part not in self.parts:
            raise InvalidRequest("The patch was removed.", advice="Apply it again.")
        _check_writable(self.module, part.changes)
        others = (other for other in self.parts if other is not part and other.enabled)
        if enabled and part.extra_in_channels and any(o.extra_in_channels for o in others):
            raise InvalidRequest(
                "Another patch that takes a condition is switched on.",
                advice="Disable or remove it first.",
            )

    def _forget(self, part: Part) -> None:
        self.parts.remove(part)
        needed = {name for other in self.parts for name in other.changes}
        for name in part.changes.keys() - needed:
            self._originals.discard(name)
        conv_in = self.condition_input
        if conv_in is not None and not any(other.extra_in_channels for other in self.parts):
            _replace_conv_in(self.module, lambda _: conv_in.restored())

    @torch.no_grad()
    def _rewrite(self, name: str) -> None:
        weight = _weight(self.module, name)
        assert weight is not None, name
        active = [part for part in self.parts if part.weighs(name)]
        if active:
            self._merge(name, weight, active)
        elif name in self._merged:
            self._originals.restore(name, weight)
            self._merged.discard(name)
        if name == CONV_IN and self.condition_input is not None:
            self.condition_input.extra_weight = self._extra_weight(weight)

    def _merge(self, name: str, weight: Tensor, parts: list[Part]) -> None:
        exact = torch.promote_types(weight.dtype, torch.float32)
        if name not in self._originals:
            self._originals.save(name, weight)
        base = self._originals.read(name) if name in self._merged else weight
        total = base.to(weight.device, exact, copy=True)
        for part in parts:
            delta = part.changes[name].delta(weight.device)
            total.add_(_of_width(delta, weight.shape), alpha=part.strength)
        self._merged.add(name)
        weight.copy_(total)
        # A sum over what was written: one number that is finite only if all of them are.
        if not torch.isfinite(weight.sum(dtype=exact)):
            raise NumericalFailure(
                f"With the patch, {name} is not finite in {weight.dtype}.",
                advice="Load the base model in bfloat16 or float32, or lower the strength.",
            )

    def _extra_weight(self, weight: Tensor) -> Tensor | None:
        for part in self.parts:
            if part.enabled and part.extra_in_channels:
                delta = part.changes[CONV_IN].delta(weight.device)
                return (delta[:, weight.shape[1] :] * part.strength).to(weight.dtype)
        return None


def _check_writable(module: nn.Module, changes: Changes) -> None:
    weights = [weight for name in changes if (weight := _weight(module, name)) is not None]
    if any(weight.is_meta for weight in weights) or _is_group_offloaded(module):
        raise InvalidRequest(
            "A patch cannot reach weights that are offloaded layer by layer.",
            advice="Use enable_model_cpu_offload, or change patches before the offloading is set.",
        )
    plain = (Tensor, nn.Parameter)
    if any(type(weight) not in plain or weight.dtype not in _PLAIN_TYPES for weight in weights):
        raise InvalidRequest(
            "A patch cannot be merged into quantised weights.",
            advice="Load the base model in float16, bfloat16 or float32.",
        )
    if any(getattr(part, "fused_projections", False) for part in module.modules()):
        raise InvalidRequest(
            "A patch cannot be merged into fused projections.",
            advice="Call unfuse_qkv_projections first.",
        )


def _is_group_offloaded(module: nn.Module) -> bool:
    registries = (getattr(part, "_diffusers_hook", None) for part in module.modules())
    return any(hooks and hooks.get_hook("group_offloading") for hooks in registries)


def _check_fits(module: nn.Module, part: Part) -> None:
    _check_writable(module, part.changes)
    expected, found = {}, {}
    for name, change in part.changes.items():
        weight = _weight(module, name)
        found[name] = change.shape
        if weight is not None:
            shape = tuple(weight.shape)
            widens = name == CONV_IN and _differs_in_width(change.shape, shape)
            expected[name] = change.shape if widens else shape
    if expected != found:
        raise mismatch(type(module).__name__, expected, found)


def _differs_in_width(shape: tuple[int, ...], base: tuple[int, ...]) -> bool:
    """Whether only the input channels differ, and the condition's are told from the latents'."""
    same = len(shape) == len(base) == 4 and (shape[0], *shape[2:]) == (base[0], *base[2:])
    return same and (base[1] == LATENT_CHANNELS < shape[1] or shape[1] == LATENT_CHANNELS < base[1])


def _of_width(delta: Tensor, shape: torch.Size) -> Tensor:
    """``delta`` cut or padded with zeros to as many input channels as the weight has."""
    if delta.shape == shape:
        return delta
    return nn.functional.pad(delta, (0, 0, 0, 0, 0, shape[1] - delta.shape[1]))


def _weight(module: nn.Module, name: str) -> Tensor | None:
    owner = _owner_of_weight(module, name)
    weight = getattr(owner, name.rpartition(".")[2], None)
    return weight if isinstance(weight, Tensor) else None


def _owner_of_weight(module: nn.Module, name: str) -> nn.Module | None:
    """The layer itself, also where PEFT wrapped adapters around it."""
    try:
        owner = module.get_submodule(name.rpartition(".")[0])
    except AttributeError:
        return None
    while isinstance(inner := getattr(owner, "base_layer", None), nn.Module):
        owner = inner
    return owner


def _replace_conv_in(module: nn.Module, replacement: Callable[[nn.Conv2d], nn.Conv2d]) -> None:
    parent, name = module, CONV_IN.rpartition(".")[0]
    while hasattr(getattr(parent, name), "base_layer"):
        parent, name = getattr(parent, name), "base_layer"
    setattr(parent, name, replacement(getattr(parent, name)))
