"""A request as what people run elsewhere: JSON, a command line, lines of Python.

The command line is quoted for a POSIX shell, and names only what is not the default.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import Adapter, GenerateRequest, InputRole
from layerstudio.requests import DecomposeRequest

AnyRequest = DecomposeRequest | GenerateRequest
_KINDS = {kind.task: kind for kind in (DecomposeRequest, GenerateRequest)}
_A_PICTURE = "picture.png"  # where a recipe does not say which

# Options that are the request's field as it is.
_PLAIN = {
    "method": "--method", "mode": "--mode", "seed": "--seed", "count": "--count",
    "steps": "--steps", "guidance": "--guidance", "strength": "--strength",
    "ending_step": "--ending-step", "scheduler": "--scheduler", "base": "--base",
    "variant": "--variant", "patch_strength": "--patch-strength", "augment": "--augment",
    "parity": "--parity", "layers": "--layers", "planner": "--planner",
    "true_guidance": "--true-guidance", "background": "--background",
    "negative_prompt": "--negative",
}  # fmt: skip
_REPEATED = {
    "prompts": "--prompt", "foregrounds": "--foreground", "boxes": "--box", "points": "--point",
    "excluded_points": "--not-point", "locked": "--keep", "regenerate": "--regenerate",
}  # fmt: skip
_ROLE_OPTIONS: dict[InputRole, str] = {
    "image": "--image", "foreground": "--foreground-image", "background": "--background-image",
    "blended": "--blended-image", "control": "--control", "style": "--style",
}  # fmt: skip
_ROLE_KEYWORDS: dict[InputRole, str] = {
    "image": "image", "foreground": "foreground_image", "background": "background_image",
    "blended": "blended_image", "control": "control_image", "style": "style_image",
}  # fmt: skip
# What a run fills in by itself, and what is told in another way.
_NOT_SHOWN = ("source", "source_sha256", "inputs", "fingerprints", "prompt", "count")


def request_of(data: Mapping[str, Any]) -> AnyRequest:
    """A request of any task from its JSON; raises ``InvalidRequest``."""
    kind = _KINDS.get(str(data.get("task")))
    if kind is None:
        raise InvalidRequest(
            f"There is no task {str(data.get('task'))[:40]!r}.",
            advice=f"A request has the task {' or '.join(_KINDS)}.",
        )
    return kind.from_dict(data)


def recipe_view(request: AnyRequest, *, file: str | None = None) -> dict[str, Any]:
    """``{"request", "cli", "python"}``.

    ``file`` is what the document's own file is called: a layout that a planner made is in it, and
    no option says it.
    """
    return {
        "request": request.to_dict(),
        "cli": command_line(request, file=file),
        "python": python_lines(request),
    }


def command_line(request: AnyRequest, *, file: str | None = None) -> str:
    """The command that makes the same, quoted for a POSIX shell."""
    if isinstance(request, GenerateRequest) and request.layout is not None and file is not None:
        return shlex.join(["layerstudio", "generate", *_option("--from", file)])
    words = ["layerstudio", request.task]
    first = _positional(request)
    plain = [first] if first and not first.startswith("-") else []
    last = ["--", first] if first and not plain else []
    return shlex.join([*words, *plain, *_options(request), *last])


def python_lines(request: AnyRequest) -> str:
    """The same in Python."""
    if isinstance(request, DecomposeRequest):
        first, call = _named(request.source, _A_PICTURE), "decompose"
    else:
        first, call = request.prompt, "generate"
    stem = PurePath(first).stem if call == "decompose" else "picture"
    arguments = [repr(first), *(f"{name}={value}" for name, value in _keywords(request))]
    if isinstance(request, GenerateRequest) and request.count > 1:
        arguments.insert(1, f"count={request.count}")
        return (
            f"import layerstudio\n\ndocuments = layerstudio.generate_many({', '.join(arguments)})\n"
            "for number, document in enumerate(documents, 1):\n"
            f'    document.save(f"{stem}-{{number}}.psd")'
        )
    made = f"import layerstudio\n\ndocument = layerstudio.{call}({', '.join(arguments)})"
    return f"{made}\ndocument.save({stem + '.psd'!r})"


def _positional(request: AnyRequest) -> str:
    if isinstance(request, GenerateRequest):
        return request.prompt
    name = _named(request.source, _A_PICTURE)
    return f"./{name}" if name.startswith("-") else name


def _named(name: str | None, default: str) -> str:
    return name or default


def _options(request: AnyRequest) -> Iterator[str]:
    defaults = type(request)()
    for item in fields(request):
        value = getattr(request, item.name)
        if value == getattr(defaults, item.name) or (item.name == "base" and not value):
            continue
        if item.name in _PLAIN:
            yield from _option(_PLAIN[item.name], _number_or_text(value))
        elif item.name in _REPEATED:
            for one in value:
                yield from _option(_REPEATED[item.name], _joined(one))
        else:
            yield from _special(item.name, value)


def _special(name: str, value: Any) -> Iterator[str]:
    """Fields whose options have a form of their own."""
    if name == "exact":
        yield "--no-exact"
    elif name == "read_text":
        yield "--read-text" if value else "--no-read-text"
    elif name == "languages":
        yield from _option("--languages", "+".join(value))
    elif name == "extent":
        yield from _option("--size", f"{value.width}x{value.height}")
    elif name == "settings":
        for key, choice in value.items():
            yield from _option("--set", f"{key}={_number_or_text(choice)}")
    elif name == "inputs":
        for item in value:
            yield from _option(_ROLE_OPTIONS[item.role], _named(item.source, f"{item.role}.png"))
    elif name == "loras":
        for one in value:
            yield from _option("--lora", _adapter(one))
    elif name in ("controlnet", "ip_adapter"):
        yield from _option(f"--{name.replace('_', '-')}", _adapter(value))
    elif name == "layer_guidance":
        for key, scale in value:
            yield from _option("--layer-guidance", f"{key}:{Decimal(repr(float(scale))):f}")
    elif name == "document":
        yield from _option("--document", value.source)


def _option(name: str, value: str) -> list[str]:
    """What begins with a dash would be taken for an option."""
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def _number_or_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _joined(value: Any) -> str:
    """A text as it is; places as "X,Y" or "X,Y,W,H"."""
    return value if isinstance(value, str) else ",".join(map(str, value))


def _adapter(adapter: Adapter) -> str:
    """ "FILE" or "FILE:0.8"; a name that ends like a weight gets one."""
    tail = adapter.source.rpartition(":")[2] if ":" in adapter.source else ""
    try:
        float(tail)
    except ValueError:
        return adapter.source if adapter.weight == 1.0 else f"{adapter.source}:{adapter.weight}"
    return f"{adapter.source}:{adapter.weight}"


def _keywords(request: AnyRequest) -> Iterator[tuple[str, str]]:
    defaults = type(request)()
    for item in fields(request):
        value = getattr(request, item.name)
        is_default = value == getattr(defaults, item.name) or (item.name == "base" and not value)
        if not is_default and item.name not in _NOT_SHOWN:
            yield item.name, _python(item.name, value)
    if isinstance(request, GenerateRequest):
        for one in request.inputs:
            yield _ROLE_KEYWORDS[one.role], repr(_named(one.source, f"{one.role}.png"))


def _python(name: str, value: Any) -> str:
    if isinstance(value, Adapter):
        return f"layerstudio.Adapter(source={value.source!r}, weight={value.weight!r})"
    if name == "loras":
        return f"[{', '.join(_python('', one) for one in value)}]"
    if name in ("settings", "layer_guidance"):
        return repr(dict(value))
    if name == "document":
        return repr(value.source)
    if name == "extent":
        return repr(tuple(value))
    if name in ("boxes", "points", "excluded_points"):
        return repr([tuple(one) for one in value])
    return repr(list(value)) if isinstance(value, tuple) else repr(value)
