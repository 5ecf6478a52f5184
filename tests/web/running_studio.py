"""``layerstudio ui`` as a process with a home of its own."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 90  # for a start on busy cores; how fast it has to be is for other tests


class RunningStudio:
    """A studio at ``address`` whose home, cache and temporary files are below ``folder``."""

    def __init__(self, folder: Path, options: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.port = _free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.temporary = folder / "tmp"
        self._log = folder / "log.txt"
        self.temporary.mkdir()
        command = [sys.executable, "-m", "layerstudio.ui.cli.main", "ui", "--port", str(self.port)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=_environment(folder, self.temporary),
            )

    @property
    def log(self) -> str:
        """What the studio has printed."""
        return self._log.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        """Return once it answers a request, with whatever; fail when it ends instead."""
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            assert self.process.poll() is None, f"The studio did not start:\n{self.log}"
            if self._answers():
                return
            time.sleep(0.05)
        raise AssertionError(f"No answer in {PATIENCE_S} s:\n{self.log}")

    def stop(self) -> int:
        """End it as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of one request, exactly as written here: no client tidies the path."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            self.request("GET", "/")
        except (OSError, http.client.HTTPException):
            return False
        return True


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


def _environment(home: Path, temporary: Path) -> dict[str, str]:
    """This process's, without its settings of ours and with nothing of the user's home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LAYERSTUDIO_", "XDG_", "HF_", "GRADIO_"))
    }
    own = {"HOME": str(home), "TMPDIR": str(temporary), "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}
    return kept | own
