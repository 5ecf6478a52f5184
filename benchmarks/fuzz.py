"""Every reader against files that were damaged on purpose, each outcome counted.

Run ``python benchmarks/fuzz.py psd --inputs 200000 --seed 0 --jobs 2``. Input ``i`` of a seed is
the same file on every machine; ``--only i`` runs it alone and shows the traceback. Workers have
1 GiB of address space beyond what the libraries take, an input has 5 seconds, and the readers'
limits are those of ``fuzz_seeds.LIMITS``. What is neither read nor refused with a sentence (a
crash, a hang, an allocation that failed) is made smaller and kept in ``--keep``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import multiprocessing.pool
import os
import resource
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks import fuzz_mutations as mutations
from benchmarks import fuzz_seeds as seeds
from benchmarks.fuzz_seeds import LIMITS
from layerstudio.document import Document
from layerstudio.errors import LayerStudioError, OutOfMemory, UnreadableFile
from layerstudio.generate_request import GenerateRequest
from layerstudio.geometry import Extent
from layerstudio.io import manifest, open_document, recipe, save
from layerstudio.io.picture import read_picture
from layerstudio.io.png import read_recipe
from layerstudio.io.png_codec import decode_gray_png, decode_png, png_icc
from layerstudio.pipelines.batch import journal
from layerstudio.pipelines.batch.rows import csv_rows, json_rows
from layerstudio.requests import DecomposeRequest

SECONDS = 5
STUCK_SECONDS = 30  # code that never comes back to Python is killed
EXTRA_BYTES = 2**30
BLOCK = 500
WRITTEN_EVERY = 200  # documents that were read and are written again, one of so many
SHRINK_SECONDS = 20


class Hang(BaseException):
    """Beyond ``except Exception``: no reader may swallow it."""


@dataclass(frozen=True)
class Reader:
    """What is tested: ``make`` gives sound files, ``mutate`` damages them, ``read`` opens one."""

    make: Callable[[], list[bytes]]
    mutate: mutations.Mutator
    read: Callable[[bytes, Path], Any]


def _document(suffix: str, data: bytes, folder: Path) -> Document:
    path = folder / f"input{suffix}"
    path.write_bytes(data)
    found = open_document(path, LIMITS)
    assert found.extent.pixel_count <= LIMITS.pixels, found.extent
    if len(data) % WRITTEN_EVERY == 0:
        for other in (".psd", ".ora", ".zip"):
            save(found, folder / f"output{other}")
    return found


def _png(data: bytes, _: Path) -> Any:
    png_icc(data)
    read_recipe(data)
    pixels = decode_png(data, LIMITS)
    with suppress(UnreadableFile):
        decode_gray_png(data, LIMITS)
    return pixels


def _picture(data: bytes, _: Path) -> Any:
    picture = read_picture(data, LIMITS)
    assert Extent.of(picture.pixels).pixel_count <= LIMITS.pixels
    return picture


def _manifest(data: bytes, folder: Path) -> Document:
    found = manifest.loads(data)
    if found is None:
        raise UnreadableFile("This is no manifest.")
    arrays: dict[manifest.Ref, Any] = {}
    for item in manifest.references(found, LIMITS):
        channels = () if item.is_mask else (4,)
        arrays[item.ref] = np.zeros((*item.extent.shape, *channels), np.uint8)
    document = manifest.restore(found, arrays)
    if len(data) % WRITTEN_EVERY == 0:
        save(document, folder / "output.psd")
    return document


def _recipe(data: bytes, folder: Path) -> Document:
    found = recipe.from_xmp(data) if data[:1] == b"<" else recipe.from_json(data)
    if found is None:
        raise UnreadableFile("This is no recipe.")
    document = recipe.apply(found, seeds.document())
    if len(data) % WRITTEN_EVERY == 0:
        save(document, folder / "output.svg")
    recipe.to_xmp(document)
    return document


def _request(data: bytes, _: Path) -> Any:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        raise UnreadableFile("This is no JSON.") from None
    kind = GenerateRequest if isinstance(fields, dict) and "count" in fields else DecomposeRequest
    request = kind.from_dict(fields)
    assert kind.from_dict(json.loads(json.dumps(request.to_dict()))) is not None
    if isinstance(request, DecomposeRequest):
        request.check_against(Extent(64, 48))
    return request


def _rows(data: bytes, folder: Path) -> Any:
    if data[:1] == b"L":
        path = folder / "journal.jsonl"
        path.write_bytes(data[1:])
        return journal.past_of(path)
    text = data[1:].decode(errors="replace")
    read = (
        csv_rows if data[:1] == b"C" else lambda text, name: json_rows(iter(text.split("\n")), name)
    )
    found = list(read(text, "rows"))
    if found and all(row.problem for row in found):
        raise UnreadableFile("No row makes sense.")
    return found


READERS = {
    "psd": Reader(
        partial(seeds.psd, ".psd"),
        mutations.at_fields(mutations.psd_fields),
        partial(_document, ".psd"),
    ),
    "psb": Reader(
        partial(seeds.psd, ".psb"),
        mutations.at_fields(mutations.psd_fields),
        partial(_document, ".psb"),
    ),
    "ora": Reader(partial(seeds.saved, ".ora"), mutations.archive, partial(_document, ".ora")),
    "zip": Reader(partial(seeds.saved, ".zip"), mutations.archive, partial(_document, ".zip")),
    "tiff": Reader(
        seeds.tiff, mutations.at_fields(mutations.tiff_fields), partial(_document, ".tif")
    ),
    "png": Reader(seeds.png, mutations.png, _png),
    "picture": Reader(seeds.pictures, mutations.any_bytes, _picture),
    "manifest": Reader(seeds.manifests, mutations.json_text, _manifest),
    "recipe": Reader(seeds.recipes, mutations.recipe_text, _recipe),
    "request": Reader(seeds.requests, mutations.json_text, _request),
    "rows": Reader(seeds.rows, mutations.lines, _rows),
}


@dataclass
class Tally:
    """How often what came out, the files to look at, and the slowest read in seconds."""

    counts: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[int, str]] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)

    def add(self, other: Tally) -> None:
        self.counts += other.counts
        self.bad += other.bad
        self.slowest = max(self.slowest, other.slowest)


def input_of(name: str, sound: Sequence[bytes], seed: int, index: int) -> bytes:
    return READERS[name].mutate(Random(f"{name}:{seed}:{index}"), sound)


def outcome(reader: Reader, data: bytes, folder: Path) -> str:
    """One word or two: read, refused, memory, hang or crash, and by what."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        reader.read(data, folder)
    except Hang:
        return "hang"
    except MemoryError:
        return "memory"
    except LayerStudioError as error:
        return "memory" if _is_memory(error) else f"refused: {type(error).__name__}"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"crash: {type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "read"


