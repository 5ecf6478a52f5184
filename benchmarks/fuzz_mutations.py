"""Damage done with knowledge of the format, for ``fuzz.py``: every call takes a ``Random``."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

Mutator = Callable[[Random, Sequence[bytes]], bytes]
_NUMBERS = (
    0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 999, 1000, 1001, 4096, 30000, 30001, 32767, 32768, 65535,
    2**16, 2**20, 2**24, 2**30, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1,
)  # fmt: skip
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def any_bytes(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """A sound file with one to four of: flips, numbers, cuts, copies, holes, a piece of another."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 4))):
        if not data:
            break
        place, span = rng.randrange(len(data)), rng.choice((1, 2, 4, 16, 100))
        kind = rng.randrange(8)
        if kind == 0:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 2:
            put_number(rng, data, place, rng.choice((2, 4, 4, 8)))
        elif kind == 3:
            del data[place:]
        elif kind == 4:
            del data[place : place + span]
        elif kind == 5:
            data[place:place] = data[place : place + span] * rng.choice((1, 2, 50))
        elif kind == 6:
            other = rng.choice(seeds)
            data[place:] = other[min(place, len(other) - 1) :]
        else:
            data[place : place + span] = rng.randbytes(span)
    return bytes(data)


def put_number(rng: Random, data: bytearray, place: int, size: int) -> None:
    """A telling number over ``size`` bytes, of either byte order."""
    number = rng.choice((*_NUMBERS, len(data), len(data) - place, rng.randrange(2**16)))
    if rng.random() < 0.3:
        number = int.from_bytes(data[place : place + size]) + rng.choice((-1, 1, 4))
    order = "big" if rng.random() < 0.7 else "little"
    data[place : place + size] = (number % 256**size).to_bytes(size, order)


def at_fields(fields: Callable[[bytes], list[tuple[int, int]]]) -> Mutator:
    """Numbers written where the format keeps its numbers; every third file is damaged anywhere."""

    def mutate(rng: Random, seeds: Sequence[bytes]) -> bytes:
        if rng.random() < 0.35:
            return any_bytes(rng, seeds)
        data = bytearray(rng.choice(seeds))
        places = fields(bytes(data))
        for _ in range(rng.choice((1, 1, 2, 3))):
            put_number(rng, data, *rng.choice(places))
        return bytes(data) if rng.random() < 0.8 else any_bytes(rng, [bytes(data), *seeds])

    return mutate


def psd_fields(data: bytes) -> list[tuple[int, int]]:
    """Header, lengths of sections and blocks, and the records of layers (Adobe, 2019)."""
    found = [(4, 2), (12, 2), (14, 4), (18, 4), (22, 2), (24, 2), (26, 4)]
    wide = 8 if data[4:6] == b"\0\2" else 4
    place = 30 + int.from_bytes(data[26:30])
    found.append((place, 4))
    layers = place + 4 + int.from_bytes(data[place : place + 4])
    found += [(layers, wide), (layers + wide, wide), (layers + 2 * wide, 2)]
    for signature in re.finditer(rb"8BIM|8B64", data):
        at = signature.end()
        found += [(at, 4), (at + 4, 4), (at + 6, 4), (at + 8, 4)]
        if layers < at and data[at : at + 4] in (b"norm", b"scrn", b"pass"):  # a layer's record
            channels = at - 4 - 5 * (2 + wide)
            found += [(channels - 18 + 4 * i, 4) for i in range(4)] + [(channels - 2, 2)]
            found += [(channels + (2 + wide) * i, 2) for i in range(5)]
            found += [(channels + (2 + wide) * i + 2, wide) for i in range(5)]
            found += [(at + 4 + i, 1) for i in range(4)]
    tail = len(data) - 200
    found += [(place, 2) for place in range(max(30, tail), len(data) - 2, 2)]
    return [(place, size) for place, size in found if 0 <= place < len(data)]


