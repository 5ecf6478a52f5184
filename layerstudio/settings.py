"""What only one method or stage understands, declared as data so that every front end can offer it.

A ``Setting`` says what may be chosen; ``Settings`` are choices, as they travel in a request.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from layerstudio.errors import InvalidRequest

SettingValue = str | int | float | bool


@dataclass(frozen=True)
class Setting:
    """One choice: its type is that of ``default``.

    ``choices`` are all values allowed, empty for any; ``least`` and ``most`` bound numbers.
    """

    name: str
    default: SettingValue
    summary: str
    choices: tuple[SettingValue, ...] = ()
    least: float | None = None
    most: float | None = None

    def checked(self, value: Any) -> SettingValue:
        """``value`` in this setting's type; text is read as on a command line.

        Raises ``InvalidRequest`` for what is no such value, or out of bounds.
        """
        found = self._converted(value)
        if self.choices and found not in self.choices:
            known = ", ".join(map(str, self.choices))
            raise InvalidRequest(f"{self.name} cannot be {value!r}.", advice=f"Choices: {known}.")
        below = self.least is not None and not isinstance(found, str) and found < self.least
        above = self.most is not None and not isinstance(found, str) and found > self.most
        if below or above:
            raise InvalidRequest(
                f"{self.name} is {_shown(self.least)} to {_shown(self.most)}, not {value!r}."
            )
        return found

    def _converted(self, value: Any) -> SettingValue:
        if isinstance(self.default, bool):
            found = _WORDS.get(value.strip().lower()) if isinstance(value, str) else value
            if not isinstance(found, bool):
                raise InvalidRequest(f"{self.name} is true or false, not {value!r}.")
            return found
        if isinstance(self.default, str):
            if not isinstance(value, str):
                raise InvalidRequest(f"{self.name} is text, not {value!r}.")
            return value
        number = _number(value)
        if number is None:
            raise InvalidRequest(f"{self.name} is a number, not {value!r}.")
        if isinstance(self.default, float):
            return number
        if number != int(number):
            raise InvalidRequest(f"{self.name} is a whole number, not {value!r}.")
        return int(number)


class Settings(Mapping[str, SettingValue]):
    """Choices by name: read-only, comparable, hashable, in the order of their names."""

    def __init__(self, values: Mapping[str, SettingValue] | Iterable[tuple[str, Any]] = ()) -> None:
        found = dict(values)
        for name, value in found.items():
            if not isinstance(name, str) or not isinstance(value, (str, int, float, bool)):
                raise InvalidRequest(f"The setting {name!r} cannot have the value {value!r}.")
        self._values = dict(sorted(found.items()))

    def __getitem__(self, name: str) -> SettingValue:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(tuple(self._values.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._values == dict(other)

    def __repr__(self) -> str:
        return f"Settings({self._values!r})"

    def text(self, name: str) -> str:
        """A setting that is text, resolved before."""
        value = self._values[name]
        assert isinstance(value, str), (name, value)
        return value

    def number(self, name: str) -> float:
        """A setting that is a number, resolved before."""
        value = self._values[name]
        assert isinstance(value, (int, float)) and not isinstance(value, bool), (name, value)
        return float(value)

    def whole(self, name: str) -> int:
        """A setting that is a whole number, resolved before."""
        value = self._values[name]
        assert isinstance(value, int) and not isinstance(value, bool), (name, value)
        return value

    def flag(self, name: str) -> bool:
        """A setting that is true or false, resolved before."""
        value = self._values[name]
        assert isinstance(value, bool), (name, value)
        return value


def resolve(declared: Sequence[Setting], given: Mapping[str, Any], owner: str) -> Settings:
    """Every declared setting: checked where it is given, else its default.

    Raises ``InvalidRequest`` for a value that does not fit, and for a name that ``owner`` (its id,
    for the message) does not declare.
    """
    known = {setting.name: setting for setting in declared}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            names = f"It has: {', '.join(known)}." if known else "It has none."
            raise InvalidRequest(f"{owner!r} has no setting {name!r}.", advice=f"{hint}{names}")
    values = {
        name: setting.checked(given[name]) if name in given else setting.default
        for name, setting in known.items()
    }
    return Settings(values)


NO_SETTINGS = Settings()
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _number(value: Any) -> float | None:
    """Finite, from a number or its text; None for everything else."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _shown(bound: float | None) -> str:
    return "any number" if bound is None else f"{bound:g}"