def _is_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, (MemoryError, OutOfMemory)):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_bad(result: str) -> bool:
    return not result.startswith(("read", "refused"))


def _alarm(*_: Any) -> None:
    raise Hang


def limit_memory() -> None:
    """Of this process, for good: what it has, and ``EXTRA_BYTES``."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + EXTRA_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    signal.signal(signal.SIGALRM, _alarm)


def _work(name: str, sound: list[bytes], seed: int, span: range, at: Any, out: Any) -> None:
    limit_memory()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # codecs print their warnings
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=_fast_folder()) as folder:
        for index in span:
            at.value = index
            data = input_of(name, sound, seed, index)
            start = time.perf_counter()
            result = outcome(READERS[name], data, Path(folder))
            tally.slowest = max(tally.slowest, (time.perf_counter() - start, index))
            tally.counts[result] += 1
            if is_bad(result):
                tally.bad.append((index, result))
    out.send(tally)


def _fast_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run_block(name: str, sound: list[bytes], seed: int, span: range) -> Tally:
    """Inputs in a process of their own; one that dies or never answers loses a single input."""
    context = multiprocessing.get_context("fork")
    at = context.Value("q", span.start, lock=False)
    out, into = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(name, sound, seed, span, at, into))
    process.start()
    into.close()
    seen, since = at.value, time.monotonic()
    while not out.poll(0.05) and process.is_alive():
        if at.value != seen:
            seen, since = at.value, time.monotonic()
        elif time.monotonic() - since > STUCK_SECONDS:
            process.kill()
    try:
        tally = out.recv()
    except EOFError:
        return _around(name, sound, seed, span, at.value)
    process.join()
    return tally


def _around(name: str, sound: list[bytes], seed: int, span: range, dead: int) -> Tally:
    """What comes before and after the input that ended its process."""
    result = "killed"
    tally = Tally(Counter({result: 1}), [(dead, result)])
    for rest in (range(span.start, dead), range(dead + 1, span.stop)):
        if rest:
            tally.add(run_block(name, sound, seed, rest))
    return tally


def smaller(reader: Reader, data: bytes, result: str, folder: Path) -> bytes:
    """A shorter file with the same outcome, as far as ``SHRINK_SECONDS`` allow."""
    end = time.monotonic() + SHRINK_SECONDS
    piece = len(data) // 2
    while piece and time.monotonic() < end:
        place = 0
        while place < len(data) and time.monotonic() < end:
            tried = data[:place] + data[place + piece :]
            if outcome(reader, tried, folder) == result:
                data = tried
            else:
                place += piece
        piece //= 2
    return data


def _keep(name: str, sound: list[bytes], seed: int, tally: Tally, folder: Path) -> None:
    """The first of each kind of failure as files."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {result: index for index, result in reversed(tally.bad)}
    for result, index in kinds.items():
        data = input_of(name, sound, seed, index)
        if result != "killed":
            with tempfile.TemporaryDirectory() as scratch:
                data = smaller(READERS[name], data, result, Path(scratch))
        word = "".join(c if c.isalnum() else "-" for c in result.split(" at ")[0])
        (folder / f"{name}-{word}-{index}").write_bytes(data)


