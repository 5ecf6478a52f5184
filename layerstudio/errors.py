"""Everything that can go wrong through no fault of the programmer.

Errors carry data; only ``ui/`` turns them into text for a person. ``str(error)`` is one plain
sentence all the same, so that a user of the Python API reads what happened and what to do.
"""

from __future__ import annotations


class LayerStudioError(Exception):
    """Base of every error that a caller can act on."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class InvalidDocument(LayerStudioError):
    """A layer, group or document whose parts contradict each other."""


class InvalidRequest(LayerStudioError):
    """A request that no method could fulfil: a bad option, box, count or method id."""


class UnreadableFile(LayerStudioError):
    """A file that is missing, broken, too large or not what its name says."""


class UnwritableFile(LayerStudioError):
    """A target that cannot be written: no such folder, no permission, no room."""


class MissingWeights(LayerStudioError):
    """A checkpoint that is not on this machine; ``advice`` names the command that gets it."""


class MismatchedWeights(LayerStudioError):
    """A checkpoint that is not the network's: other keys, other shapes, another family."""


class NumericalFailure(LayerStudioError):
    """A network's answer that is not a number; ``advice`` says which precision to try."""


class OutOfMemory(LayerStudioError):
    """A run that does not fit; ``advice`` says what would."""


class Cancelled(LayerStudioError):
    """The caller asked to stop."""
