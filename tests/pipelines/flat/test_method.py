"""The method from picture to document: any picture, any request, always exact."""

import time

import cv2
import numpy as np
import pytest

import layerstudio
from layerstudio import Cancelled, CancelToken, Role
from layerstudio.composite import composite_pixels
from layerstudio.document import Provenance
from layerstudio.picture import Picture
from layerstudio.pipelines.flat import ocr
from layerstudio.pipelines.flat.finishing import MOST_LAYERS

NAVY, WHITE, RED, ORANGE = (25, 35, 95), (252, 252, 252), (215, 40, 40), (240, 140, 30)
SHAPE = (221, 333)
RNG = np.random.default_rng(11)

needs_ocr = pytest.mark.skipif(not ocr.is_available(), reason="tesseract is not installed")


def poster():
    """A card with a word, a disc and a square on navy."""
    rgb = np.full((*SHAPE, 3), NAVY, np.uint8)
    cv2.rectangle(rgb, (20, 24), (200, 150), WHITE, -1)
    cv2.circle(rgb, (270, 70), 36, RED, -1, cv2.LINE_AA)
    cv2.rectangle(rgb, (240, 150), (300, 200), ORANGE, -1)
    cv2.putText(rgb, "Harbour", (32, 95), cv2.FONT_HERSHEY_DUPLEX, 1.1, NAVY, 2, cv2.LINE_AA)
    return rgb


def lettering(sigma=0.0):
    """Coverage (h, w) of a word."""
    mask = np.zeros(SHAPE, np.uint8)
    cv2.putText(mask, "Logo", (30, 140), cv2.FONT_HERSHEY_SIMPLEX, 3.2, 255, 14, cv2.LINE_AA)
    return cv2.GaussianBlur(mask, (0, 0), sigma) if sigma else mask


def with_alpha(rgb, alpha):
    return np.dstack([rgb, np.broadcast_to(np.asarray(alpha, rgb.dtype), rgb.shape[:2])])


def filled(colour, shape=SHAPE):
    return np.full((*shape, 3), colour, np.uint8)


def decomposed(picture, **options):
    return layerstudio.decompose(picture, **{"method": "flat", "read_text": False, **options})


def error_of(document):
    return float(document.metadata["recomposition_max_error"]) * 255


def assert_sound(document, picture, most=0.0):
    assert document.extent == (picture.shape[1], picture.shape[0])
    assert error_of(document) <= most + 1e-3
    names = [layer.name for layer in document.layers]
    assert len(set(names)) == len(names) >= 1


