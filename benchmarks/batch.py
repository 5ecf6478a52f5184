"""What batches take and survive: ``python benchmarks/batch.py CASE ...``, all cases by default.

    throughput  posters with the method flat, two workers against one
    overhead    per item, against calling the method in a loop
    continue    a finished batch of many items, run again
    kill        the whole tree killed at random moments, continued each time
    memory      of the parent over many items
    disk        a disk filled to the brim, and room made
    ray         two nodes on this machine, one killed in the middle

``--quick`` runs all of it at toy size. Works on the loopback and in a temporary folder alone.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # training/ is not installed

import numpy as np
from PIL import Image

import layerstudio
from training.assets import Assets
from training.designs import make_design

MIB = 2**20
COMMAND = [sys.executable, "-m", "layerstudio.ui.cli.main", "batch"]
PLAIN = ["--no-read-text"]
ONE_LAYER = [*PLAIN, "--layers", "1"]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], default=list(CASES))
    parser.add_argument("--quick", action="store_true", help="toy sizes")
    options = parser.parse_args()
    for case in options.cases or list(CASES):
        with tempfile.TemporaryDirectory(prefix="layerstudio-bench-") as folder:
            for line in CASES[case](Path(folder), options.quick):
                print(f"{case}: {line}", flush=True)


def throughput(folder: Path, quick: bool) -> Iterator[str]:
    count = 6 if quick else 200
    write_posters(folder / "in", count)
    rates = {}
    # A worker alone has both cores: it computes on them where a step can, and writes beside. What
    # that is worth shows beside one that is kept to a single core.
    for name, workers, cores in (("one-core", 1, {0}), ("1", 1, None), ("2", 2, None)):
        asked = [str(folder / "in"), "-o", str(folder / name), *PLAIN]
        seconds = timed(asked, workers, cores)
        rates[name] = count / seconds
        kept = " on one core" if cores else ""
        speed = f"{seconds:.1f} s, {60 * rates[name]:.1f}/min"
        yield f"{count} posters, {workers} workers{kept}: {speed}"
    yield (
        f"2 workers against 1: {rates['2'] / rates['1']:.2f} times, "
        f"against 1 on one core: {rates['2'] / rates['one-core']:.2f}; equal files: {same(folder)}"
    )


def overhead(folder: Path, quick: bool) -> Iterator[str]:
    count = 20 if quick else 500
    paths = write_tiny(folder / "in", count, 64)
    (folder / "loop").mkdir()
    layerstudio.decompose(paths[0], layers=1, read_text=False)  # imports
    start = time.perf_counter()
    for path in paths:
        made = layerstudio.decompose(path, layers=1, read_text=False)
        made.save(folder / "loop" / f"{path.stem}.psd")
    loop = (time.perf_counter() - start) / count
    one = timed([str(paths[0]), "-o", str(folder / "first"), *ONE_LAYER], 1)
    whole = timed([str(folder / "in"), "-o", str(folder / "out"), *ONE_LAYER], 1)
    each = (whole - one) / (count - 1)
    yield f"loop {1000 * loop:.1f} ms an item, batch {1000 * each:.1f} ms, "
    yield f"overhead {1000 * (each - loop):.1f} ms an item ({count} items, one worker)"


def continued(folder: Path, quick: bool) -> Iterator[str]:
    count = 100 if quick else 10_000
    write_tiny(folder / "in", count, 8)
    command = [str(folder / "in"), "-o", str(folder / "out"), *ONE_LAYER]
    yield f"{count} items: {timed(command, 2):.0f} s"
    yield f"run again: {min(timed(command, 2) for _ in range(3)):.2f} s"


def killed(folder: Path, quick: bool) -> Iterator[str]:
    count, kills = (8, 3) if quick else (60, 50)
    write_posters(folder / "in", count, 480)
    asked = [str(folder / "in"), *PLAIN, "--format", "psd,ora"]
    whole = timed([*asked, "-o", str(folder / "calm")], 2)
    rng, out = random.Random(0), folder / "out"
    for _ in range(kills):
        process = started([*asked, "-o", str(out)], 2)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.2, 2.5 + 2 * whole / kills))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    timed([*asked, "-o", str(out)], 2)
    calm, found = results(folder / "calm"), results(out)
    journal = (out / ".layerstudio-batch/journal.jsonl").read_text().splitlines()
    done = [line for line in journal if '"event":"done"' in line]
    yield (
        f"{kills} kills in a batch of {count}: {len(found)} of {len(calm)} files, "
        f"{sum(found.get(name) == data for name, data in calm.items())} identical, "
        f"{len(set(found) - set(calm))} besides, {len(done)} items done"
    )


def memory(folder: Path, quick: bool) -> Iterator[str]:
    count = 60 if quick else 5_000
    write_tiny(folder / "in", count, 16)
    process = started([str(folder / "in"), "-o", str(folder / "out"), *ONE_LAYER], 2)
    seen: list[tuple[int, int]] = []
    while process.poll() is None:
        seen.append((count_done(folder / "out"), resident(process.pid)))
        time.sleep(0.2)
    steady = [size for done, size in seen if count // 20 <= done]
    yield (
        f"parent over {count} items: {steady[0] / MIB:.0f} MiB after a twentieth, "
        f"at most {max(steady) / MIB:.0f} MiB, {max(steady[-5:]) / MIB:.0f} MiB at the end"
    )


def disk(folder: Path, quick: bool) -> Iterator[str]:
    """A tmpfs of a few MiB; needs root."""
    count = 12 if quick else 60
    write_posters(folder / "in", count, 480)
    timed([str(folder / "in"), "-o", str(folder / "calm"), *PLAIN], 2)
    needed = sum(len(data) for data in results(folder / "calm").values())
    small = folder / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={needed // 2 // 1024}k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        yield "no file system of its own can be mounted here"
        return
    try:
        command = [str(folder / "in"), "-o", str(small), *PLAIN]
        full = subprocess.run([*COMMAND, *command, "-w", "2"], capture_output=True, text=True)
        parts = [path for path in small.iterdir() if ".part" in path.name]
        yield f"full: exit {full.returncode}, {len(results(small))} files, {len(parts)} halves left"
        yield f"said: {full.stderr.strip().splitlines()[-1]}"
        subprocess.run(
            ["mount", "-o", f"remount,size={2 * needed + 8 * MIB}", str(small)], check=True
        )
        again = subprocess.run([*COMMAND, *command, "-w", "2"], capture_output=True, text=True)
        equal = results(small) == results(folder / "calm")
        yield f"after making room: exit {again.returncode}, all identical: {equal}"
    finally:
        subprocess.run(["umount", str(small)], check=True)


def ray(folder: Path, quick: bool) -> Iterator[str]:
    count = 8 if quick else 40
    write_posters(folder / "in", count, 480)
    asked = [str(folder / "in"), *PLAIN]
    timed([*asked, "-o", str(folder / "calm")], 2)
    from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

    with contextlib.redirect_stdout(io.StringIO()):
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        second = cluster.add_node(num_cpus=1)
    try:
        command = [*asked, "-o", str(folder / "out"), "--engine", "ray"]
        process = started([*command, "--address", str(cluster.address)], 2)
        while count_done(folder / "out") < count // 3 and process.poll() is None:
            time.sleep(0.2)
        cluster.remove_node(second, allow_graceful=False)
        at = count_done(folder / "out")
        code = process.wait()
    finally:
        cluster.shutdown()
    equal = results(folder / "out") == results(folder / "calm")
    yield f"{count} items on two nodes, one killed after {at}: exit {code}, identical: {equal}"


CASES: dict[str, Callable[[Path, bool], Iterator[str]]] = {
    "throughput": throughput,
    "overhead": overhead,
    "continue": continued,
    "kill": killed,
    "memory": memory,
    "disk": disk,
    "ray": ray,
}


def write_posters(folder: Path, count: int, side: int | None = None) -> None:
    folder.mkdir()
    assets = Assets.bundled()
    for seed in range(count):
        design = make_design(seed, "dev", background="plain", assets=assets)
        picture = Image.fromarray(np.asarray(design.picture.pixels))
        if side is not None:
            picture.thumbnail((side, side))
        picture.save(folder / f"poster {seed:03}.png")


def write_tiny(folder: Path, count: int, side: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"tiny {number:05}.png" for number in range(count)]
    for number, path in enumerate(paths):
        pixels = np.full((side, side, 3), (number % 256, number // 256, 90), np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


def started(
    command: list[str], workers: int, cores: set[int] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *command, "-w", str(workers)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
    )


def timed(command: list[str], workers: int, cores: set[int] | None = None) -> float:
    start = time.perf_counter()
    code = started(command, workers, cores).wait()
    assert code == 0, (code, command)
    return time.perf_counter() - start


def results(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.iterdir() if path.is_file())
    return {
        path.name: path.read_bytes()
        for path in found
        if not path.name.startswith((".", "batch-report"))
    }


def same(folder: Path) -> bool:
    return results(folder / "1") == results(folder / "2")


def count_done(out: Path) -> int:
    path = out / ".layerstudio-batch/journal.jsonl"
    return path.read_text().count('"event":"done"') if path.exists() else 0


def resident(process: int) -> int:
    """Bytes in memory of one process."""
    try:
        fields = Path(f"/proc/{process}/statm").read_text().split()
    except OSError:
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
