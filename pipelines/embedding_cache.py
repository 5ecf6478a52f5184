"""Prompts' embeddings, kept for as long as their encoders stay what they are.

The negative prompt is the same in most runs and costs as much to encode as the prompt; encoders
that are not asked for need not be brought to the device at all.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from itertools import count

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

Embeddings = tuple[Tensor, ...]

_DEFAULT_CAPACITY = 64  # embeddings: 40 MB of SDXL's, 260 MB of FLUX's


class EmbeddingCache:
    """The least recently used go first. Tensors are kept in main memory; safe with threads."""

    def __init__(self, capacity: int = _DEFAULT_CAPACITY) -> None:
        self.capacity = capacity
        self._entries: OrderedDict[Hashable, Embeddings] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self,
        encoders: Sequence[nn.Module],
        text: Hashable,
        encode: Callable[[], Embeddings],
        *,
        device: torch.device | str,
    ) -> Embeddings:
        """What ``encode()`` gives for ``text`` by these encoders, on ``device``.

        ``text`` is all that the result depends on beside the encoders: the words, how they are
        weighed, which layer is taken. Two threads that miss at once both encode.
        """
        key = (tuple(_identity(encoder) for encoder in encoders), text)
        with self._lock:
            kept = self._entries.get(key)
            if kept is not None:
                self._entries.move_to_end(key)
        if kept is None:
            kept = tuple(tensor.detach().to("cpu", copy=True) for tensor in encode())
            self._put(key, kept)
        return tuple(tensor.to(device, copy=True) for tensor in kept)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _put(self, key: Hashable, value: Embeddings) -> None:
        with self._lock:
            self._entries[key] = value
            while len(self._entries) > self.capacity:
                self._entries.popitem(last=False)


EMBEDDINGS = EmbeddingCache()
"""The process's own, so that the same negative prompt is encoded once."""

_serials: weakref.WeakKeyDictionary[nn.Module, int] = weakref.WeakKeyDictionary()
_next_serial = count()


def _identity(encoder: nn.Module) -> Hashable:
    """One encoder in one state: another after its weights, precision or adapters change.

    A serial number and not ``id``, which a later object may get again. In-place changes, such as a
    merged LoRA, count up a tensor's version; an adapter's scale is no tensor.
    """
    serial = _serials.get(encoder)
    if serial is None:
        serial = _serials[encoder] = next(_next_serial)
    parameters = list(encoder.parameters())
    versions = sum(parameter._version for parameter in parameters)
    dtypes = frozenset(parameter.dtype for parameter in parameters)
    return serial, len(parameters), versions, dtypes, _adapters(encoder)


def _adapters(encoder: nn.Module) -> Hashable:
    """peft's layers say which adapters are on and how strongly."""
    found: list[Hashable] = []
    for name, layer in encoder.named_modules():
        if isinstance(layer, BaseTunerLayer):
            scaling: dict[str, float] = getattr(layer, "scaling", {})
            found.append((name, *layer.active_adapters, layer.disable_adapters, *scaling.items()))
    return tuple(found)
