"""Detectors see what their own libraries see, on toys in the published layouts; what is said about
it is the user's words."""

import shutil

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.errors import Cancelled, InvalidRequest, MismatchedWeights, MissingWeights
from layerstudio.geometry import Bounds, Extent
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages import boxes, grounding_dino, owlv2
from layerstudio.pipelines.stages.boxes import corners_of, proposals
from layerstudio.pipelines.stages.contracts import Detector
from layerstudio.pipelines.stages.grounding_dino import plain
from layerstudio.pipelines.stages.opening import opened
from layerstudio.pipelines.stages.table import stage_class, stage_ids
from layerstudio.progress import CancelToken

CPU = Runtime(device="cpu")
PROMPTS = ["A Cat", "red dog.", "the wind"]
SIZES = [(61, 37), (33, 70)]
IDS = ["grounding-dino-tiny", "owlv2-base"]


def picture(size, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)


@pytest.fixture
def no_suppression(monkeypatch):
    monkeypatch.setattr(boxes, "SAME_NAME", 1.0)
    monkeypatch.setattr(boxes, "OTHER_NAME", 1.0)


def on_picture(corners, size):
    """The library's boxes whose middle is on the picture, cut to it, in whole pixels."""
    kept = []
    for left, top, right, bottom in corners.tolist():
        if 0 <= (left + right) / 2 < size[0] and 0 <= (top + bottom) / 2 < size[1]:
            edges = (max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1]))
            box = Bounds.from_edges(*(round(edge) for edge in edges))
            kept += [] if box.is_empty else [box]
    return kept


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("threshold", [0.6, 0.95])
def test_grounding_dino_equals_its_processor(rows, size, threshold, no_suppression, monkeypatch):
    monkeypatch.setattr(grounding_dino, "BOX_THRESHOLD", threshold)
    folder = rows("grounding-dino-tiny") / "IDEA-Research/grounding-dino-tiny"
    model = transformers.GroundingDinoForObjectDetection.from_pretrained(folder).eval()
    process = transformers.GroundingDinoProcessor.from_pretrained(folder)
    rgb = picture(size)
    text = [[prompt.replace(".", "") for prompt in PROMPTS]]
    inputs = process(images=rgb, text=text, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    expected = process.post_process_grounded_object_detection(
        outputs, threshold=threshold, text_threshold=0.25, target_sizes=[size[::-1]]
    )[0]
    with opened("detect", "grounding-dino-tiny", CPU) as stage:
        found = stage.detect(rgb, PROMPTS, cancel=CancelToken())
    assert found
    assert sorted(one.box for one in found) == sorted(on_picture(expected["boxes"], size))
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    scores = expected["scores"].tolist()
    assert all(min(abs(one.score - score) for score in scores) < 1e-5 for one in found)


def test_grounding_dino_names_each_box_by_one_prompt_as_it_was_given(rows, monkeypatch):
    """The library puts all words together that a box answers to ("a cat. red dog. [SEP]")."""
    rows("grounding-dino-tiny")
    rgb = picture(SIZES[0])
    with opened("detect", "grounding-dino-tiny", CPU) as stage:
        network = stage._network
        found = stage.detect(rgb, PROMPTS, cancel=CancelToken())
        assert {one.label for one in found} <= set(PROMPTS)
        (text,) = network._spoken(PROMPTS)
        seen = network._pictures(images=rgb, return_tensors="pt")
        _, _, owners = network._found(seen, text)
        tokens = torch.tensor([text.tokens])
        with torch.inference_mode():
            logits = network._network(**seen, input_ids=tokens).logits[0]
        sure = logits.sigmoid()
        kept = sure.amax(dim=1) > grounding_dino.BOX_THRESHOLD
        fits = torch.stack([sure[kept, a:b].amax(dim=1) for _, a, b in text.spans], dim=1)
        assert (owners == fits.argmax(dim=1)).all()
        assert set(owners.tolist()) <= {0, 1, 2}


def test_more_prompts_than_a_text_holds_are_asked_in_turn(rows):
    rows("grounding-dino-tiny")
    many = [f"cat {chr(97 + index)}" for index in range(20)]
    with opened("detect", "grounding-dino-tiny", CPU) as stage:
        network = stage._network
        texts = list(network._spoken(many))
        assert len(texts) > 1
        assert all(len(text.tokens) <= network._network.config.max_text_len for text in texts)
        assert [index for text in texts for index, _, _ in text.spans] == list(range(20))
        for text in texts:
            for index, first, end in text.spans:
                words = network._words(plain(many[index]), add_special_tokens=False)["input_ids"]
                assert text.tokens[first:end] == words
        found = stage.detect(picture(SIZES[0]), many, cancel=CancelToken())
    assert len({one.label for one in found}) > 1
    long = "cat " * 50
    with opened("detect", "grounding-dino-tiny", CPU) as stage:
        stage.detect(picture(SIZES[0]), [long, "dog"], cancel=CancelToken())


@pytest.mark.parametrize("size", SIZES)
def test_owlv2_equals_its_processor_in_its_padded_square(rows, size, no_suppression):
    folder = rows("owlv2-base") / "google/owlv2-base-patch16-ensemble"
    model = transformers.Owlv2ForObjectDetection.from_pretrained(folder).eval()
    process = transformers.Owlv2Processor(
        transformers.Owlv2ImageProcessor.from_pretrained(folder),
        transformers.AutoTokenizer.from_pretrained(folder),
    )
    rgb = picture(size)
    inputs = process(images=rgb, text=[PROMPTS], return_tensors="pt", max_length=16)
    with torch.no_grad():
        outputs = model(**inputs)
    expected = process.post_process_grounded_object_detection(
        outputs, threshold=owlv2.THRESHOLD, target_sizes=[size[::-1]], text_labels=[PROMPTS]
    )[0]
    with opened("detect", "owlv2-base", CPU) as stage:
        found = stage.detect(rgb, PROMPTS, cancel=CancelToken())
    assert found
    assert sorted(one.box for one in found) == sorted(on_picture(expected["boxes"], size))
    assert {one.label for one in found} <= set(expected["text_labels"])
    # Boxes scaled by each side alone, as other detectors' are, would be other ones.
    squeezed = expected["boxes"] * torch.tensor([*size, *size]) / max(size)
    assert sorted(one.box for one in found) != sorted(on_picture(squeezed, size))


@pytest.mark.parametrize("id", IDS)
def test_contract_cancel_and_prompts_of_nothing(rows, id):
    rows(id)
    rgb = picture(SIZES[0])
    with opened("detect", id, CPU) as stage:
        assert isinstance(stage, Detector)
        assert stage.detect(rgb, [], cancel=CancelToken()) == ()
        with pytest.raises(InvalidRequest, match="names nothing"):
            stage.detect(rgb, ["cat", "  "], cancel=CancelToken())
        again = [stage.detect(rgb, PROMPTS, cancel=CancelToken()) for _ in range(2)]
        assert again[0] == again[1]
        thread = stage.detect(picture((3000, 2)), PROMPTS, cancel=CancelToken())
        assert all(one.box.clamped(Extent(3000, 2)) == one.box for one in thread)
        cancel = CancelToken()
        cancel.cancel()
        with pytest.raises(Cancelled):
            stage.detect(rgb, PROMPTS, cancel=cancel)


@pytest.mark.parametrize("id", stage_ids("detect"))
def test_what_is_missing_is_named_before_anything_loads(rows, id):
    rows()
    with pytest.raises(MissingWeights, match=f"models pull {id}"), opened("detect", id, CPU):
        pass


def test_a_folder_of_another_family_is_told(rows, tmp_path):
    own = rows("owlv2-base", "grounding-dino-tiny")
    with pytest.raises(MismatchedWeights, match="family 'owlv2'"):
        stage_class("grounding-dino-base").open(CPU, "owlv2-base")
    shutil.copytree(own / "google/owlv2-base-patch16-ensemble", tmp_path / "mixed")
    other = own / "IDEA-Research/grounding-dino-tiny/model.safetensors"
    shutil.copy(other, tmp_path / "mixed/model.safetensors")
    with pytest.raises(MismatchedWeights, match=r"(\S+ is missing; ){5}and [\d,]+ more"):
        stage_class("owlv2-base").open(CPU, str(tmp_path / "mixed"))


class TestProposals:
    extent = Extent(100, 60)

    def made(self, *given):
        corners = torch.tensor([one[0] for one in given], dtype=torch.float32)
        scores = torch.tensor([one[1] for one in given])
        return proposals(corners, scores, [one[2] for one in given], self.extent)

    def test_one_thing_under_two_names_has_the_surer_one(self):
        found = self.made(
            ([10, 10, 50, 40], 0.5, "dog"),
            ([11, 10, 51, 41], 0.8, "wolf"),
            ([60, 5, 90, 55], 0.4, "dog"),
        )
        assert [(one.label, one.box) for one in found] == [
            ("wolf", Bounds(11, 10, 40, 31)),
            ("dog", Bounds(60, 5, 30, 50)),
        ]

    def test_two_names_may_lie_closer_than_two_of_one_name(self):
        near = ([10, 10, 50, 40], 0.9, "dog"), ([13, 12, 53, 42], 0.8, "man")
        assert len(self.made(*near)) == 2
        assert len(self.made(near[0], (*near[1][:2], "dog"))) == 1

    def test_boxes_are_cut_to_the_picture_and_those_of_the_padding_go(self):
        found = self.made(
            ([-10, -5, 30, 20], 0.9, "a"), ([50, 55, 80, 99], 0.8, "a"), ([5, 5, 5.2, 9], 0.7, "a")
        )
        assert [one.box for one in found] == [Bounds(0, 0, 30, 20)]

    def test_nothing_gives_nothing(self):
        assert proposals(torch.zeros(0, 4), torch.zeros(0), [], self.extent) == ()
        assert self.made(([200, 200, 300, 300], 0.9, "a")) == ()

    @given(
        st.lists(
            st.tuples(
                *(st.floats(-30, 130, width=32) for _ in range(2)),
                *(st.floats(0, 90, width=32) for _ in range(2)),
                st.floats(0, 1, width=32),
                st.sampled_from("ab"),
            ),
            max_size=10,
        )
    )
    @settings(max_examples=50, deadline=None)
    def test_whatever_is_seen_lies_on_the_picture_the_surest_first(self, seen):
        centred = torch.tensor([one[:4] for one in seen]).reshape(-1, 4)
        scores = torch.tensor([one[4] for one in seen])
        found = proposals(corners_of(centred), scores, [one[5] for one in seen], self.extent)
        assert all(one.box.clamped(self.extent) == one.box for one in found)
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