def tiff_fields(data: bytes) -> list[tuple[int, int]]:
    """Every entry of every directory, and the offsets between them (TIFF 6.0; BigTIFF)."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    count, entry, word, start = ("Q", 20, 8, 8) if big else ("H", 12, 4, 4)
    found, number = [(start, word)], struct.calcsize(count)
    place = struct.unpack_from(order + ("Q" if big else "I"), data, start)[0]
    while 0 < place < len(data) - number and len(found) < 2000:
        entries = struct.unpack_from(order + count, data, place)[0]
        found.append((place, number))
        for index in range(entries):
            at = place + number + entry * index
            found += [(at, 2), (at + 2, 2), (at + 4, word), (at + 4 + word, word), (at + 8, word)]
        link = place + number + entry * entries
        found.append((link, word))
        if link + word > len(data):
            break
        place = struct.unpack_from(order + ("Q" if big else "I"), data, link)[0]
    return found


def png(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Chunks changed, repeated, dropped or moved; checksums put right again, mostly."""
    data = rng.choice(seeds)
    if rng.random() < 0.2 or not data.startswith(_SIGNATURE):
        return any_bytes(rng, seeds)
    chunks = _chunks(data)
    if rng.random() < 0.2:
        chunks += _chunks(rng.choice([s for s in seeds if s.startswith(_SIGNATURE)]))
    for _ in range(rng.choice((1, 1, 2, 3))):
        _change_chunk(rng, chunks)
    parts = [_SIGNATURE]
    for kind, body in chunks:
        crc = zlib.crc32(body, zlib.crc32(kind)) ^ (rng.random() < 0.02)
        size = len(body) if rng.random() > 0.02 else rng.choice(_NUMBERS) % 2**32
        parts += [struct.pack(">I", size), kind, body, struct.pack(">I", crc)]
    return b"".join(parts)


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    place, found = 8, []
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    return found


def _change_chunk(rng: Random, chunks: list[tuple[bytes, bytes]]) -> None:
    index = 0 if rng.random() < 0.3 else rng.randrange(len(chunks))
    kind, body = chunks[index]
    change = rng.randrange(8)
    if change == 0 and len(chunks) > 1:
        del chunks[index]
    elif change == 1:
        chunks.insert(rng.randrange(len(chunks) + 1), (kind, body))
    elif change == 2:
        bomb = zlib.compress(bytes(rng.choice((10, 10**5, 3 * 10**6))))
        name = rng.choice((b"IDAT", b"iCCP", b"zTXt", b"iTXt"))
        chunks[index] = (name, bomb if name == b"IDAT" else b"icc\0\0" + bomb)
    elif change == 3:
        names = (b"PLTE", b"tRNS", b"acTL", b"fdAT", b"pHYs", b"gAMA", b"eXIf", b"sBIT", b"zzzz")
        chunks.insert(index + 1, (rng.choice(names), rng.randbytes(rng.choice((0, 1, 8, 9, 768)))))
    elif body:
        chunks[index] = (kind, any_bytes(rng, [body]))


def json_text(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """JSON with nodes replaced, dropped, repeated, swapped or buried; or a broken text of it."""
    if rng.random() < 0.1:
        return any_bytes(rng, seeds)
    try:
        data = json.loads(rng.choice([seed for seed in seeds if seed[:1] in b"{["]))
    except (ValueError, RecursionError):  # it was broken before
        return any_bytes(rng, seeds)
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        data = change_node(rng, data)
    return _dumped(data)


def _dumped(data: Any) -> bytes:
    text = json.dumps(data)  # NaN and Infinity are written as Python reads them
    text = text.replace('"\\u0001deep"', "[" * 5000 + "]" * 5000)
    return text.replace('"\\u0001huge"', "1" + "0" * 400).replace('"\\u0001big"', "1e999").encode()


_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 0.5, -0.0, 255, 256, 2**31, 2**63, -(2**63), 1e308, 5e-324,
    float("nan"), float("inf"), "", "a", "0", "\0", "\ud800", "x" * 3000, "../../etc/passwd", "/",
    [], {}, [[]], [None], [1, 2], [0, 0, 5, 6], [0, 0, 10**6, 10**6], {"a": {}}, [1e9] * 4,
    "\u0001deep", "\u0001huge", "\u0001big", "layer", "group", "normal", "layers/0.png", "auto",
)  # fmt: skip


