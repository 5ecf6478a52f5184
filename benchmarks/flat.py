"""Time and memory of decomposing the bundled poster: ``python -m benchmarks.flat [SIDE ...]``.

Each side runs in a process of its own, several times; the fastest run counts, since others only
wait for a busy machine. Memory is the process's peak, the interpreter and libraries included.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

POSTER = Path(__file__).parent.parent / "examples" / "poster.png"
SIDES = (1024, 4096)
ROUNDS = {1024: 3}  # one round for anything larger


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
        return
    sides = tuple(int(side) for side in sys.argv[1:]) or SIDES
    print(f"{'side':>6} {'seconds':>8} {'peak MB':>8} {'layers':>7} {'error /255':>10}")
    for side in sides:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "poster.png"
            with Image.open(POSTER) as poster:
                poster.convert("RGB").resize((side, side), Image.Resampling.LANCZOS).save(path)
            runs = [_in_own_process(path) for _ in range(ROUNDS.get(side, 1))]
        best = min(runs, key=lambda run: run["seconds"])
        peak = max(run["megabytes"] for run in runs)
        print(
            f"{side:>6} {best['seconds']:>8.2f} {peak:>8.0f} {best['layers']:>7.0f}"
            f" {best['error'] * 255:>10.2f}"
        )


def measure(path: Path) -> dict[str, float]:
    """Decompose one picture in this process, text read where a program for it is installed."""
    import layerstudio  # imported here, so that the parent stays small

    start = time.perf_counter()
    document = layerstudio.decompose(path)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "layers": len(document.layers),
        "error": float(document.metadata["recomposition_max_error"]),
    }


def _in_own_process(path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.flat", "--worker", str(path)]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent.parent
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
