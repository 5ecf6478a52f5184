"""What a run depends on, as frozen data that round-trips to JSON.

Fields are optional outside; ``resolve()`` fills every None once, and the resolved request is what
a method sees and what the document that it makes remembers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, Literal, Self

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from layerstudio.settings import NO_SETTINGS, Setting, Settings, resolve

LayerCount = int | Literal["auto"]
MAX_LAYERS = 1000  # more than any design we have seen; PSD itself allows 8,000


@dataclass(frozen=True, kw_only=True)
class Request:
    """What all requests share: they travel as JSON, named by their task."""

    task: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; ``from_dict`` gives back an equal request."""
        data: dict[str, Any] = {"task": self.task}
        data.update({item.name: _plain(getattr(self, item.name)) for item in fields(self)})
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Raise ``InvalidRequest`` for another task, unknown keys and values of a wrong type."""
        known = {item.name for item in fields(cls)}
        if not isinstance(data, Mapping):
            raise InvalidRequest(f"A {cls.task} request is an object, not a {type(data).__name__}.")
        unknown = sorted(set(data) - known - {"task"})
        if data.get("task", cls.task) != cls.task or unknown:
            what = (
                f"unknown fields {unknown[:9]}" if unknown else f"task {str(data['task'])[:80]!r}"
            )
            raise InvalidRequest(f"This is not a {cls.task} request: {what}.")
        try:
            return cls(**{key: value for key, value in data.items() if key in known})
        except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise InvalidRequest(f"The request does not make sense: {str(error)[:200]}.") from error


@dataclass(frozen=True, kw_only=True)
class DecomposeRequest(Request):
    """Take a flat picture apart.

    ``layers`` is the number of layers wanted, the background counted, or ``"auto"``.
    ``boxes`` limit or guide the objects to find (methods that take none ignore them with a note),
    ``points`` (each on an object, or inside a box to say which thing in it is meant),
    ``excluded_points`` (on what is not meant) and ``prompts`` likewise. ``exact`` makes the stack
    recompose to the picture within 1/255. ``read_text`` reads lines of text where an OCR program is
    installed (None: if it is), ``languages`` are tesseract's codes. ``base`` is the model of
    methods that run one: a folder or hub id. ``settings`` are what the method declares in its card.
    """

    method: str | None = None
    layers: LayerCount = "auto"
    boxes: tuple[Bounds, ...] = ()
    points: tuple[tuple[int, int], ...] = ()
    excluded_points: tuple[tuple[int, int], ...] = ()
    prompts: tuple[str, ...] = ()
    exact: bool = True
    seed: int | None = None
    read_text: bool | None = None
    languages: tuple[str, ...] = ("eng",)
    base: str | None = None
    settings: Settings = NO_SETTINGS
    source: str | None = None
    source_sha256: str | None = None

    task: ClassVar[str] = "decompose"

    def __post_init__(self) -> None:
        check_layer_count(self.layers)
        check_texts(method=self.method, base=self.base, source=self.source)
        _check_flag("exact", self.exact)
        _check_flag("read_text", self.read_text)
        if self.seed is not None:
            object.__setattr__(self, "seed", whole_number(self.seed, "seed"))
        object.__setattr__(self, "boxes", tuple(map(box_of, self.boxes)))
        for name in ("points", "excluded_points"):
            object.__setattr__(self, name, tuple(map(_point, getattr(self, name))))
        object.__setattr__(self, "prompts", texts_of("prompts", self.prompts))
        object.__setattr__(self, "languages", texts_of("languages", self.languages))
        object.__setattr__(self, "settings", Settings(self.settings))

    def resolve(
        self,
        *,
        default_method: str,
        can_read_text: bool,
        source: str | None,
        sha256: str,
        settings: Sequence[Setting] = (),
    ) -> DecomposeRequest:
        """The request without a None, as it is stored in the document that it makes.

        ``settings`` are those that its method declares. Raises ``InvalidRequest`` for others.
        """
        return replace(
            self,
            method=self.method or default_method,
            seed=0 if self.seed is None else self.seed,
            read_text=can_read_text if self.read_text is None else self.read_text,
            base=self.base or "",
            settings=resolve(settings, self.settings, self.method or default_method),
            source=source or "",
            source_sha256=sha256,
        )

    def check_against(self, extent: Extent) -> None:
        """Raise ``InvalidRequest`` for boxes and points that are not on the picture."""
        for box in self.boxes:
            if box.is_empty or box.clamped(extent).is_empty:
                raise InvalidRequest(f"The box {tuple(box)} holds no pixel of a {extent} picture.")
        for x, y in (*self.points, *self.excluded_points):
            if not (0 <= x < extent.width and 0 <= y < extent.height):
                raise InvalidRequest(f"The point ({x}, {y}) is not on a {extent} picture.")
        for x, y in sorted(set(self.points) & set(self.excluded_points)):
            raise InvalidRequest(
                f"The point ({x}, {y}) is both on an object and on what is not meant.",
                advice="Leave one of the two out.",
            )


def check_layer_count(layers: LayerCount) -> None:
    """Raise ``InvalidRequest`` unless it is "auto" or 1 to 1,000."""
    if layers == "auto":
        return
    if isinstance(layers, bool) or not isinstance(layers, int) or not 1 <= layers <= MAX_LAYERS:
        raise InvalidRequest(f'The layer count is "auto" or 1 to {MAX_LAYERS}, not {layers!r}.')


def box_of(value: Any) -> Bounds:
    """Four whole numbers: x, y, width and height; raises ``InvalidRequest``."""
    return Bounds(*_whole_numbers(value, 4, "A box is x, y, width and height in pixels"))


def whole_number(value: Any, what: str) -> int:
    """``value`` without its type (an array's, a float's); raises ``InvalidRequest``.

    Beyond 64 bits nothing takes it.
    """
    is_whole = isinstance(value, float) and value.is_integer()
    if isinstance(value, bool) or not (is_whole or hasattr(value, "__index__")):
        raise InvalidRequest(f"The {what} is a whole number, not {_shown(value)}.")
    if abs(int(value)) >= 2**63:
        raise InvalidRequest(f"The {what} has more than 63 bits.")
    return int(value)


def texts_of(name: str, value: Any) -> tuple[str, ...]:
    """A list of texts; raises ``InvalidRequest`` for anything else, a single text among them."""
    texts = () if isinstance(value, str) else tuple(value)
    if isinstance(value, str) or not all(isinstance(text, str) for text in texts):
        raise InvalidRequest(f"The {name} are a list of texts, not {_shown(value)}.")
    return texts


def check_texts(**values: Any) -> None:
    """Raise ``InvalidRequest`` for what is neither a text, nor a path, nor None."""
    for name, value in values.items():
        if value is not None and not isinstance(value, str | os.PathLike):
            raise InvalidRequest(f"The {name} is a text, not {_shown(value)}.")


def _check_flag(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest(f"{name} is true or false, not {_shown(value)}.")


def _point(value: Any) -> tuple[int, int]:
    x, y = _whole_numbers(value, 2, "A point is x and y in pixels")
    return x, y


def _whole_numbers(value: Any, count: int, what: str) -> list[int]:
    if isinstance(value, str | Mapping) or len(value) != count:
        raise InvalidRequest(f"{what}, not {_shown(value)}.")
    numbers = [whole_number(item, "place of a box or point") for item in value]
    if max(map(abs, numbers)) >= 2**30:  # sums of places must stay in 32 bits for every format
        raise InvalidRequest(f"{what}, not {_shown(value)}.")
    return numbers


def _shown(value: Any) -> str:
    return repr(value)[:80]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Settings):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(item) for key, item in asdict(value).items()}
    return value
