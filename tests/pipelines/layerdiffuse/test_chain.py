"""Which calls a chain makes, from what, and the document that it makes of the answers."""

import numpy as np
import pytest
from PIL import ImageCms

from layerstudio.composite import composite_pixels
from layerstudio.document import Role
from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import Adapter, GenerateRequest, InputPicture
from layerstudio.geometry import Bounds, Extent
from layerstudio.picture import Picture
from layerstudio.pipelines.fitting import fitted
from layerstudio.pipelines.layerdiffuse.catalogue import FLUX, SD15, SDXL
from layerstudio.pipelines.layerdiffuse.chain import Made, calls_of, chain_of
from layerstudio.pipelines.layerdiffuse.resolving import resolve
from layerstudio.pipelines.layerdiffuse.running import driven

EXTENT = Extent(48, 32)
SMALL = {"extent": EXTENT, "seed": 7}


def picture(alpha=255, size=EXTENT):
    pixels = np.full((*size.shape, 4), 90, np.uint8)
    pixels[..., 3] = 0
    pixels[4:-4, 4:-4, 3] = 255
    pixels[..., 3] = np.maximum(pixels[..., 3], alpha)
    return Picture(pixels, source="given.png")


def resolved(family=SDXL, pictures=None, **fields):
    pictures = pictures or {}
    inputs = [InputPicture(role=role, sha256=one.sha256) for role, one in pictures.items()]
    request = GenerateRequest(inputs=tuple(inputs), **{**SMALL, **fields})
    return resolve(request, pictures, family, f"layerdiffuse-{family.id}")


class Painter:
    """Answers every call: foregrounds are discs, all else is one opaque colour per call."""

    def __init__(self):
        self.calls = []

    def __call__(self, call, progress):
        self.calls.append(call)
        progress_to_half(progress)
        frames = {}
        for index, frame in enumerate(call.prompts):
            pixels = np.full((*call.place.extent.shape, 4), 255, np.uint8)
            pixels[..., :3] = 20 * len(self.calls) + index
            if frame == "foreground":
                y, x = np.ogrid[: pixels.shape[0], : pixels.shape[1]]
                inside = (x - pixels.shape[1] / 2) ** 2 + (y - pixels.shape[0] / 2) ** 2 < 64
                pixels[..., 3] = np.where(inside, 255, 0)
            frames[frame] = pixels
        return Made(frames, f"weights-{call.kind}", "main")


def progress_to_half(progress):
    from layerstudio.progress import Progress

    progress(Progress("sampling", 0.5))


def told(request, pictures=None):
    """The calls, the document and the fractions reported."""
    painter, reports = Painter(), []
    calls = calls_of(request, pictures or {})
    (document,) = driven([chain_of(request, pictures or {})], painter, calls, reports.append)
    assert len(painter.calls) == calls
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions) and fractions[0] >= 0.1 and fractions[-1] < 1
    return painter.calls, document


def kinds(calls):
    return [call.kind for call in calls]


