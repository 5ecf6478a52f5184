"""Downloads: complete and verified, or not there."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from layerstudio.errors import MissingWeights
from layerstudio.progress import CancelToken, ProgressCallback, ignore_progress
from layerstudio.weights import consent, store
from layerstudio.weights.patterns import select
from layerstudio.weights.registry import Checkpoint, rows_of
from layerstudio.weights.selection import worth_fetching
from layerstudio.weights.subject import Subject, subject


def is_offline() -> bool:
    """Whether ``LAYERSTUDIO_OFFLINE`` or ``HF_HUB_OFFLINE`` forbids the network."""
    given = (os.environ.get(name, "") for name in ("LAYERSTUDIO_OFFLINE", "HF_HUB_OFFLINE"))
    return any(value.strip().lower() in ("1", "on", "yes", "true") for value in given)


def pull(
    name: str,
    *,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
    offline: bool = False,
    accept_licence: bool = False,
    accept_provenance: bool = False,
    ask: consent.Ask = consent.refuse,
    token: str | None = None,
    endpoint: str | None = None,
    revision: str | None = None,
    variant: str | None = None,
    update: bool = False,
) -> Path:
    """Fetch a row of the registry, or a repository ``organisation/name``, into the cache.

    What is there already is not fetched again; ``update`` looks for a newer commit than the one
    recorded at the first download. ``variant`` picks a precision of a repository outside the
    registry. Returns the folder with its files.

    Raises ``InvalidRequest`` for an unknown name and terms not accepted, ``MissingWeights`` where
    the hub or the network refuses, ``UnreadableFile`` for a file that is not what was published
    (it is deleted), ``UnwritableFile`` for a full disk, ``Cancelled``.
    """
    cancel = cancel or CancelToken()
    wanted = subject(name, revision)
    offline = offline or is_offline()
    if not update and (folder := _present(wanted, offline)) is not None:
        return folder
    _refuse_withdrawn(wanted)
    if offline:
        raise MissingWeights(
            f"{name} was not downloaded: downloads are switched off.",
            advice="Leave out --offline and unset LAYERSTUDIO_OFFLINE and HF_HUB_OFFLINE, or copy"
            " it into the folder that LAYERSTUDIO_WEIGHTS names.",
        )
    _require_library()
    from layerstudio.weights.download import Download
    from layerstudio.weights.hub import Hub

    hub = Hub.at(endpoint, token)
    seen = None if update else wanted.seen
    remote = hub.describe(wanted.repository, seen.commit if seen else wanted.revision, cancel)
    given = {"licence": accept_licence, "provenance": accept_provenance}
    consent.require(_terms(wanted, remote.licence, hub.endpoint), given, ask)
    job = Download(wanted, hub, remote, cancel, progress)
    return job.run(_wanted_paths(wanted, remote.paths, variant))


def _present(wanted: Subject, offline: bool) -> Path | None:
    """The folder that holds all of it; what all of an unregistered repository is, the hub knows,
    and offline it is what was fetched of it before."""
    if wanted.row is not None:
        return store.located(wanted.name) if store.is_present(wanted.name) else None
    if not offline or not wanted.patterns:
        return None
    folder = store.find_repository(wanted.repository, wanted.revision)
    return folder if folder and not store.missing_files(folder, wanted.patterns) else None


def _refuse_withdrawn(wanted: Subject) -> None:
    """Raise ``MissingWeights`` for what its publisher took back, by whichever name."""
    for row in _rows(wanted):
        if row.withdrawn:
            raise MissingWeights(
                f"{wanted.name} ({row.title}) is not downloaded. {row.withdrawn}",
                advice=f"See {row.licence.url}.",
            )


def _terms(wanted: Subject, licence: str, endpoint: str) -> tuple[consent.Terms, ...]:
    if wanted.row is not None:
        return consent.terms_of(wanted.row, licence)
    found = list(consent.terms_of_repository(wanted.repository, licence, endpoint))
    for row in _rows(wanted):
        found += [one for one in consent.terms_of(row) if one.kind == "provenance"]
    return tuple(found)


def _rows(wanted: Subject) -> tuple[Checkpoint, ...]:
    """The rows concerned: its own, or all of a repository that is named directly."""
    return (wanted.row,) if wanted.row is not None else rows_of(wanted.repository)


def _wanted_paths(wanted: Subject, paths: tuple[str, ...], variant: str | None) -> tuple[str, ...]:
    """The repository's files to fetch; raises ``MissingWeights`` for a row's file it lacks."""
    if wanted.row is None:
        chosen = worth_fetching(paths, variant)
        if not chosen:
            raise MissingWeights(f"{wanted.repository} has no weights that LayerStudio can read.")
        return chosen
    for pattern in wanted.row.patterns:
        if not select(paths, [pattern]):
            raise MissingWeights(
                f"{wanted.repository} has no file {pattern!r} any more.",
                advice=f"See {wanted.row.page} for what became of it.",
            )
    return select(paths, wanted.row.patterns)


def _require_library() -> None:
    if find_spec("huggingface_hub") is None:
        raise MissingWeights(
            "Downloading needs the package huggingface_hub.",
            advice="Install it with `pip install 'layerstudio[models]'`.",
        )
