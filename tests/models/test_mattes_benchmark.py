"""The benchmark of mattes and filling runs, at toy size."""

import torch

from benchmarks import mattes

torch.set_num_threads(1)


def test_quick(capsys):
    mattes.main(["--quick", "--rounds", "1"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert {"BiRefNet swin-T", "BiRefNet swin-L", "LaMa, words, whole picture"} < {
        row[0] for row in cells
    }
    assert all(float(row[1]) > 0 for row in cells)