class TestOpaquePictures:
    def test_a_poster(self):
        document = decomposed(poster())
        assert_sound(document, poster())
        first, *others = document.layers
        assert (first.name, first.role) == ("Background, navy", Role.BACKGROUND)
        assert (first.pixels == (*NAVY, 255)).all()
        assert {layer.role for layer in others} >= {Role.TEXT, Role.SHAPE}
        assert any("red" in layer.name for layer in others)
        assert any("orange" in layer.name for layer in others)

    @needs_ocr
    def test_text_is_read_and_named(self):
        document = decomposed(poster(), read_text=True)
        (layer,) = [layer for layer in document.layers if layer.text]
        assert layer.text is not None
        assert layer.text.string == "Harbour"
        assert layer.name == "Text: Harbour"
        assert layer.text.box.overlaps(layer.bounds)

    @needs_ocr
    def test_a_language_that_is_missing_is_a_note(self):
        document = decomposed(poster(), read_text=True, languages=("tlh",))
        assert not any(layer.text for layer in document.layers)
        assert any("tlh" in note for note in document.notes)

    def test_without_the_program_reading_is_a_note(self, monkeypatch):
        monkeypatch.setattr(ocr, "is_available", lambda: False)
        document = decomposed(poster(), read_text=True)
        assert any("tesseract" in note for note in document.notes)

    def test_a_merged_text_is_not_live(self):
        document = decomposed(poster(), read_text=True, layers=2)
        assert not any(layer.text for layer in document.layers)

    @pytest.mark.parametrize(
        "shape",
        [(1, 1), (50, 1), (1, 50), (2, 2), (3, 5), (10, 20_000)],
        ids=str,
    )
    @pytest.mark.parametrize("kind", ["plain", "two", "noise"])
    def test_odd_sizes(self, shape, kind):
        picture = filled(RED, shape)
        if kind == "two":
            picture[:, shape[1] // 2 :] = NAVY
        if kind == "noise":
            picture = RNG.integers(0, 256, picture.shape, dtype=np.uint8)
        document = decomposed(picture)
        assert_sound(document, picture)
        assert len(document.layers) <= 2

    @pytest.mark.parametrize("side", [64, 200])
    def test_noise_is_one_background(self, side):
        noise = RNG.integers(0, 256, (side, side, 3), dtype=np.uint8)
        start = time.perf_counter()
        document = decomposed(noise)
        assert time.perf_counter() - start < 3
        assert [layer.role for layer in document.layers] == [Role.BACKGROUND]
        assert_sound(document, noise)

    def test_hundreds_of_pieces_are_merged_with_a_note(self):
        picture = filled(WHITE, (340, 340))
        for y in range(6, 330, 20):
            for x in range(6, 330, 20):
                picture[y : y + 11, x : x + 11] = RNG.integers(0, 200, 3)
        document = decomposed(picture)
        assert len(document.layers) == MOST_LAYERS
        assert any(str(MOST_LAYERS) in note for note in document.notes)
        assert_sound(document, picture)
        assert len(decomposed(picture, layers=100).layers) == 100


class TestTransparentPictures:
    def test_a_cut_out_has_no_plate(self):
        picture = with_alpha(filled(RED), lettering())
        document = decomposed(picture)
        assert_sound(document, picture)
        assert all(layer.role is not Role.BACKGROUND for layer in document.layers)
        shown = composite_pixels(document)
        np.testing.assert_array_equal(shown[..., 3], picture[..., 3])

    @pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 255), (0, 255, 0)])
    def test_soft_edges_of_any_colour(self, colour):
        picture = with_alpha(filled(colour), lettering(sigma=4))
        document = decomposed(picture)
        assert_sound(document, picture, most=1)
        assert len(document.layers) <= 4
        for layer in document.layers:
            np.testing.assert_array_equal(
                layer.pixels[layer.pixels[..., 3] > 0][:, :3] - np.array(colour, np.uint8), 0
            )

    def test_one_transparent_pixel_does_not_make_a_cut_out(self):
        alpha = np.full(SHAPE, 255)
        alpha[100, 100] = 0
        picture = with_alpha(poster(), alpha)
        document = decomposed(picture)
        assert_sound(document, picture)
        usual = decomposed(poster())
        assert [layer.name for layer in document.layers] == [layer.name for layer in usual.layers]

    def test_round_corners_are_the_backgrounds(self):
        alpha = np.full(SHAPE, 255, np.uint8)
        corner = np.hypot(*np.mgrid[24:0:-1, 24:0:-1])
        alpha[:24, :24] = np.clip(24.5 - corner, 0, 1) * 255
        picture = with_alpha(poster(), alpha)
        document = decomposed(picture)
        assert_sound(document, picture, most=1)
        assert document.layers[0].name == "Background, navy"
        assert document.layers[0].pixels[0, 0, 3] == 0

    def test_a_badge_is_taken_apart(self):
        plate = np.zeros(SHAPE, np.uint8)
        cv2.ellipse(plate, (166, 110), (150, 100), 0, 0, 360, 255, -1, cv2.LINE_AA)
        rgb = filled(NAVY)
        cv2.rectangle(rgb, (110, 70), (220, 150), WHITE, -1)
        picture = with_alpha(rgb, plate)
        document = decomposed(picture)
        assert_sound(document, picture, most=1)
        assert [layer.name for layer in document.layers] == ["Background, navy", "Rectangle, white"]
        beneath = document.layers[0].pixels
        assert (beneath[beneath[..., 3] == 255][:, :3] == NAVY).all()
        np.testing.assert_array_equal(composite_pixels(document)[..., 3], plate)

    def test_a_translucent_picture(self):
        picture = with_alpha(poster(), 128)
        document = decomposed(picture)
        assert_sound(document, picture, most=1)
        assert len(document.layers) == len(decomposed(poster()).layers)

    def test_a_translucent_card_is_whole_beneath_its_lettering(self):
        rgb, alpha = filled(NAVY), np.zeros(SHAPE, np.uint8)
        cv2.rectangle(alpha, (20, 24), (310, 190), 180, -1)
        letters = lettering() / np.float32(255)
        rgb = np.rint(rgb + letters[..., None] * (np.array(ORANGE) - rgb)).astype(np.uint8)
        alpha = np.maximum(alpha, np.rint(letters * 255)).astype(np.uint8)
        picture = with_alpha(rgb, alpha)
        document = decomposed(picture)
        assert_sound(document, picture, most=1)
        card, text = document.layers
        assert (card.name, text.role) == ("Rectangle, navy", Role.TEXT)
        inner = card.pixels[4:-4, 4:-4].astype(int)
        as_drawn = np.abs(inner - (*NAVY, 180)).max(axis=2) <= 3
        assert as_drawn.mean() > 0.97

    def test_nothing_to_see(self):
        picture = with_alpha(filled(RED), 0)
        document = decomposed(picture)
        assert [layer.name for layer in document.layers] == ["Empty"]
        assert_sound(document, picture)

    def test_faint_dust_far_from_everything_is_kept(self):
        alpha = lettering()
        alpha[5:8, 5:8] = 2
        picture = with_alpha(filled(RED), alpha)
        assert_sound(decomposed(picture), picture)

    def test_noise_in_all_channels(self):
        picture = RNG.integers(0, 256, (64, 64, 4), dtype=np.uint8)
        document = decomposed(picture)
        assert_sound(document, picture, most=1)
        assert len(document.layers) <= 3


