"""Where training examples come from: drawn designs, layered files, PrismLayersPro's layout."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

import layerstudio
from layerstudio.document import Layer, Role
from layerstudio.errors import InvalidRequest, UnreadableFile
from layerstudio.geometry import Bounds, Extent
from training.assets import Assets
from training.designs import make_design
from training.multilayer_data import Example, example_of
from training.multilayer_flatten import flattened
from training.splits import Split

LAYERED = (".psd", ".psb", ".ora")
INDEX = "metadata.jsonl"
_KEPT = 128  # examples held in memory by each source


class Source(Protocol):
    """Examples by number: the same number is always the same example. ``size`` None: endless."""

    @property
    def size(self) -> int | None: ...

    def example(self, number: int) -> Example: ...


class Designs:
    """``training.designs`` by seed: endless, or the first ``count`` that have few layers."""

    def __init__(
        self,
        *,
        split: Split = "train",
        count: int | None = None,
        longest: int | None = None,
        most_layers: int | None = None,
        assets: Assets | None = None,
    ) -> None:
        """``most_layers`` passes over seeds of more layers, background included; they are tried
        in turn, so leave it out for long runs."""
        self.size = count
        self._split: Split = split
        self._longest = longest
        self._most = most_layers
        self._assets = assets or Assets.best()
        self._seeds: list[int] = []
        self.example = lru_cache(_KEPT)(self._example)

    def _example(self, number: int) -> Example:
        design = make_design(self._seed(number), self._split, assets=self._assets)
        layers = design.document.layers
        captions = [f"{layer.role.value} {layer.name}" for layer in layers]
        return example_of(
            design.document.extent,
            list(zip(layers, captions, strict=True)),
            "; ".join(captions),
            longest=self._longest,
        )

    def _seed(self, number: int) -> int:
        if self._most is None:
            return number
        while len(self._seeds) <= number:
            seed = self._seeds[-1] + 1 if self._seeds else 0
            while not self._is_small(seed):
                seed += 1
            self._seeds.append(seed)
        return self._seeds[number]

    def _is_small(self, seed: int) -> bool:
        assert self._most is not None
        design = make_design(seed, self._split, assets=self._assets)
        return len(design.document.layers) <= self._most


class LayeredFiles:
    """The PSD, PSB and ORA files below a folder, by name.

    The prompt is the text of ``NAME.txt`` beside ``NAME.psd``, else the file's name in words;
    captions are live text and layers' names.
    """

    def __init__(
        self, folder: Path, *, count: int | None = None, longest: int | None = None
    ) -> None:
        found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in LAYERED)
        if not found:
            raise InvalidRequest(f"There is no {', '.join(LAYERED)} below {str(folder)!r}.")
        self._paths = found[:count]
        self._longest = longest
        self.size = len(self._paths)
        self.example = lru_cache(_KEPT)(self._example)

    def _example(self, number: int) -> Example:
        path = self._paths[number]
        document = layerstudio.open(path)
        beside = path.with_suffix(".txt")
        words = path.stem.replace("_", " ").replace("-", " ")
        prompt = beside.read_text().strip() if beside.is_file() else words
        return example_of(document.extent, flattened(document), prompt, longest=self._longest)


class PrismLayers:
    """A folder of pictures and ``metadata.jsonl``, one JSON object a line with the fields of
    PrismLayersPro (arXiv:2505.22523): ``whole_caption``, ``base_image``, ``layer_count``,
    ``layer_00``, ``layer_00_box`` [left, top, right, bottom] in pixels of the canvas, and so on;
    pictures are paths from that folder. ``layer_00_caption`` is read where it is there. The
    composite is rendered from the layers, so ``whole_image`` is not needed."""

    def __init__(
        self, folder: Path, *, count: int | None = None, longest: int | None = None
    ) -> None:
        self._folder = folder
        self._longest = longest
        lines = (folder / INDEX).read_text().splitlines()
        self._lines = [line for line in lines if line.strip()][:count]
        if not self._lines:
            raise InvalidRequest(f"{str(folder / INDEX)!r} is empty.")
        self.size = len(self._lines)
        self.example = lru_cache(_KEPT)(self._example)

    def _example(self, number: int) -> Example:
        where = f"Line {number + 1} of {str(self._folder / INDEX)!r}"
        try:
            row = json.loads(self._lines[number])
            base = self._picture(row["base_image"])
            canvas = Extent(*base.size)
            pixels = np.asarray(base)
            ground = Layer("Background", Bounds.full(canvas), pixels, role=Role.BACKGROUND)
            layers = [(ground, str(row.get("base_caption", "background")))]
            layers += [self._layer(row, f"layer_{k:02d}") for k in range(int(row["layer_count"]))]
            prompt = str(row["whole_caption"])
        except KeyError as error:
            raise UnreadableFile(f"{where} lacks the field {error}.") from error
        except (TypeError, ValueError, OSError) as error:
            raise UnreadableFile(f"{where} cannot be read: {error}.") from error
        return example_of(canvas, layers, prompt, longest=self._longest)

    def _layer(self, row: dict[str, Any], key: str) -> tuple[Layer, str]:
        """Pictures fill their boxes; where the sizes differ they are resampled (published code)."""
        bounds = Bounds.from_edges(*(int(edge) for edge in row[f"{key}_box"]))
        image = self._picture(row[key])
        size = (bounds.width, bounds.height)
        if image.size != size:
            image = image.resize(size, Image.Resampling.BILINEAR)
        return Layer(key, bounds, np.asarray(image)), str(row.get(f"{key}_caption", ""))

    def _picture(self, path: str) -> Image.Image:
        with Image.open(self._folder / path) as image:
            return image.convert("RGBA")


def source_of(
    data: str, *, count: int | None, longest: int | None, most_layers: int | None
) -> Source:
    """``designs``, or a folder: of PrismLayersPro's layout if it has its index, else of files."""
    if data == "designs":
        return Designs(count=count, longest=longest, most_layers=most_layers)
    folder = Path(data)
    if not folder.is_dir():
        raise InvalidRequest(
            f"{data!r} is no folder.", advice="Give 'designs' or a folder of layered files."
        )
    kind = PrismLayers if (folder / INDEX).is_file() else LayeredFiles
    return kind(folder, count=count, longest=longest)
