"""How a studio is run: where it listens, who may come in, how much it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layerstudio.pipelines.runtime import Runtime

if TYPE_CHECKING:
    from layerstudio.io.limits import Limits

DEFAULT_PORT = 7860  # Gradio's own, which its users have in their bookmarks
MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class WebOptions:
    """What ``layerstudio ui`` was started with.

    ``listen`` opens the studio to other machines. ``auth`` holds pairs of user and password; empty
    means no login. ``allowed_hosts`` are names beside those of this machine that a request may be
    addressed to. ``max_pixels`` bounds one picture or canvas, ``max_upload_bytes`` one file.
    Sessions that nobody looked at for ``session_idle_s`` seconds are closed; at most
    ``max_sessions`` exist. ``memory_bytes`` is what the histories of all sessions together may
    keep beside the documents that are open.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    listen: bool = False
    auth: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    allowed_hosts: tuple[str, ...] = ()
    max_upload_bytes: int = 512 * MIB
    max_pixels: int = 50_000_000
    session_idle_s: float = 12 * 3600.0
    max_sessions: int = 32
    memory_bytes: int = 2048 * MIB
    runtime: Runtime = field(default_factory=Runtime)

    @property
    def needs_login(self) -> bool:
        return bool(self.auth)

    @property
    def limits(self) -> Limits:
        """What readers may be made to do by an upload; a document may be ten canvases large."""
        from layerstudio.io.limits import Limits

        return Limits(
            pixels=self.max_pixels,
            total_pixels=10 * self.max_pixels,
            file_bytes=self.max_upload_bytes,
            nodes=2_000,
        )