class TestDepth:
    def test_sixteen_bits_stay(self):
        deep = poster().astype(np.uint16) * 257 + RNG.integers(-90, 90, (*SHAPE, 1))
        picture = np.clip(deep, 0, 65535).astype(np.uint16)
        document = decomposed(picture)
        assert document.dtype == np.uint16
        assert error_of(document) <= 1 / 257 + 1e-3
        assert len(document.layers) >= 4

    def test_sixteen_bits_with_alpha(self):
        alpha = lettering(sigma=3).astype(np.uint16) * 257
        picture = np.dstack([filled(RED).astype(np.uint16) * 251 + 77, alpha])
        document = decomposed(picture)
        assert document.dtype == np.uint16
        assert error_of(document) <= 1 / 257 + 1e-3

    def test_raw_answers_have_the_pictures_depth_too(self):
        picture = poster().astype(np.uint16) * 257
        assert decomposed(picture, exact=False).dtype == np.uint16


class TestRequests:
    @pytest.mark.parametrize("count", [1, 2, 3, 4])
    def test_a_number_of_layers_is_kept_to(self, count):
        document = decomposed(poster(), layers=count)
        assert len(document.layers) == count
        assert document.notes == ()
        assert_sound(document, poster())

    def test_one_layer_is_the_picture(self):
        picture = RNG.integers(0, 256, (31, 17, 4), dtype=np.uint8)
        picture[picture[..., 3] == 0] = 0
        (layer,) = decomposed(picture, layers=1).layers
        np.testing.assert_array_equal(layer.pixels, picture)

    def test_more_layers_than_there_are(self):
        document = decomposed(poster(), layers=900)
        assert 4 < len(document.layers) < 900
        assert any("900 layers" in note for note in document.notes)
        assert_sound(document, poster())

    def test_what_it_does_not_take_is_noted_once_each(self):
        document = decomposed(poster(), boxes=[(1, 1, 5, 5)] * 2, prompts=("card",))
        assert [note.split(",")[0] for note in document.notes] == [
            "The method 'flat' takes no boxes",
            "The method 'flat' takes no prompts",
        ]

    def test_every_layer_says_what_made_it(self):
        document = decomposed(poster(), seed=3)
        made_by = Provenance(
            "flat", seed=3, source_sha256=Picture(with_alpha(poster(), 255)).sha256
        )
        assert {layer.provenance for layer in document.layers} == {made_by}

    def test_twice_the_same(self):
        noisy = cv2.GaussianBlur(RNG.integers(0, 256, (*SHAPE, 3), dtype=np.uint8), (0, 0), 3)
        noisy[40:120, 40:160] = WHITE
        for picture in (poster(), noisy):
            one, two = decomposed(picture), decomposed(picture)
            assert [layer.name for layer in one.layers] == [layer.name for layer in two.layers]
            for a, b in zip(one.layers, two.layers, strict=True):
                assert a.bounds == b.bounds
                np.testing.assert_array_equal(a.pixels, b.pixels)


class TestProgress:
    def test_it_only_grows_and_ends_at_one(self):
        seen = []
        decomposed(poster(), read_text=True, progress=seen.append)
        fractions = [report.fraction for report in seen]
        assert fractions == sorted(fractions)
        assert len(set(fractions)) > 6
        assert fractions[-1] == 1.0

    def test_any_step_can_be_the_last(self):
        seen = []
        decomposed(poster(), progress=seen.append)
        for stop in range(len(seen) - 1):
            token, count = CancelToken(), []

            def watch(report, token=token, count=count, stop=stop):
                count.append(report)
                if len(count) == stop + 1:
                    token.cancel()

            with pytest.raises(Cancelled):
                decomposed(poster(), progress=watch, cancel=token)
            assert len(count) == stop + 1
