"""Options that several commands share, and how their text becomes values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from layerstudio.io.limits import Limits

LayersOption = Annotated[
    str,
    typer.Option("--layers", "-n", metavar="N|auto", help="Layers, the background counted."),
]
MethodOption = Annotated[
    str | None, typer.Option(help="Which method to use; `layerstudio methods` lists them.")
]
ExactOption = Annotated[
    bool,
    typer.Option(help="Make the layers recompose to the picture within 1/255."),
]
SeedOption = Annotated[int | None, typer.Option(help="For methods that draw random numbers.")]
BoxOption = Annotated[
    list[str] | None,
    typer.Option("--box", "--boxes", metavar="X,Y,W,H", help="An object's place. May be repeated."),
]
PointOption = Annotated[
    list[str] | None,
    typer.Option("--point", metavar="X,Y", help="A point on an object. May be repeated."),
]
ExcludedPointOption = Annotated[
    list[str] | None,
    typer.Option("--not-point", metavar="X,Y", help="A point on what is not meant."),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of the method; `layerstudio methods ID` lists them. May be repeated.",
    ),
]
ReadTextOption = Annotated[
    bool | None,
    typer.Option(help="Read lines of text; by default if tesseract is installed."),
]
LanguagesOption = Annotated[
    str, typer.Option(metavar="CODES", help="tesseract's language codes, such as eng+deu.")
]
DecomposeBaseOption = Annotated[
    str | None, typer.Option("--base", help="The model of methods that run one: a folder.")
]
ShownOption = Annotated[
    list[str] | None,
    typer.Option("--prompt", help="What the picture shows, for methods that read it."),
]
MaxPixelsOption = Annotated[
    int | None, typer.Option(min=1, help="Refuse pictures of more pixels (400,000,000).")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", "-f", help="Replace files that exist already.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
FileArgument = Annotated[Path, typer.Argument(help="A layered file.", show_default=False)]


def request_fields(
    layers: str,
    method: str | None,
    exact: bool,
    seed: int | None,
    boxes: list[str] | None,
    read_text: bool | None,
    languages: str,
    base: str | None,
    prompts: list[str] | None,
    points: list[str] | None = None,
    excluded_points: list[str] | None = None,
    settings: list[str] | None = None,
) -> dict[str, Any]:
    """The fields of a ``DecomposeRequest``, from the text of the options."""
    return {
        "layers": parse_layers(layers),
        "method": method,
        "exact": exact,
        "seed": seed,
        "boxes": [parse_box(box) for box in boxes or ()],
        "points": [parse_point(point) for point in points or ()],
        "excluded_points": [parse_point(point) for point in excluded_points or ()],
        "settings": dict(parse_setting(text) for text in settings or ()),
        "read_text": read_text,
        "base": base,
        "prompts": prompts or [],
        "languages": [code for code in languages.split("+") if code],
    }


def parse_layers(text: str) -> int | str:
    """A number as a number; "auto" and anything else for the request to judge."""
    return int(text) if text.strip().lstrip("-").isdecimal() else text


def parse_box(text: str) -> tuple[int, ...]:
    """ "X,Y,W,H" in pixels; raises ``typer.BadParameter``."""
    return _whole_numbers(text, 4, "four whole numbers X,Y,W,H")


def parse_point(text: str) -> tuple[int, ...]:
    """ "X,Y" in pixels; raises ``typer.BadParameter``."""
    return _whole_numbers(text, 2, "two whole numbers X,Y")


def parse_setting(text: str) -> tuple[str, str]:
    """ "NAME=VALUE"; raises ``typer.BadParameter``."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE.")
    return name.strip(), value.strip()


def _whole_numbers(text: str, count: int, what: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise typer.BadParameter(f"{text!r} is not {what}.")
    return numbers


def limits_of(max_pixels: int | None) -> Limits:
    """The default limits, with another number of pixels if one is given."""
    from layerstudio.io.limits import DEFAULT_LIMITS, Limits

    if max_pixels is None:
        return DEFAULT_LIMITS
    total = max(DEFAULT_LIMITS.total_pixels, 10 * max_pixels)
    return Limits(pixels=max_pixels, total_pixels=total)
