"""The published pieces of a multi-layer pipeline, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from layerstudio.errors import InvalidRequest
from layerstudio.pipelines.base_models import find_model
from layerstudio.pipelines.needs import is_registered, require
from layerstudio.weights.registry import checkpoint
from layerstudio.weights.store import located

BASE = "flux-dev"
_ADAPTER_BASE = "flux-inpaint-alpha"
_LORA = "pytorch_lora_weights.safetensors"
_LAYER_PE = ("layer_pe.safetensors", "layer_pe.pth")  # as training here and elsewhere saves them


@dataclass(frozen=True)
class FusedLora:
    """A LoRA's file, or the folder that diffusers saved it in; ``weight`` is its strength."""

    path: Path
    weight: float = 1.0

    @property
    def file(self) -> Path:
        return self.path / _LORA if self.path.is_dir() else self.path


@dataclass(frozen=True)
class Pieces:
    """What one pipeline is made of.

    ``base`` is a folder of FLUX.1; ``transformer`` a folder with a whole transformer instead of
    the base's, as ART published and training saves. ``loras`` are fused into it in their order,
    ``adapter_loras`` into ``adapter``, a folder with the inpainting ControlNet (without it the
    pipeline takes no pictures apart). ``layer_pe`` is a file with the layers' vectors; without it
    they are those beside the last LoRA that has some, or the transformer's. ``decoder`` is the
    transparency decoder, a file or a folder.
    """

    base: Path
    decoder: Path
    transformer: Path | None = None
    loras: tuple[FusedLora, ...] = ()
    layer_pe: Path | None = None
    adapter: Path | None = None
    adapter_loras: tuple[FusedLora, ...] = ()

    @property
    def layer_vectors(self) -> Path | None:
        """The file of the layers' vectors, if they are not the transformer's own."""
        folders = [lora.path for lora in reversed(self.loras) if lora.path.is_dir()]
        beside = (folder / name for folder in folders for name in _LAYER_PE)
        return self.layer_pe or next((path for path in beside if path.is_file()), None)


def pieces_of(id: str, base: str = BASE) -> Pieces:
    """The pieces of a row of the registry, on this machine, for FLUX.1 by id, folder or hub name.

    Raises ``InvalidRequest`` for a row that is none, ``MissingWeights`` for what is not here.
    """
    if id not in _LAYOUTS:
        raise InvalidRequest(
            f"{id!r} is not published in pieces that make a pipeline.",
            advice=f"Choose {' or '.join(_LAYOUTS)}, or name the pieces.",
        )
    needed = (id, base, _ADAPTER_BASE) if id == "cld" else (id, base)
    require((one for one in needed if not _is_withdrawn(one)), f"Converting {id}")
    return _LAYOUTS[id](located(id), find_model(base, "base model").path)


def chosen_pieces(
    id: str | None,
    base: str = BASE,
    *,
    loras: Sequence[FusedLora] = (),
    adapter_loras: Sequence[FusedLora] = (),
    **own: Path | None,
) -> Pieces:
    """Those of a row, or none, with ``own`` ones by their names in ``Pieces`` instead, and LoRAs
    after the row's. Errors as for ``pieces_of``; ``InvalidRequest`` without a decoder."""
    given = {name: path for name, path in own.items() if path is not None}
    if id is not None:
        pieces = replace(pieces_of(id, base), **given)
    elif "decoder" not in given:
        raise InvalidRequest(
            "A pipeline needs a transparency decoder.", advice="Name its file or folder."
        )
    else:
        start = Pieces(base=find_model(base, "base model").path, decoder=given["decoder"])
        pieces = replace(start, **given)
    return replace(
        pieces,
        loras=(*pieces.loras, *loras),
        adapter_loras=(*pieces.adapter_loras, *adapter_loras),
    )


def _is_withdrawn(name: str) -> bool:
    """Then advice to pull it would be wrong."""
    return is_registered(name) and bool(checkpoint(name).withdrawn)


def _cld(folder: Path, base: Path) -> Pieces:
    """In the order of CLD's `infer.py`: both earlier trainings, then the decomposition's own."""
    ckpt = folder / "ckpt"
    loras = ("pre_trained_LoRA", "prism_ft_LoRA", "decouple_LoRA/transformer")
    return Pieces(
        base=base,
        decoder=ckpt / "trans_vae" / "0008000.pt",
        loras=tuple(FusedLora(ckpt / name) for name in loras),
        layer_pe=ckpt / "decouple_LoRA" / "layer_pe.pth",
        adapter=located(_ADAPTER_BASE),
        adapter_loras=(FusedLora(ckpt / "decouple_LoRA" / "adapter"),),
    )


def _art(folder: Path, base: Path) -> Pieces:
    return Pieces(base=base, decoder=folder / "transp_vae", transformer=folder / "transformer")


_LAYOUTS = {"cld": _cld, "art": _art}
