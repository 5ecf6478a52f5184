"""One file out of a multipart body, while it streams: nothing is collected in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from layerstudio.errors import InvalidRequest

_FIELD = b"file"


@dataclass(frozen=True)
class Part:
    """A piece of the file; ``name`` is the one that it came with."""

    name: str
    data: bytes


async def file_of(request: Request) -> AsyncIterator[Part]:
    """The pieces of the field ``file`` of a multipart form; raises ``InvalidRequest``.

    The first piece comes even if the file is empty. Other fields are passed over.
    """
    reader = _Reader(request.headers.get("content-type", ""))
    async for chunk in request.stream():
        for part in reader.read(chunk):
            yield part
    reader.finish()


class _Reader:
    """Turns the parser's callbacks into pieces."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidRequest("A file is uploaded as multipart/form-data.")
        self._pieces: list[Part] = []
        self._header = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._name: str | None = None  # of the file that is being read
        self._found = False
        self._complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._part_begin,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def read(self, chunk: bytes) -> list[Part]:
        try:
            self._parser.write(chunk)
        except MultipartParseError:
            raise InvalidRequest("The upload is not a sound multipart form.") from None
        pieces, self._pieces = self._pieces, []
        return pieces

    def finish(self) -> None:
        if not self._complete:
            raise InvalidRequest("The upload ended too early.", advice="Upload the file again.")
        if not self._found:
            raise InvalidRequest("The upload has no file.")

    def _headers_begin(self) -> None:
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _part_begin(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if options.get(b"name") != _FIELD or b"filename" not in options:
            return
        if self._found:
            raise InvalidRequest("An upload is one file.")
        self._found = True
        self._name = options[b"filename"].decode(errors="replace")
        self._pieces.append(Part(self._name, b""))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name is not None:
            self._pieces.append(Part(self._name, data[start:end]))

    def _part_end(self) -> None:
        self._name = None

    def _end(self) -> None:
        self._complete = True
