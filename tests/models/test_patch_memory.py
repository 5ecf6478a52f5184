"""The promise that a toggled patch needs no second UNet, by the kernel's own account."""

import pytest

from benchmarks.patch_memory import WIDTH, compare


@pytest.mark.slow
def test_toggling_takes_at_most_a_fifth_more_than_one_unet():
    reports = compare(WIDTH)
    assert reports["toggled patch"]["ratio"] <= 1.2
    assert reports["second UNet"]["ratio"] > 1.8
