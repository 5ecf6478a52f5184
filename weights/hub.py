"""What the Hugging Face hub says about a repository, and its refusals as sentences."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import httpx2
from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers

from layerstudio.errors import LayerStudioError, MissingWeights
from layerstudio.progress import CancelToken
from layerstudio.weights.hub_cache import is_commit
from layerstudio.weights.patterns import is_safe
from layerstudio.weights.transfer import SILENCE, Retries, Source, Truncated

R = TypeVar("R")

_ETAG = re.compile(r"[\w-]{1,128}", re.ASCII)  # it becomes a file's name


@dataclass(frozen=True)
class RemoteFile:
    """A file of a commit; ``etag`` is the SHA-256 of large files, the git object id of others."""

    path: str
    size: int | None
    etag: str


@dataclass(frozen=True)
class RemoteRepository:
    """A repository at one commit; ``licence`` as its page states it, empty where it does not."""

    commit: str
    paths: tuple[str, ...]
    files: dict[str, RemoteFile]
    licence: str


@dataclass(frozen=True)
class Hub:
    """One hub, and in whose name it is asked."""

    endpoint: str
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"Hub({self.endpoint!r})"  # the headers may hold a token

    @classmethod
    def at(cls, endpoint: str | None = None, token: str | None = None) -> Hub:
        """The hub at ``endpoint``, else at ``HF_ENDPOINT``, else the public one.

        Without a token, the one of ``HF_TOKEN`` or ``hf auth login`` is used, if there is one.
        """
        address = endpoint or os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
        return cls(address.rstrip("/"), build_hf_headers(token=token, library_name="layerstudio"))

    def describe(self, repository: str, revision: str, cancel: CancelToken) -> RemoteRepository:
        """The files of a revision, with sizes and hashes; raises ``MissingWeights``."""
        api = HfApi(endpoint=self.endpoint, headers=self.headers, token=False)
        with refusals_of(self.endpoint, repository, revision):
            try:
                info = _tried(
                    lambda: api.model_info(
                        repository, revision=revision, files_metadata=True, timeout=SILENCE
                    ),
                    cancel,
                )
            except (ValueError, KeyError, TypeError):  # a proxy's page, say, instead of JSON
                raise MissingWeights(
                    f"{self.endpoint} did not answer as a hub does for {repository}.",
                    advice="Check HF_ENDPOINT and the network's proxy.",
                ) from None
        siblings = [one for one in info.siblings or () if is_safe(one.rfilename)]
        listed = (
            RemoteFile(one.rfilename, one.size, (one.lfs.sha256 if one.lfs else one.blob_id) or "")
            for one in siblings
        )
        licence = info.card_data.get("license") if info.card_data else None
        return RemoteRepository(
            self._commit(info.sha, repository),
            tuple(one.rfilename for one in siblings),
            {one.path: one for one in listed if _ETAG.fullmatch(one.etag)},
            str(licence or ""),
        )

    def file(
        self, repository: str, remote: RemoteRepository, path: str, cancel: CancelToken
    ) -> RemoteFile:
        """One file's size and hash; asked of the file itself where the listing left them out."""
        if path in remote.files:
            return remote.files[path]
        with refusals_of(self.endpoint, repository, remote.commit, path):
            found = _tried(
                lambda: get_hf_file_metadata(
                    self.url(repository, remote.commit, path),
                    timeout=SILENCE,
                    headers=self.headers,
                    token=False,
                ),
                cancel,
            )
        if not found.etag or not _ETAG.fullmatch(found.etag):
            raise MissingWeights(f"{self.endpoint} gives no name to the content of {path}.")
        return RemoteFile(path, found.size, found.etag)

    def _commit(self, sha: str | None, repository: str) -> str:
        if sha is None or not is_commit(sha):
            raise MissingWeights(f"{self.endpoint} names no commit of {repository}.")
        return sha

    def url(self, repository: str, commit: str, path: str) -> str:
        return hf_hub_url(repository, path, revision=commit, endpoint=self.endpoint)

    def source(self, repository: str, commit: str, file: RemoteFile) -> Source:
        return Source(self.url(repository, commit, file.path), file.size, self.headers)


def _tried(call: Callable[[], R], cancel: CancelToken) -> R:
    """A question to the hub, with few retries: without a network one wants to know soon."""
    retries = Retries(cancel, limit=2)
    while True:
        try:
            cancel.check()
            return call()
        except (httpx2.TransportError, HfHubHTTPError) as error:
            retries.wait_or_raise(error)


@contextmanager
def refusals_of(
    endpoint: str, repository: str, revision: str, path: str | None = None
) -> Iterator[None]:
    """Turn what the hub refuses, and a network that fails, into ``MissingWeights``."""
    try:
        yield
    except (HfHubHTTPError, EntryNotFoundError) as error:
        raise _refusal(error, endpoint, repository, revision, path) from None
    except OfflineModeIsEnabled:
        raise MissingWeights(
            f"{repository} cannot be fetched: HF_HUB_OFFLINE is set.",
            advice="Unset it to download.",
        ) from None
    except (httpx2.TransportError, Truncated) as error:
        raise MissingWeights(
            f"{endpoint} could not be reached, or broke off, while fetching {path or repository}"
            f" ({type(error).__name__}).",
            advice="Check the network and pull again: what has arrived is kept.",
        ) from None


def _refusal(
    error: Exception, endpoint: str, repository: str, revision: str, path: str | None
) -> LayerStudioError:
    page = f"{endpoint}/{repository}"
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else 404
    if isinstance(error, GatedRepoError):
        return MissingWeights(
            f"{repository} is gated: its terms must be accepted with an account of the hub.",
            advice=f"Accept them at {page}, then give a token of that account: `hf auth login`,"
            " the variable HF_TOKEN, or --token.",
        )
    if isinstance(error, RevisionNotFoundError):
        return MissingWeights(
            f"{repository} has no revision {revision!r}.",
            advice=f"See {page}; `--update` takes what is published now.",
        )
    if isinstance(error, EntryNotFoundError):
        return MissingWeights(f"{repository} has no file {path!r} at {revision}.")
    if isinstance(error, RepositoryNotFoundError) or status in (401, 403, 404):
        return MissingWeights(
            f"The hub has no repository {repository}, or does not show it to you"
            f" (status {status}).",
            advice=f"See {page}. If it is private, give a token: `hf auth login`, HF_TOKEN or"
            " --token; if you gave one, it may be wrong or expired.",
        )
    return MissingWeights(
        f"{endpoint} answered with status {status} for {path or repository}.",
        advice="Try again later: what has arrived is kept.",
    )
