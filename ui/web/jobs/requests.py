"""Requests that come from a browser: what they may name, and what they may not.

A recipe may name files of the machine it runs on. A page may not: pictures come from uploads, and
where the studio is open to others (``--listen``), models come from the registry or the hub's cache.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import GenerateRequest
from layerstudio.requests import DecomposeRequest
from layerstudio.ui.web.options import WebOptions

# What a run fills in, and what names files of pictures.
_NOT_FROM_A_PAGE = ("source", "source_sha256", "inputs", "document", "locked", "fingerprints")
_HUB_OR_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def decompose_request(data: Mapping[str, Any], options: WebOptions) -> DecomposeRequest:
    """A ``DecomposeRequest`` of JSON; raises ``InvalidRequest``."""
    request = DecomposeRequest.from_dict(_cleaned(data))
    _check_models([request.base], options)
    return request


def generate_request(data: Mapping[str, Any], options: WebOptions) -> GenerateRequest:
    """A ``GenerateRequest`` of JSON; raises ``InvalidRequest``."""
    request = GenerateRequest.from_dict(_cleaned(data))
    adapters = [*request.loras, request.controlnet, request.ip_adapter]
    named = [request.base, request.planner, *(one.source for one in adapters if one)]
    _check_models(named, options)
    return request


def _cleaned(data: Mapping[str, Any]) -> dict[str, Any]:
    """Recipes of our own files come back with what a run filled in, which is left out."""
    if not isinstance(data, Mapping):
        raise InvalidRequest("A request is a JSON object.")
    return {key: value for key, value in data.items() if key not in _NOT_FROM_A_PAGE}


def _check_models(names: list[str | None], options: WebOptions) -> None:
    for name in _given(names):
        if options.listen and (not _HUB_OR_ID.fullmatch(name) or ".." in name):
            raise InvalidRequest(
                f"{name[:80]!r} is not the id of a model, and files of this machine are not for"
                " those who visit it.",
                advice="Name an id of the list of weights, or a repository organisation/name.",
            )


def _given(names: list[str | None]) -> Iterator[str]:
    return (str(name) for name in names if name)