def fuzz(name: str, inputs: int, seed: int, jobs: int) -> Tally:
    """``inputs`` files of one reader, ``jobs`` blocks at a time."""
    sound = READERS[name].make()
    # A sound file that is refused would make most of its damaged ones prove nothing. Reading them
    # here also imports what the forks share.
    with tempfile.TemporaryDirectory() as folder:
        for file in sound:
            READERS[name].read(file, Path(folder))
    spans = [range(start, min(start + BLOCK, inputs)) for start in range(0, inputs, BLOCK)]
    tally = Tally()
    if jobs == 1:
        for span in spans:
            tally.add(run_block(name, sound, seed, span))
        return tally
    with multiprocessing.pool.ThreadPool(jobs) as pool:
        for part in pool.imap_unordered(partial(run_block, name, sound, seed), spans):
            tally.add(part)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description="Readers against damaged files.")
    parser.add_argument("reader", choices=[*READERS, "all"])
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", type=int, help="this input alone, with its traceback")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    options = parser.parse_args()
    for name in READERS if options.reader == "all" else [options.reader]:
        sound = READERS[name].make()
        if options.only is not None:
            data = input_of(name, sound, options.seed, options.only)
            (Path(tempfile.gettempdir()) / f"only-{name}").write_bytes(data)
            READERS[name].read(data, Path(tempfile.gettempdir()))
            continue
        start = time.perf_counter()
        tally = fuzz(name, options.inputs, options.seed, options.jobs)
        seconds = time.perf_counter() - start
        slowest, index = tally.slowest
        print(f"{name}: {options.inputs:,} inputs, seed {options.seed}, {seconds:.0f} s;", end=" ")
        print(f"slowest {slowest:.2f} s (input {index})")
        for result, count in tally.counts.most_common():
            print(f"  {count:>9,}  {result}", flush=True)
        if tally.bad:
            signal.signal(signal.SIGALRM, _alarm)
            _keep(name, sound, options.seed, tally, options.keep)


if __name__ == "__main__":
    main()
