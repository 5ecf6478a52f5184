"""What a generation depends on: text, pictures to start from, weights and how to sample.

How a run is carried out (device, precision, memory) is not in here: see ``pipelines/runtime.py``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.requests import (
    LayerCount,
    Request,
    box_of,
    check_layer_count,
    check_texts,
    texts_of,
)
from layerstudio.settings import NO_SETTINGS, Settings

MIN_SIDE, MAX_SIDE = 16, 8192  # pixels; beyond, no published generator gives a picture
MAX_COUNT = 64
MAX_STEPS = 1000  # the length of the noise schedules of Stable Diffusion

InputRole = Literal["image", "foreground", "background", "blended", "control", "style"]
INPUT_ROLES: tuple[InputRole, ...] = (
    "image", "foreground", "background", "blended", "control", "style",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class InputPicture:
    """A picture that a generation starts from, by what it is for.

    ``image`` is varied (image to image), ``foreground``, ``background`` and ``blended`` are kept
    and completed, ``control`` steers a ControlNet, ``style`` an IP-Adapter. ``sha256`` is
    ``Picture.sha256``, by which a later run notices that the file changed.
    """

    role: InputRole
    source: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        check_texts(source=self.source, sha256=self.sha256)
        if self.role not in INPUT_ROLES:
            raise InvalidRequest(
                f"There is no input {self.role!r}.", advice=f"Known: {', '.join(INPUT_ROLES)}."
            )


@dataclass(frozen=True, kw_only=True)
class InputDocument:
    """A layered file whose layers are kept or made anew.

    ``sha256`` is ``document_sha256`` of what is in it, by which a later run notices a change.
    """

    source: str
    sha256: str = ""

    def __post_init__(self) -> None:
        check_texts(source=self.source, sha256=self.sha256)


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """Extra weights by file, folder or hub id: a LoRA, ControlNet or IP-Adapter.

    ``weight`` is its strength: 1 as trained, 0 without effect, negative against it.
    """

    source: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_texts(source=self.source)
        _require_finite("an adapter's weight", self.weight, -10, 10)


@dataclass(frozen=True, kw_only=True)
class GenerateRequest(Request):
    """Make layers from text.

    ``prompt`` describes the whole picture (a method's only layer, or what it looks like put
    together), ``foregrounds`` one layer each, ``background`` what is behind them; what is not
    given falls back to ``prompt``. ``mode`` is one of the method's ways of working.
    ``boxes`` are the places of ``foregrounds`` on a canvas of ``extent``; methods that make all
    layers at once take them without ``foregrounds`` too. Where there are none, such a method's
    ``planner`` ("rules", or a chat model by folder or hub id) lays out ``layers`` layers, the
    background counted; ``layout`` is what a planner answered, as ``LayoutPlan.to_json`` has it.
    ``steps``, ``guidance`` (classifier-free, or embedded where the model has it), ``strength``
    (image to image: share of the schedule that is run, 0..1), ``ending_step`` (share of the steps
    after which conditional weights are switched off, 0..1) and ``scheduler`` default to the
    method's. ``true_guidance`` is classifier-free guidance beside the embedded one, and
    ``layer_guidance`` replaces it for single layers, by name. ``base`` is the model underneath: a
    registry id, folder, file or hub id; ``variant`` which of the published weights;
    ``patch_strength`` how much of them (1 as published). ``augment`` is the number of passes of the
    transparency decoder: 8, 4, 2 or 1. ``parity="cli"`` samples as the published script does.
    ``count`` pictures have the seeds ``seed``, ``seed + 1``, and so on.
    Of ``document``, either what is in ``regenerate`` is made anew, or all but what is in
    ``locked``; both are names of layers, or paths such as "0.2".
    ``settings`` are what the method declares in its card.
    ``fingerprints`` of the weights that are files of the user's are filled in when it is run.
    """

    prompt: str = ""
    negative_prompt: str | None = None
    foregrounds: tuple[str, ...] = ()
    background: str | None = None
    method: str | None = None
    mode: str | None = None
    extent: Extent | None = None
    boxes: tuple[Bounds, ...] = ()
    inputs: tuple[InputPicture, ...] = ()
    count: int = 1
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    strength: float | None = None
    ending_step: float | None = None
    scheduler: str | None = None
    base: str | None = None
    variant: str | None = None
    patch_strength: float = 1.0
    loras: tuple[Adapter, ...] = ()
    controlnet: Adapter | None = None
    ip_adapter: Adapter | None = None
    augment: int = 8
    parity: Literal["cli"] | None = None
    layers: LayerCount = "auto"
    planner: str | None = None
    layout: str | None = None
    true_guidance: float | None = None
    layer_guidance: tuple[tuple[str, float], ...] = ()
    document: InputDocument | None = None
    locked: tuple[str, ...] = ()
    regenerate: tuple[str, ...] = ()
    settings: Settings = NO_SETTINGS
    fingerprints: tuple[tuple[str, str], ...] = ()

    task: ClassVar[str] = "generate"

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "foregrounds", texts_of("foregrounds", self.foregrounds))
        put(self, "boxes", tuple(map(box_of, self.boxes)))
        put(self, "inputs", tuple(_made(InputPicture, item) for item in self.inputs))
        put(self, "loras", tuple(_made(Adapter, item) for item in self.loras))
        put(self, "controlnet", self.controlnet and _made(Adapter, self.controlnet))
        put(self, "ip_adapter", self.ip_adapter and _made(Adapter, self.ip_adapter))
        put(self, "layer_guidance", tuple((str(k), v) for k, v in self.layer_guidance))
        put(self, "fingerprints", tuple((str(k), str(v)) for k, v in self.fingerprints))
        put(self, "document", _document(self.document))
        put(self, "locked", _names("locked", self.locked))
        put(self, "regenerate", _names("regenerate", self.regenerate))
        put(self, "settings", Settings(self.settings))
        if self.extent is not None:
            put(self, "extent", Extent(*self.extent))
        self._check_text()
        self._check_layers()
        self._check_numbers()
        self._check_places()

    def input(self, role: InputRole) -> InputPicture | None:
        """The picture given for ``role``."""
        return next((item for item in self.inputs if item.role == role), None)

    def _check_text(self) -> None:
        texts = {"prompt": self.prompt, "negative prompt": self.negative_prompt or ""}
        texts["background"] = self.background or ""
        for name, text in texts.items():
            if not isinstance(text, str):
                raise InvalidRequest(f"The {name} is a text, not {text!r}.")
        check_texts(method=self.method, mode=self.mode, scheduler=self.scheduler)
        check_texts(base=self.base, variant=self.variant)
        roles = [item.role for item in self.inputs]
        if len(set(roles)) < len(roles):
            raise InvalidRequest(f"Each input is given once, not {', '.join(roles)}.")
        if self.parity not in (None, "cli"):
            raise InvalidRequest(f'Parity is "cli" or nothing, not {self.parity!r}.')

    def _check_layers(self) -> None:
        check_layer_count(self.layers)
        for name in ("planner", "layout"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value.strip()):
                raise InvalidRequest(f"The {name} is a text, not {value!r}.")
        if self.planner is not None and self.layout is not None:
            raise InvalidRequest(
                "A layout was made already, and a planner is asked for.", advice="Give one of them."
            )
        if self.document is None and (self.locked or self.regenerate):
            raise InvalidRequest("There is no document to keep layers of.", advice="Give one.")
        if self.document is not None and bool(self.locked) == bool(self.regenerate):
            raise InvalidRequest(
                "Say which layers of the document to keep, or which to make anew: one of the two."
            )

    def _check_numbers(self) -> None:
        _require_whole("count", self.count, 1, MAX_COUNT)
        _require_whole("seed", self.seed, 0, 2**63 - 1 - MAX_COUNT)
        _require_whole("number of steps", self.steps, 1, MAX_STEPS)
        _require_finite("guidance", self.guidance, 0, 100)
        _require_finite("true guidance", self.true_guidance, 0, 100)
        for name, scale in self.layer_guidance:
            _require_finite(f"guidance of {name!r}", scale, 0, 100)
        _require_finite("strength", self.strength, 0, 1)
        _require_finite("ending step", self.ending_step, 0, 1)
        _require_finite("patch strength", self.patch_strength, -10, 10)
        if self.augment not in (1, 2, 4, 8):
            raise InvalidRequest(f"The decoder runs 1, 2, 4 or 8 passes, not {self.augment!r}.")

    def _check_places(self) -> None:
        if self.extent is not None:
            for side in self.extent:
                _require_whole("width and height", side, MIN_SIDE, MAX_SIDE)
            for box in self.boxes:
                if box.is_empty or box.clamped(self.extent).is_empty:
                    raise InvalidRequest(
                        f"The box {tuple(box)} holds no pixel of a {self.extent} canvas."
                    )
        if self.boxes and self.foregrounds and len(self.boxes) != len(self.foregrounds):
            raise InvalidRequest(
                f"{len(self.boxes)} boxes for {len(self.foregrounds)} foregrounds.",
                advice="Give each foreground its box, or none.",
            )


def _made(kind: type, value: Any) -> Any:
    """``value`` as a ``kind``: as it is, or from the mapping that JSON holds."""
    if isinstance(value, kind):
        return value
    if isinstance(value, Mapping):
        return kind(**value)
    raise InvalidRequest(f"{value!r} does not describe a {kind.__name__}.")


def _document(value: Any) -> InputDocument | None:
    """A path is enough."""
    if isinstance(value, str | os.PathLike):
        return InputDocument(source=os.fspath(value))
    return None if value is None else _made(InputDocument, value)


def _names(field: str, value: Any) -> tuple[str, ...]:
    """Names of layers; numbers are their places, from the bottom."""
    names = (value,) if isinstance(value, str) else tuple(value)
    for name in names:
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise InvalidRequest(f"{field.capitalize()} layers are names or numbers, not {name!r}.")
    return tuple(map(str, names))


def _require_whole(name: str, value: Any, low: int, high: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidRequest(f"The {name} must be {low:,} to {high:,}, not {value!r}.")


def _require_finite(name: str, value: Any, low: float, high: float) -> None:
    if value is None:
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # NaN is not between anything
        raise InvalidRequest(f"The {name} must be {low:g} to {high:g}, not {value!r}.")