def change_node(rng: Random, data: Any) -> Any:
    """``data`` with one node somewhere in it changed."""
    holders = [data]
    for item in holders:
        if isinstance(item, (dict, list)):
            values = item.values() if isinstance(item, dict) else item
            holders += [value for value in values if isinstance(value, (dict, list)) and value]
        if len(holders) > 3000:
            break
    if not isinstance(data, (dict, list)) or rng.random() < 0.01:
        return deepcopy(rng.choice(_ODD))
    holder = rng.choice(holders)
    if not holder:
        return data
    key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    kind = rng.randrange(10)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder += holder[: rng.choice((1, 2, 600))]
    elif kind == 2:
        node: Any = deepcopy(holder[key])
        for _ in range(rng.choice((1, 3, 40))):
            node = (
                {"kind": "group", **node, "children": [node]} if isinstance(node, dict) else [node]
            )
        holder[key] = node
    elif kind == 3:
        holder[key] = deepcopy(rng.choice(holders))
    elif isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool) and kind < 6:
        holder[key] += rng.choice((-1, 1, 0.5, 2**31, -(2**31)))
    else:
        holder[key] = deepcopy(rng.choice(_ODD))
    return data


_XML_BITS = (
    b'<!DOCTYPE a [<!ENTITY b "cccccccccc"><!ENTITY d "&b;&b;&b;&b;&b;&b;&b;">]>',
    b'<!DOCTYPE a SYSTEM "file:///etc/passwd">', b'<!ENTITY x SYSTEM "file:///etc/passwd">', b"&b;",
    b"<stack>" * 40, b"</stack>", b"<layer/>", b'<layer src="data/layer000.png"/>' * 30, b"<!--",
    b'<stack><layer name="x" src="mimetype"/></stack>', b"<![CDATA[", b"<a/>" * 9000, b"\xff\xfe",
    b"<stack>" * 3000 + b"</stack>" * 3000, b'<filter/><text name="t"/>', b"&#xd800;",
)  # fmt: skip
_VALUES = (
    b"", b"nan", b"inf", b"-1", b"1e9", b"99999999999", b"0", b"1_0", b"0x10", b"x" * 5000,
    b"hidden", b"../../../etc/passwd", b"stack.xml", b"svg:multiply", b"\xd9\xa1", b"auto", b"true",
)  # fmt: skip


def xml(rng: Random, data: bytes) -> bytes:
    """Attributes changed, elements put in, repeated and dropped."""
    kind = rng.randrange(5)
    if kind <= 1 and (values := list(re.finditer(rb'"([^"]*)"', data))):
        found = rng.choice(values)
        return data[: found.start(1)] + rng.choice(_VALUES) + data[found.end(1) :]
    if kind == 2:
        places = [found.start() for found in re.finditer(rb"<", data)] or [0]
        place = rng.choice(places)
        return data[:place] + rng.choice(_XML_BITS) + data[place:]
    if kind == 3 and (tags := list(re.finditer(rb"<[^>]*>", data))):
        found = rng.choice(tags)
        return data[: found.start()] + found.group() * rng.choice((0, 2, 600)) + data[found.end() :]
    return any_bytes(rng, [data])


