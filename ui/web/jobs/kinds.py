"""The kinds of jobs that a page can start, by the name it gives.

A kind's module is imported when it is first asked for: some load PyTorch, which takes seconds and
need not be installed.
"""

from __future__ import annotations

from importlib import import_module

from layerstudio.errors import InvalidRequest
from layerstudio.ui.web.bodies import Fields
from layerstudio.ui.web.jobs.context import Context
from layerstudio.ui.web.jobs.job import Job
from layerstudio.ui.web.jobs.packages import lacking_package

_HERE = "layerstudio.ui.web.jobs"
_KINDS = {
    "open": "opening",
    "decompose": "decomposing",
    "generate": "generating",
    "split": "splitting",
    "matte": "matting",
    "fill": "filling",
    "replace": "replacing",
    "regenerate": "regenerating",
    "export": "exporting",
    "pull": "pulling",
}


def start(context: Context, body: Fields) -> Job:
    """Check what is asked for and queue it.

    A kind's module has ``start(context, body) -> Job``. Raises ``InvalidRequest`` for an unknown
    kind and where packages are missing, and what the kind raises.
    """
    kind = body.text("kind")
    if kind not in _KINDS:
        raise InvalidRequest(
            f"There is no job {kind[:40]!r}.", advice=f"There are: {', '.join(_KINDS)}."
        )
    try:
        module = import_module(f"{_HERE}.{_KINDS[kind]}")
    except ModuleNotFoundError as error:
        raise lacking_package(error) or error from error
    return module.start(context, body)