class TestSDXL:
    def test_foregrounds_in_their_boxes(self):
        request = resolved(
            foregrounds=("a cup", "a spoon"), boxes=((0, 0, 20, 24), (30, 10, 18, 20))
        )
        calls, document = told(request)
        assert kinds(calls) == ["transparent", "transparent"]
        assert [call.place.extent for call in calls] == [(20, 24), (18, 20)]
        assert [call.prompts["foreground"] for call in calls] == ["a cup", "a spoon"]
        assert calls[0].seed == 7 != calls[1].seed
        assert [layer.name for layer in document.layers] == ["a cup", "a spoon"]
        for layer, box in zip(document.layers, request.boxes, strict=True):
            assert layer.bounds.clamped(EXTENT) == layer.bounds
            assert box.x <= layer.bounds.x and layer.bounds.right <= box.right
            assert layer.provenance.weights == "weights-transparent"

    def test_foreground_then_background(self):
        request = resolved(prompt="a cup on a table", foregrounds=("a cup",), background="a table")
        assert request.mode == "fg+bg"
        calls, document = told(request)
        assert kinds(calls) == ["transparent", "fg2ble", "fgble2bg"]
        texts = [next(iter(call.prompts.values())) for call in calls]
        assert texts == ["a cup", "a cup on a table", "a table"]
        assert len({call.seed for call in calls}) == 3
        assert np.array_equal(
            calls[2].pictures["blended"], np.full((32, 48, 4), (40, 40, 40, 255), np.uint8)
        )
        assert not calls[1].pictures["foreground"][0, 0, 3]
        names = [layer.name for layer in document.layers]
        assert names == ["Background", "a cup", "Blended (reference)"]
        roles = [layer.role for layer in document.layers]
        assert roles[:2] == [Role.BACKGROUND, Role.OBJECT]
        assert not document.layers[2].visible
        flat = composite_pixels(document)
        assert (flat[16, 24, 0], flat[0, 0, 0]) == (20, 60)
        assert float(document.metadata["blended_mean_difference"]) > 0

    def test_background_then_two_foregrounds(self):
        request = resolved(
            prompt="a scene", mode="bg+fg", foregrounds=("a cup", "a spoon"), background="a table"
        )
        calls, document = told(request)
        assert kinds(calls) == ["plain", "bg2ble", "bgble2fg", "bg2ble", "bgble2fg"]
        first, second = calls[1].pictures["background"], calls[3].pictures["background"]
        assert (first == 20).any() and first[16, 24, 0] == 20
        assert second[16, 24, 0] == 60, "the second foreground stands on the first"
        names = [layer.name for layer in document.layers]
        assert names == ["Background", "a cup", "a spoon", "Blended (reference)"]

    def test_a_given_background(self):
        given = {"background": picture()}
        for mode in ("bg+fg", "bg2fg", None):
            calls, document = told(resolved(pictures=given, prompt="a cat", mode=mode), given)
            assert kinds(calls) == ["bg2ble", "bgble2fg"]
            bottom = document.layers[0]
            assert bottom.provenance.source_sha256 == given["background"].sha256
            assert np.array_equal(bottom.pixels, given["background"].pixels)

    def test_a_given_foreground_and_blend(self):
        given = {"foreground": picture(alpha=0)}
        request = resolved(pictures=given, prompt="on a table")
        assert (request.mode, request.ending_step) == ("fg2bg", 0.5)
        calls, document = told(request, given)
        assert kinds(calls) == ["fg2ble", "fgble2bg"]
        assert document.layers[1].bounds == Bounds(4, 4, 40, 24)
        both = {**given, "blended": picture()}
        calls, document = told(resolved(pictures=both, prompt="on a table"), both)
        assert kinds(calls) == ["fgble2bg"]
        assert document.layers[-1].provenance.source_sha256 == both["blended"].sha256

    def test_a_picture_varied(self):
        given = {"image": picture(alpha=0, size=Extent(96, 64))}
        request = resolved(pictures=given, prompt="of glass")
        calls, _ = told(request, given)
        assert kinds(calls) == ["img2img"]
        assert calls[0].pictures["image"].shape == (32, 48, 4)
        assert request.strength == 0.7

    def test_stages_of_several_pictures_go_in_step(self):
        requests = [resolved(prompt="a cup", background="a table", seed=seed) for seed in (1, 2)]
        painter = Painter()
        documents = driven(
            [chain_of(request, {}) for request in requests], painter, 6, lambda _: None
        )
        assert kinds(painter.calls) == [
            "transparent", "transparent", "fg2ble", "fg2ble", "fgble2bg", "fgble2bg",
        ]  # fmt: skip
        assert [document.layers[1].provenance.seed for document in documents] == [1, 2]


class TestOthers:
    def test_sd15_joint(self):
        request = resolved(SD15, prompt="a scene", foregrounds=("a cup",), background="a table")
        calls, document = told(request)
        assert kinds(calls) == ["joint"]
        assert calls[0].prompts == {
            "foreground": "a cup", "background": "a table", "blended": "a scene",
        }  # fmt: skip
        assert [layer.role for layer in document.layers][:2] == [Role.BACKGROUND, Role.OBJECT]

    def test_sd15_completes_what_is_given(self):
        given = {"background": picture()}
        calls, document = told(resolved(SD15, given, prompt="a cat"), given)
        assert kinds(calls) == ["bg2fg"]
        assert set(calls[0].prompts) == {"foreground", "blended"}
        names = [layer.name for layer in document.layers]
        assert names == ["Background", "Foreground", "Blended (reference)"]
        assert document.layers[0].provenance.seed is None

    def test_flux(self):
        request = resolved(FLUX, prompt="a cup", extent=None)
        assert (request.steps, request.guidance, request.extent) == (50, 3.5, (1024, 1024))