def archive(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Members damaged by what they are and packed again; or the container itself."""
    data = rng.choice(seeds)
    if rng.random() < 0.25:
        return _container(rng, data, seeds)
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        members = [(name, source.read(name)) for name in source.namelist()]
    for _ in range(rng.choice((1, 1, 2))):
        _change_member(rng, members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, content in members:
            packing = rng.choice((8, 8, 8, 8, 8, 8, 8, 12, 14)) if rng.random() < 0.1 else 0
            target.writestr(zipfile.ZipInfo(name or "x"), content, compress_type=packing)
    return out.getvalue() if rng.random() < 0.85 else _container(rng, out.getvalue(), seeds)


def _change_member(rng: Random, members: list[tuple[str, bytes]]) -> None:
    if not members:
        return
    texts = [i for i, (name, _) in enumerate(members) if name.endswith((".json", ".xml"))]
    index = rng.choice(texts) if texts and rng.random() < 0.6 else rng.randrange(len(members))
    name, content = members[index]
    kind = rng.randrange(10)
    if kind == 0:
        del members[index]
    elif kind == 1:
        members[index] = (
            rng.choice(("../x", "/etc/passwd", "manifest.json", "a\0b", name + "/")),
            content,
        )
    elif kind == 2:
        members[index] = (name, rng.choice(members)[1])
    elif kind == 3:
        members[index] = (name, bytes(rng.choice((0, 1, 10**3, 10**5))))
    elif name.endswith(".json") and content.startswith(b"{"):
        members[index] = (name, json_text(rng, [content]))
    elif name.endswith(".xml"):
        members[index] = (name, xml(rng, content))
    else:
        members[index] = (name, png(rng, [content]) if content[:4] == b"\x89PNG" else content[:9])


def _container(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Local headers, central directory and end record (APPNOTE.TXT 4.3) made to lie."""
    heads = {b"PK\3\4": (4, 6, 8, 14, 18, 22, 26, 28), b"PK\1\2": (6, 8, 10, 16, 20, 24, 28, 42)}
    ends = {b"PK\5\6": (4, 8, 10, 12, 16, 20)}
    damaged, places = bytearray(data), []
    for mark, offsets in (heads | ends).items():
        for found in re.finditer(re.escape(mark), data):
            places += [found.start() + offset for offset in offsets]
    if not places or rng.random() < 0.3:
        return any_bytes(rng, [data, *seeds])
    for _ in range(rng.choice((1, 1, 2, 4))):
        put_number(rng, damaged, min(rng.choice(places), len(damaged) - 4), rng.choice((2, 4)))
    return bytes(damaged)


def recipe_text(rng: Random, seeds: Sequence[bytes]) -> bytes:
    packets = [seed for seed in seeds if seed[:1] == b"<"]
    if rng.random() < 0.4:
        packet = rng.choice(packets)
        return xml(rng, packet) if rng.random() < 0.5 else _with_recipe(rng, packet, seeds)
    return json_text(rng, seeds)


def _with_recipe(rng: Random, packet: bytes, seeds: Sequence[bytes]) -> bytes:
    text = json_text(rng, seeds).replace(b"<", b"\\u003c").replace(b"&", b"\\u0026")
    start, end = packet.index(b"<layerstudio:recipe>") + 20, packet.index(b"</layerstudio:recipe>")
    return packet[:start] + text + packet[end:]


def lines(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Rows: one line of JSON changed as JSON, cells of a table as text."""
    seed = rng.choice(seeds)
    if rng.random() < 0.25:
        return seed[:1] + any_bytes(rng, [seed[1:]])
    parts = seed[1:].split(b"\n")
    index = rng.randrange(len(parts))
    if parts[index].startswith(b"{"):
        parts[index] = json_text(rng, [parts[index]])
    else:
        cells = parts[index].split(b",")
        odd = _dumped(rng.choice(_ODD)) if rng.random() < 0.6 else rng.choice(cells)
        cells[rng.randrange(len(cells))] = b'"' + odd.replace(b'"', b'""') + b'"'
        parts[index] = b",".join(cells * rng.choice((1, 1, 1, 2)))
    return seed[:1] + b"\n".join(parts)
