"""``layerstudio.matte``: what may be given, what comes back, and what is refused."""

import numpy as np
import pytest
from matte_scene import disc
from tiny_mattes import write_birefnet

import layerstudio
from layerstudio import Bounds, Cancelled, CancelToken, InvalidRequest, MissingWeights
from layerstudio.composite import composite
from layerstudio.metrics.recompose import recomposition_error
from layerstudio.picture import Picture
from layerstudio.progress import Progress

SCENE = disc(90, 121)
GREY = (SCENE.trimap * 255).round().astype(np.uint8)
HARD = ((SCENE.alpha > 0.5) * 255).astype(np.uint8)
BOX = (25, 10, 70, 70)


@pytest.mark.parametrize("shown", [{"trimap": GREY}, {"mask": HARD}, {"box": BOX}], ids=str)
def test_the_foreground_with_its_own_colours(shown, rows):
    rows()
    document = layerstudio.matte(SCENE.rgb, **shown)
    (layer,) = document.layers
    assert document.extent == (121, 90) and layer.name == "Foreground"
    assert layer.bounds.extent != document.extent  # cropped to its content
    alpha = np.zeros(SCENE.alpha.shape)
    alpha[layer.bounds.slices] = layer.pixels[..., 3] / 255
    assert np.abs(alpha - SCENE.alpha).mean() < 0.03
    edge = (layer.pixels[..., 3] > 40) & (layer.pixels[..., 3] < 220)
    assert edge.any()
    off = np.abs(layer.pixels[..., :3] / 255 - SCENE.front[layer.bounds.slices])
    assert off[edge].mean() < 0.12
    assert layer.provenance is not None and layer.provenance.method == "matte: guided"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("clear", [False, True])
def test_with_its_background_it_recomposes(rows, dtype, clear):
    rows()
    scale = 257 if dtype == np.uint16 else 1
    alpha = np.full(SCENE.alpha.shape, 255, np.uint8)
    if clear:
        alpha[:30] = 0
        alpha[30:50] = 99
    pixels = np.dstack([SCENE.rgb, alpha]).astype(dtype) * dtype(scale)
    pixels[..., 0] += dtype(7) * (pixels[..., 0] < 200)
    picture = Picture(pixels, dpi=300.0)
    document = layerstudio.matte(picture, trimap=GREY, background=True)
    assert [layer.name for layer in document.layers] == ["Background", "Foreground"]
    assert document.dtype == dtype and document.dpi == 300.0
    assert recomposition_error(document, pixels).max_error <= 1.01 / 255
    assert float(document.metadata["recomposition_max_error"]) <= 1.01 / 255
    centre = document.layers[0].pixels[45, 60].astype(float) / scale
    assert np.abs(centre[:3] - [40, 110, 185]).max() < 60 or clear  # the disc is gone beneath


def test_without_anything_a_network_decides(rows, tmp_path):
    rows()
    with pytest.raises(MissingWeights, match="models pull birefnet-lite"):
        layerstudio.matte(SCENE.rgb)
    with pytest.raises(InvalidRequest, match="roughly what the foreground"):
        layerstudio.matte(SCENE.rgb, matter="guided")
    folder = write_birefnet(tmp_path / "own")
    (folder / "config.json").write_text('{"size": 64}')
    document = layerstudio.matte(SCENE.rgb, matter="birefnet", base=str(folder))
    assert document.layers[0].provenance.method == "matte: birefnet"  # pyright: ignore
    rows("birefnet-lite")
    boxed = layerstudio.matte(SCENE.rgb, matter="birefnet", base=str(folder), box=BOX)
    assert Bounds(*BOX).contains(boxed.layers[0].bounds)


def test_what_is_refused_is_refused_in_a_sentence(rows):
    rows()
    nothing = np.zeros_like(GREY)
    cases = [
        ({"mask": nothing}, "mask of nothing"),
        ({"mask": nothing + 255}, "whole picture"),
        ({"mask": HARD[:50]}, "mask is 121 x 50"),
        ({"trimap": HARD}, "nothing open"),
        ({"trimap": np.minimum(GREY, 128)}, "no foreground"),
        ({"box": (200, 10, 5, 5)}, "outside"),
        ({"box": (0, 0, 121, 90)}, "whole picture"),
        ({"box": (1, 2, 3)}, "x, y, width and height"),
        ({"box": BOX, "mask": HARD}, "one of trimap, mask and box"),
        ({"mask": HARD, "matter": "lama"}, "no stage that can matte"),
    ]
    for given, sentence in cases:
        with pytest.raises(InvalidRequest, match=sentence):
            layerstudio.matte(SCENE.rgb, **given)


def test_nothing_in_front_is_a_note(rows):
    """A source that is transparent where the foreground would be."""
    rows()
    hidden = np.dstack([SCENE.rgb, np.where(SCENE.alpha > 0, 0, 255).astype(np.uint8)])
    document = layerstudio.matte(hidden, box=BOX, background=True)
    shown = composite(document)
    assert shown.shape == (90, 121, 4)
    clear = np.dstack([SCENE.rgb, np.zeros_like(GREY)])
    empty = layerstudio.matte(clear, mask=HARD)
    assert not empty.layers and any("nothing was found" in note for note in empty.notes)


def test_progress_goes_on_and_it_can_be_stopped(rows):
    rows()
    reports: list[Progress] = []
    layerstudio.matte(SCENE.rgb, trimap=GREY, background=True, progress=reports.append)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    cancel = CancelToken()

    def stop(report: Progress) -> None:
        if report.fraction > 0.4:
            cancel.cancel()

    with pytest.raises(Cancelled):
        layerstudio.matte(SCENE.rgb, trimap=GREY, progress=stop, cancel=cancel)
