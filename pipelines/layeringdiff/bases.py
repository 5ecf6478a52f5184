"""The model that draws the picture: which of diffusers' pipelines runs it, and what it takes.

Whatever ``AutoPipelineForText2Image`` and ``AutoPipelineForImage2Image`` know is taken, and asked
by its call's signature what it understands. Nothing is loaded here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.models.families import recognise
from layerstudio.models.sizes import Family
from layerstudio.pipelines.base_family import check_base, check_network
from layerstudio.pipelines.base_models import Found, find_model

DEFAULT_BASES: dict[Family, str] = {"sdxl": "sdxl-base", "sd15": "sd15-base", "flux": "flux-dev"}
_KNOWN: dict[Family, str] = {
    "sdxl": "StableDiffusionXLPipeline",
    "sd15": "StableDiffusionPipeline",
    "flux": "FluxPipeline",
}
DENOISERS = ("unet", "transformer")
_INDEX = "model_index.json"


@dataclass(frozen=True)
class Base:
    """``kind`` is diffusers' class that runs it; ``family`` is None for models of none of ours."""

    found: Found
    family: Family | None
    kind: type[Any]
    components: Mapping[str, tuple[str, str]]  # library and class, of what the index names

    @property
    def title(self) -> str:
        return self.kind.__name__.removesuffix("Pipeline")

    @property
    def takes(self) -> Mapping[str, Parameter]:
        """The arguments of its call."""
        return signature(self.kind.__call__).parameters

    def default(self, name: str) -> Any:
        """Of an argument; None where there is none, or no such argument."""
        found = self.takes.get(name)
        return None if found is None or found.default is Parameter.empty else found.default


def read_base(name: str, *, varies: bool = False, steered: bool = False) -> Base:
    """The base called ``name``, to be run on text, or on a picture where it ``varies`` one; with a
    ControlNet where it is ``steered``.

    Raises ``InvalidRequest`` for a model that does not do that, ``UnreadableFile`` for what is no
    model, and what ``find_model`` does.
    """
    found = find_model(name, "base model")
    recognised = recognise(found.path)
    family = recognised.family if recognised else None
    if found.path.is_file():
        index: dict[str, Any] = {}
        if family is None:
            raise InvalidRequest(
                f"The single file {found.weights!r} is of no family that is known here.",
                advice="Give the folder that diffusers saved, with its model_index.json.",
            )
        stored = _KNOWN[family]
    else:
        index = _index_of(found.path)
        stored = _class_name(index, found)
    kind = _pipeline_class(stored, varies, found)
    if steered:
        kind = _steered(kind, family, found)
    return Base(found, family, kind, _components(index))


def check(base: Base) -> None:
    """Raise ``InvalidRequest``, ``MismatchedWeights`` or ``UnreadableFile`` for a denoiser that is
    not whole, or not made for text alone."""
    if base.family is not None:
        check_base(base.found, base.family)
        return
    for name in set(DENOISERS) & set(base.components):
        library, class_name = base.components[name]
        config = _json(base.found.path / name / "config.json")
        if name == "unet":
            _check_channels(base, config)
        if library == "diffusers" and "quantization_config" not in config:
            import diffusers

            check_network(base.found, name, getattr(diffusers, class_name))


def configuration(base: Base, name: str) -> dict[str, Any]:
    """Of a component in the base's folder; empty where it has none."""
    paths = (base.found.path / name / file for file in ("config.json", f"{name}_config.json"))
    path = next((path for path in paths if path.is_file()), None)
    return _json(path) if path else {}


def _check_channels(base: Base, unet: Mapping[str, Any]) -> None:
    """Models for inpainting, depth or enlarging take more than noisy latents."""
    latent = configuration(base, "vae").get("latent_channels")
    if latent is not None and unet.get("in_channels", latent) != latent:
        raise InvalidRequest(
            f"The base model {base.found.weights!r} does not start from text alone: its network "
            f"takes {unet['in_channels']} channels, and a picture has {latent}.",
            advice="Choose a text-to-image model.",
        )


def _index_of(path: Path) -> dict[str, Any]:
    if not (path / _INDEX).is_file():
        raise UnreadableFile(
            f"{str(path)!r} is no pipeline of diffusers: it holds no {_INDEX}.",
            advice="Give the folder that diffusers saved, or a single .safetensors file.",
        )
    return _json(path / _INDEX)


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{str(path)!r} is not a sound configuration.") from error
    if not isinstance(data, dict):
        raise UnreadableFile(f"{str(path)!r} is not a sound configuration.")
    return data


def _class_name(index: Mapping[str, Any], found: Found) -> str:
    name = index.get("_class_name")
    if isinstance(name, str):
        return name
    raise InvalidRequest(
        f"The base model {found.weights!r} comes with code of its own, which is never run.",
        advice="Choose one that diffusers itself has a pipeline for.",
    )


def _pipeline_class(stored: str, varies: bool, found: Found) -> type[Any]:
    """What diffusers' automatic pipelines take for a folder that says ``stored``."""
    if not varies and stored in _KNOWN.values():  # without importing every pipeline there is
        import diffusers

        return getattr(diffusers, stored)
    from diffusers.pipelines import auto_pipeline as auto

    tables = [auto.AUTO_TEXT2IMAGE_PIPELINES_MAPPING, auto.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING]
    every = [*tables, auto.AUTO_INPAINT_PIPELINES_MAPPING]
    key = next(
        (key for table in every for key, kind in table.items() if kind.__name__ == stored), None
    )
    kind: Any = tables[varies].get(key)
    if kind is None or "Control" in stored or not _makes_pictures(kind):
        what = "varies a picture" if varies else "makes a picture of text"
        raise InvalidRequest(
            f"Diffusers knows no way in which {found.weights!r} ({stored}) {what} alone.",
            advice="Choose another base model, such as sdxl-base.",
        )
    return kind


def _makes_pictures(kind: Any) -> bool:
    """Not films; and by words that can be given."""
    names = signature(kind.__call__).parameters
    return "num_frames" not in names and {"prompt", "num_inference_steps"} <= set(names)


def _steered(kind: type[Any], family: Family | None, found: Found) -> type[Any]:
    """The class with a ControlNet; the checks of loading know those of our three families."""
    if family is None:
        raise InvalidRequest(
            f"A ControlNet goes with SDXL, SD 1.5 and FLUX here, and {found.weights!r} is none.",
            advice="Leave it out, or choose another base model.",
        )
    import diffusers

    name = kind.__name__
    end = "Img2ImgPipeline" if name.endswith("Img2ImgPipeline") else "Pipeline"
    return getattr(diffusers, f"{name.removesuffix(end)}ControlNet{end}")


def _components(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """What the index names, without what it leaves empty and plain options."""
    pairs = {
        name: (value[0], value[1])
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2
    }
    return {name: (str(library), str(kind)) for name, (library, kind) in pairs.items() if library}
