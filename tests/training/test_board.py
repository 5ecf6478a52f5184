"""The board that the example pictures are laid out on."""

import numpy as np
import pytest

from layerstudio.errors import InvalidRequest
from layerstudio.geometry import Bounds, Extent
from training.board import Board, drawing


def test_reserved_clip_art_is_refused():
    with pytest.raises(InvalidRequest, match="reserved for evaluation"):
        drawing("food/fruit/lemon_whole_ganson.svg", 20, 0)  # SHA-1 of the name begins with 1


def test_translucent_panels_mix_with_what_is_beneath_and_may_leave_the_picture():
    board = Board(Extent(40, 30))
    board.gradient(Bounds(0, 0, 40, 30), "#000000", "#000000")
    board.panel(Bounds(-10, -10, 25, 20), "#ffffff", opacity=0.4)
    pixels = board.pixels()
    assert (pixels[:9, :14] == 102).all()
    assert not pixels[11:].any()
    assert not pixels[:, 16:].any()


def test_a_gradient_runs_from_its_first_to_its_second_colour():
    board = Board(Extent(5, 101))
    board.gradient(Bounds(0, 0, 5, 101), "#ff0000", "#0000ff")
    pixels = board.pixels().astype(int)
    assert pixels[0, 2].tolist() == [255, 0, 0]
    assert pixels[-1, 2].tolist() == [0, 0, 255]
    assert (np.diff(pixels[:, 0, 2]) >= 2).all()


def test_polygons_have_soft_edges():
    board = Board(Extent(20, 20))
    board.polygon([(2, 2), (18, 6), (4, 18)], "#ffffff")
    values = board.pixels()[..., 0]
    assert values[7, 7] == 255
    assert len(np.unique(values)) > 8
