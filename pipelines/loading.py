"""Where weights meet models: base models, LoRA, ControlNet and IP-Adapter as one pipeline.

Only files on this machine are read, and only tensors from them. The last pipeline is kept, so that
a batch, a chain or the next run of the same model does not load it again.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.controlnets.controlnet_flux import FluxControlNetModel
from torch import nn

from layerstudio.errors import Cancelled, MismatchedWeights, UnreadableFile
from layerstudio.generate_request import Adapter
from layerstudio.models.memory import bytes_on, empty_cache
from layerstudio.models.sizes import Family
from layerstudio.pipelines.base_family import check_base
from layerstudio.pipelines.base_models import Found, configured_like, find_model, only_file
from layerstudio.pipelines.load_errors import OTHER_FAMILY, explained_load
from layerstudio.pipelines.needs import is_registered
from layerstudio.weights.registry import checkpoint
from layerstudio.weights.store import located_file

T = TypeVar("T")

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")


@dataclass(frozen=True)
class Wanted:
    """A pipeline class with weights: whatever is equal in all of this need not be loaded again.

    ``base_id`` is the registry's base of the family, with whose tokenizers single files are read;
    ``placement`` whatever else the pipeline was set up for. ``check`` looks at the base first.
    ``family`` is None for pipelines of diffusers that are of none of ours.
    """

    kind: type[Any]
    family: Family | None
    base: Found
    base_id: str
    dtype: torch.dtype
    loras: tuple[Adapter, ...] = ()
    controlnet: Adapter | None = None
    ip_adapter: Adapter | None = None
    placement: tuple[Hashable, ...] = ()
    check: Callable[[Found, Any], None] = check_base


@dataclass(frozen=True)
class _Idle:
    """What was made of a pipeline, and its networks, to see whether they are gone."""

    wanted: Hashable
    ready: Any
    networks: tuple[weakref.ref[nn.Module], ...]


class _Kept:
    """One idle pipeline at most; whoever takes it has it alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: _Idle | None = None

    def take(self, wanted: Hashable) -> _Idle | None:
        """What is idle if it is the one wanted; any other one is let go."""
        with self._lock:
            idle, self._idle = self._idle, None
        if idle is None or idle.wanted == wanted:
            return idle
        networks = idle.networks
        del idle
        if any(network() is not None for network in networks):
            gc.collect()  # hooks of diffusers may tie networks to themselves
        empty_cache()
        return None

    def give_back(self, idle: _Idle) -> None:
        with self._lock:
            self._idle = idle

    def networks(self) -> list[nn.Module]:
        """Those of what is idle now."""
        with self._lock:
            references = self._idle.networks if self._idle else ()
        return [module for network in references if (module := network()) is not None]

    def held(self, kind: str) -> int:
        with self._lock:
            networks = self._idle.networks if self._idle else ()
        there = [network() for network in networks]
        return bytes_on(kind, *(network for network in there if network is not None))


_kept = _Kept()


@contextmanager
def borrowed(wanted: Wanted, make: Callable[[Any], T]) -> Iterator[T]:
    """What ``make(pipeline)`` made of the pipeline of ``wanted``, in this run or in the last.

    It is kept for the next run, unless this one fails. Raises as ``load`` does.
    """
    with kept(wanted, lambda: load(wanted), make) as ready:
        yield ready


@contextmanager
def kept(key: Hashable, read: Callable[[], Any], make: Callable[[Any], T]) -> Iterator[T]:
    """As ``borrowed``, of the pipeline that ``read()`` loads; ``key`` is all that it depends on."""
    idle = _kept.take(key)
    if idle is None:
        pipeline = read()
        parts = pipeline.components.values()
        networks = tuple(weakref.ref(part) for part in parts if isinstance(part, nn.Module))
        idle = _Idle(key, make(pipeline), networks)
        del pipeline, parts
    try:
        yield idle.ready
    except Cancelled:
        _kept.give_back(idle)
        raise
    _kept.give_back(idle)


def kept_bytes(kind: str) -> int:
    """What the kept pipeline's weights take on devices of a kind ("cpu", "cuda"): free for whoever
    takes it, or has it let go."""
    return _kept.held(kind)


def idle_networks() -> list[nn.Module]:
    """Those that are kept for the next run, and let go where it is another: their memory is free
    for whatever comes."""
    return _kept.networks()


def forget() -> None:
    """Let the kept pipeline go."""
    _kept.take(None)


def load(wanted: Wanted) -> Any:
    """A new pipeline on the CPU with its adapters.

    Raises ``UnreadableFile``, ``MissingWeights``, ``InvalidRequest`` or ``MismatchedWeights``, in
    one sentence, for whatever is wrong with the files.
    """
    pipeline = _base(wanted)
    pipeline.set_progress_bar_config(disable=True)
    _add_loras(pipeline, wanted)
    if wanted.controlnet is not None:
        controlnet = _controlnet(wanted, wanted.controlnet)
        _check_goes_with(controlnet, pipeline, wanted)
        pipeline.register_modules(controlnet=controlnet)
    if wanted.ip_adapter is not None:
        _add_ip_adapter(pipeline, wanted.ip_adapter)
    return pipeline


