"""Terms that a person accepts once, before the first download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from layerstudio.errors import InvalidRequest
from layerstudio.weights import lock
from layerstudio.weights.registry import Checkpoint


@dataclass(frozen=True)
class Terms:
    """What is to be accepted: a licence, or that it is doubtful what weights were trained on."""

    kind: Literal["licence", "provenance"]
    repository: str
    text: str
    url: str

    @property
    def key(self) -> str:
        """Other words are other terms: they are asked about again."""
        return f"{self.kind} of {self.repository}: {self.text}"

    @property
    def option(self) -> str:
        return f"--accept-{self.kind}"


Ask = Callable[[Terms], bool]


def refuse(terms: Terms) -> bool:
    """The answer where nobody can be asked."""
    return False


def terms_of(row: Checkpoint, page_says: str = "") -> tuple[Terms, ...]:
    """What the registry says about a checkpoint, and its page where the registry knows nothing."""
    licence = row.licence.name
    if page_says and not row.licence.recorded:
        licence += f"; its page says {page_says} now"
    if not row.licence.commercial:
        licence += ", no commercial use"
    found = [Terms("licence", row.repository, licence, row.licence.url)]
    if row.needs_provenance_acceptance:
        found.append(Terms("provenance", row.repository, row.provenance, row.page))
    return tuple(found)


def terms_of_repository(repository: str, licence: str, endpoint: str) -> tuple[Terms, ...]:
    """What the hub says about a repository that is no row of the registry."""
    return (Terms("licence", repository, licence or "not stated", f"{endpoint}/{repository}"),)


def is_accepted(terms: Terms) -> bool:
    return terms.key in lock.read().accepted


def require(terms: tuple[Terms, ...], given: dict[str, bool], ask: Ask) -> None:
    """See to it that terms are accepted: earlier, by an option (``given`` by kind), or when asked.

    Raises ``InvalidRequest`` naming the option.
    """
    for one in terms:
        if is_accepted(one):
            continue
        if not given.get(one.kind, False) and not ask(one):
            what = "Its licence is" if one.kind == "licence" else "Its provenance is in doubt:"
            raise InvalidRequest(
                f"{one.repository} was not downloaded. {what} {one.text} ({one.url}).",
                advice=f"Accept that with {one.option}.",
            )
        _record(one)


def _record(terms: Terms) -> None:
    today = datetime.now(UTC).date().isoformat()
    lock.update(lambda now: replace(now, accepted=now.accepted | {terms.key: today}))
