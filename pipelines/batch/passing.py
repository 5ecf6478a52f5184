"""Which errors pass by themselves: those of networks, asked again a moment later."""

from __future__ import annotations

import errno

# What a network file system or a link that is down answers, and answers otherwise a moment later.
_NUMBERS = (
    errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED,
    errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EAGAIN, errno.EBUSY,
    getattr(errno, "EREMOTEIO", errno.EIO),
)  # fmt: skip
# What the clients of S3 and HTTP raise for a line that is down or slow, without a number.
_LOST_LINES = {
    "EndpointConnectionError", "ConnectionClosedError", "ConnectTimeoutError", "ReadTimeoutError",
    "HTTPClientError", "IncompleteReadError", "ResponseStreamingError", "ServerDisconnectedError",
    "ClientPayloadError", "ClientConnectionError", "ServerTimeoutError",
}  # fmt: skip


def system_error(error: BaseException) -> int | None:
    """The system's number of the deepest error that has one."""
    number = None
    cause: BaseException | None = error
    while cause is not None:
        number = cause.errno if isinstance(cause, OSError) and cause.errno else number
        cause = cause.__cause__
    return number


def passes(error: BaseException, *, is_far: bool) -> bool:
    """Whether to ask again; ``is_far`` where a network file system is involved, whose time-outs
    have no number."""
    number = system_error(error)
    if number is not None:
        return number in _NUMBERS
    cause: BaseException | None = error if is_far else None
    while cause is not None:
        if isinstance(cause, TimeoutError) or type(cause).__name__ in _LOST_LINES:
            return True
        cause = cause.__cause__
    return False
