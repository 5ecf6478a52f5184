"""What networks weigh, what running one takes, and giving a device its memory back."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.hooks import CpuOffload
from diffusers.utils.torch_utils import get_module_execution_device
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def bytes_on(kind: str, *modules: nn.Module) -> int:
    """Bytes of the networks' weights that lie on devices of a kind, as "cpu" or "cuda"."""
    weights = (t for module in modules for t in _weights(module) if t.device.type == kind)
    return sum(t.numel() * t.element_size() for t in weights)


def parameter_count(module: nn.Module) -> int:
    return sum(t.numel() for t in module.parameters())


def largest_leaf(module: nn.Module) -> int:
    """Parameters of the largest layer: what sequential offloading holds on the device at once."""
    return max(sum(p.numel() for p in m.parameters(recurse=False)) for m in module.modules())


def activation_peak(run: Callable[[], Any]) -> int:
    """The most bytes that tensors made inside ``run`` take up at one time.

    Counted from the operators' outputs, so that it is exact for what PyTorch is asked to hold and
    the same on the meta device, where a full-size network runs in a second and takes no memory.
    Workspaces inside kernels are not seen. Attention counts as its output alone, which is what the
    fused kernels of every backend hold.
    """
    with torch.no_grad(), _FusedAttention(), _LiveBytes() as live:
        run()
    return live.peak


def own_parameter(module: nn.Module, name: str) -> Tensor:
    """A parameter that ``module`` itself holds, to be used outside of its forward pass.

    Under accelerate's sequential offloading it is on the meta device between passes; then it is
    fetched by the module's own hook, and a copy stays on the device that the module runs on.
    """
    parameter = getattr(module, name)
    if not parameter.is_meta:
        return parameter.to(get_module_execution_device(module))
    hook: Any = getattr(module, "_hf_hook", None)
    assert hook is not None, f"{name} has no values and nothing to fetch them with"
    hook.pre_forward(module)
    copy = getattr(module, name).detach().clone()
    hook.post_forward(module, None)
    return copy


@contextmanager
def released(*modules: nn.Module | None, device: torch.device | str) -> Iterator[None]:
    """Networks that are needed on ``device`` inside the ``with`` only, such as text encoders.

    Afterwards they are in main memory and the device has room for what follows. Networks that
    accelerate offloads come and go by its hooks; those of whole models are sent off at once
    instead of when the next one is called. Nothing moves on a CPU.
    """
    there = [module for module in modules if module is not None]
    if torch.device(device).type == "cpu":
        yield
        return
    for module in there:
        if not hasattr(module, "_hf_hook"):
            module.to(device)
    try:
        yield
    finally:
        for module in there:
            _send_off(module)
        empty_cache()


def empty_cache() -> None:
    """Give memory that PyTorch keeps for later back to the GPU, where one is in use."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _send_off(module: nn.Module) -> None:
    hook: Any = getattr(module, "_hf_hook", None)
    if hook is None:
        module.to("cpu")
    elif isinstance(hook, CpuOffload):
        hook.init_hook(module)  # what accelerate itself does to offload it


def _weights(module: nn.Module) -> Iterator[Tensor]:
    return itertools.chain(module.parameters(), module.buffers())


class _FusedAttention(TorchFunctionMode):
    """Runs SDPA as one operator: on the meta device PyTorch would write out the scores."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is nn.functional.scaled_dot_product_attention:
            given = dict(zip(("query", "key", "value"), args, strict=False)) | kwargs
            q, v = given["query"], given["value"]
            if q.is_meta:
                return q.new_empty(*q.shape[:-1], v.shape[-1])
        return func(*args, **kwargs)


class _LiveBytes(TorchDispatchMode):
    """Adds up storages from when an operator makes them until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._known: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = {t.untyped_storage()._cdata for t in _tensors((args, kwargs))}
        out = func(*args, **kwargs)
        for tensor in _tensors(out):
            storage = tensor.untyped_storage()
            if storage._cdata not in given and storage._cdata not in self._known:
                self._add(storage)
        return out

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()

        def forget(_: weakref.ref) -> None:
            del self._known[key]
            self.live -= size

        self._known[key] = weakref.ref(storage, forget)
        self.live += size
        self.peak = max(self.peak, self.live)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
