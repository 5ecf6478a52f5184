"""The benchmarks run, at toy size on a CPU, and say what they measured."""

import pytest
import torch

from benchmarks import attention, sdxl_steps

torch.set_num_threads(1)


def table_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_attention(capsys):
    attention.main(["--toy", "--device", "cpu", "--rounds", "1"])
    rows = table_of(capsys.readouterr().out)
    assert len(rows) == 3 * len(attention.CASES)
    measured = [row for row in rows if row[2] != "-"]
    assert {row[1] for row in measured} >= {"sdpa", "flash"}
    assert all(float(row[2]) > 0 and float(row[3]) < 1e-5 for row in measured)


def test_packed_lengths_fill_the_sequence():
    packed = next(case for case in attention.CASES if case.documents > 1)
    assert sum(packed.lengths or []) == packed.length
    assert len(packed.lengths or []) == packed.documents


def test_steps_and_decoding(capsys):
    sdxl_steps.main(["--toy", "--device", "cpu", "--rounds", "1"])
    rows = {row[0]: row[1:] for row in table_of(capsys.readouterr().out)}
    assert "NVIDIA" in rows["UNet step, xformers"][2] or float(rows["UNet step, xformers"][0]) > 0
    for name in ("UNet step, sdpa", "VAE decode", "transparency, 8 passes in batches"):
        assert float(rows[name][0]) > 0
    assert "transparency, 1 passes one by one" in rows


@pytest.mark.gpu
@pytest.mark.parametrize("side", [512, 1024])
def test_gpu_takes_what_is_estimated(side, capsys):
    """At full width; kernels' workspaces come on top, for which the preflight has its allowance."""
    sdxl_steps.main(["--device", "cuda", "--side", str(side), "--rounds", "1"])
    for name, _, peak, estimate in table_of(capsys.readouterr().out):
        if peak != "-":
            assert float(peak) <= 1.1 * float(estimate) + 0.5, name
