"""Pictures that ship with the studio, for a first look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerstudio.ui.web.errors_json import NotFound

_FOLDER = Path(__file__).parent / "samples"


@dataclass(frozen=True)
class Sample:
    """``id`` is the key of its name in the page's strings."""

    id: str
    name: str
    file: str

    @property
    def path(self) -> Path:
        return _FOLDER / self.file

    def view(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "thumb": f"/studio/sample/{self.id}"}


SAMPLES = (
    Sample("poster", "Poster", "poster.png"),
    Sample("slide", "Slide", "slide.jpg"),
    Sample("illustration", "Illustration", "illustration.png"),
)


def sample(sample_id: str) -> Sample:
    """Raises ``NotFound`` for an id that is none."""
    found = next((it for it in SAMPLES if it.id == sample_id), None)
    if found is None:
        raise NotFound("There is no such sample.")
    return found