def _base(wanted: Wanted) -> Any:
    found = wanted.base
    wanted.check(found, wanted.family)
    options: dict[str, Any] = {"local_files_only": True, "dtype": wanted.dtype}
    in_float32 = getattr(wanted.kind, "components_in_float32", ())
    if in_float32:
        options["dtype"] = {"default": wanted.dtype, **dict.fromkeys(in_float32, torch.float32)}
    if wanted.family == "sd15":
        options |= {"safety_checker": None, "requires_safety_checker": False}
        options |= {"feature_extractor": None}
    if wanted.controlnet is not None:  # which joins once it is known to fit
        options["controlnet"] = None
    with explained_load(f"The base model {found.weights!r}"):
        if found.path.is_file():
            assert wanted.family is not None, "a single file is of a known family"
            config = str(configured_like(wanted.family, wanted.base_id))
            return wanted.kind.from_single_file(str(found.path), config=config, **options)
        return wanted.kind.from_pretrained(
            found.path, variant=found.variant, use_safetensors=True, **options
        )


def _add_loras(pipeline: Any, wanted: Wanted) -> None:
    names = []
    for index, adapter in enumerate(wanted.loras):
        name = f"user_{index}"
        with explained_load(f"The LoRA {adapter.source!r}"):
            path = only_file(_found(adapter.source, "LoRA"), _WEIGHTS, "LoRA")
            pipeline.load_lora_weights(
                str(path.parent), weight_name=path.name, adapter_name=name, local_files_only=True
            )
        names.append(name)
        if name not in {key for keys in pipeline.get_list_adapters().values() for key in keys}:
            raise MismatchedWeights(
                f"The LoRA {adapter.source!r} changes nothing in {wanted.base.weights!r}.",
                advice="It was made for another family of models, or is no LoRA.",
            )
    if names:
        pipeline.set_adapters(names, [adapter.weight for adapter in wanted.loras])


def _controlnet(wanted: Wanted, adapter: Adapter) -> Any:
    kind = FluxControlNetModel if wanted.family == "flux" else ControlNetModel
    found = _found(adapter.source, "ControlNet")
    options: dict[str, Any] = {"dtype": wanted.dtype, "local_files_only": True}
    folder = found.path.parent if found.path.is_file() else found.path
    with explained_load(f"The ControlNet {adapter.source!r}"):
        config: Any = kind.load_config(folder, local_files_only=True)
        stored = config.get("_class_name")
        if stored != kind.__name__:
            raise MismatchedWeights(
                f"{adapter.source!r} is a {stored}, not a {kind.__name__}.", advice=OTHER_FAMILY
            )
        return kind.from_pretrained(folder, variant=found.variant, **options)


def _check_goes_with(controlnet: Any, pipeline: Any, wanted: Wanted) -> None:
    """Raise ``MismatchedWeights`` for a ControlNet whose text is not the base's."""
    denoiser = pipeline.transformer if wanted.family == "flux" else pipeline.unet
    name = "joint_attention_dim" if wanted.family == "flux" else "cross_attention_dim"
    found, expected = controlnet.config.get(name), denoiser.config.get(name)
    if found != expected:
        assert wanted.controlnet is not None
        raise MismatchedWeights(
            f"The ControlNet {wanted.controlnet.source!r} reads text of width {found}, and "
            f"{wanted.base.weights!r} has {expected}.",
            advice=OTHER_FAMILY,
        )


def _add_ip_adapter(pipeline: Any, adapter: Adapter) -> None:
    """The adapter's file and the image encoder of its repository (``models/image_encoder``)."""
    found = _found(adapter.source, "IP-Adapter")
    with explained_load(f"The IP-Adapter {adapter.source!r}"):
        patterns = [f"ip[-_]adapter{ending}" for ending in ("*.safetensors", "*.bin")]
        path = only_file(found, patterns, "IP-Adapter")
        encoder = _image_encoder_beside(path)
        pipeline.load_ip_adapter(
            str(encoder.parents[1]),
            subfolder=str(path.parent.relative_to(encoder.parents[1])),
            weight_name=path.name,
            image_encoder_folder="/".join(encoder.parts[-2:]),
            local_files_only=True,
        )
        pipeline.set_ip_adapter_scale(adapter.weight)


def _image_encoder_beside(path: Any) -> Any:
    """The folder that published IP-Adapters keep their image encoder in, near the adapter."""
    for folder in list(path.parents)[:3]:
        for place in ("models/image_encoder", "image_encoder"):
            if (folder / place / "config.json").is_file():
                return folder / place
    raise UnreadableFile(
        f"No image encoder lies beside {path.name!r}.",
        advice="Keep the folder models/image_encoder of its repository with it.",
    )


def _found(source: str, what: str) -> Found:
    if is_registered(source) and len(checkpoint(source).files) == 1:
        return Found(located_file(source), source)
    return find_model(source, what)