class TestResolving:
    def test_nothing_is_left_open(self):
        request = resolved(prompt="a cup", extent=None, seed=None)
        open_fields = {key for key, value in vars(request).items() if value is None}
        elsewhere = {"planner", "layout", "true_guidance", "document"}
        assert open_fields == {"controlnet", "ip_adapter", "parity"} | elsewhere
        assert resolve(request, {}, SDXL, "layerdiffuse-sdxl") == request
        assert resolved(prompt="a cup", seed=None).seed != request.seed

    def test_the_published_script(self):
        request = resolved(prompt="a cup", parity="cli", extent=None)
        assert (request.extent, request.steps, request.variant) == ((896, 1152), 25, "attn-full")
        assert "face asymmetry" in request.negative_prompt

    @pytest.mark.parametrize(
        ("given", "expected"),
        [((600, 400), (600, 400)), ((4000, 2000), (1472, 704)), ((30, 3000), (128, 4096))],
    )
    def test_the_canvas_of_a_picture(self, given, expected):
        pictures = {"image": picture(size=Extent(*given))}
        request = resolved(pictures=pictures, prompt="x", extent=None)
        assert request.extent == expected

    @pytest.mark.parametrize(
        ("fields", "pictures", "expected"),
        [
            ({"mode": "joint"}, {}, "no mode 'joint'"),
            ({"mode": "fg2bg"}, {}, "--foreground-image"),
            ({"mode": "fg"}, {"image": picture()}, "no use"),
            ({}, {"foreground": picture()}, "opaque everywhere"),
            ({"prompt": " "}, {}, "empty"),
            ({"mode": "img2img", "foregrounds": ("a", "b")}, {"image": picture()}, "one"),
            ({"mode": "bg+fg", "foregrounds": ("a",), "boxes": ((0, 0, 9, 9),)}, {}, "box"),
            ({"foregrounds": ("a",), "boxes": ((0, 0, 9, 9),)}, {}, "16 to"),
            ({"foregrounds": ("a",), "boxes": ((0, 0, 10**6, 64),)}, {}, "8,192"),
            ({"foregrounds": ("a",), "boxes": ((90, 0, 16, 16),)}, {}, "no pixel"),
            ({"mode": "fg", "background": "x"}, {}, "no background"),
            ({"controlnet": Adapter(source="x")}, {}, "go together"),
            ({}, {"style": picture()}, "--ip-adapter"),
            ({"parity": "cli", "background": "x"}, {}, "parity"),
            ({"variant": "best"}, {}, "attn, attn-full"),
            ({"scheduler": "euler b"}, {}, "'euler a'"),
            ({"layers": 3}, {}, "one layer after the other"),
            ({"planner": "rules"}, {}, "'planner'"),
            ({"boxes": ((0, 0, 20, 20),)}, {}, "1 boxes for 0"),
        ],
    )
    def test_useless_requests(self, fields, pictures, expected):
        with pytest.raises(InvalidRequest) as caught:
            resolved(pictures=pictures, **{"prompt": "a cup", **fields})
        assert expected in str(caught.value)

    def test_flux_takes_no_negative_prompt(self):
        with pytest.raises(InvalidRequest, match="negative"):
            resolved(FLUX, prompt="a cup", negative_prompt="bad")


class TestFitting:
    def test_covers_and_cuts_alike_on_opposite_sides(self):
        pixels = np.zeros((20, 80, 4), np.uint8)
        pixels[..., 3] = 255
        pixels[:, 20:60, 1] = 200
        found = fitted(Picture(pixels), Extent(40, 40))
        assert found.shape == (40, 40, 4)
        assert (found[..., 1] > 190).all() and (found[..., 3] == 255).all()

    def test_colours_are_those_of_the_profile(self):
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        swapped = srgb.replace(b"rXYZ", b"____").replace(b"bXYZ", b"rXYZ").replace(b"____", b"bXYZ")
        red = np.full((4, 4, 4), (255, 0, 0, 77), np.uint8)
        shown = fitted(Picture(red, icc_profile=swapped), Extent(4, 4))[0, 0].astype(int)
        assert np.abs(shown - (0, 0, 255, 77)).max() <= 2
        for profile in (None, b"nonsense"):
            assert (fitted(Picture(red, icc_profile=profile), Extent(4, 4)) == red).all()
