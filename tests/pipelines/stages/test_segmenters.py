"""SAM in all its forms answers hints as its own library does, to the pixel, on toys in the
published layouts; and what is wrong with files is said in a sentence."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from segment_anything import SamPredictor, sam_model_registry
from tiny_segmenters import TINY_SAM

from layerstudio.errors import Cancelled, MismatchedWeights, MissingWeights, UnreadableFile
from layerstudio.geometry import Bounds, Extent
from layerstudio.machine import GIB
from layerstudio.models.memory import activation_peak
from layerstudio.models.tensor_file import shapes_of
from layerstudio.pipelines.runtime import Runtime
from layerstudio.pipelines.stages import sam3 as sam3_module
from layerstudio.pipelines.stages import sam_package_attention as attention
from layerstudio.pipelines.stages.contracts import (
    ConceptSegmenter,
    EverythingSegmenter,
    Hint,
    Segmenter,
)
from layerstudio.pipelines.stages.opening import opened
from layerstudio.pipelines.stages.sam_package_size import built, is_sam, size_of
from layerstudio.pipelines.stages.table import stage_class, stage_ids
from layerstudio.progress import CancelToken

CPU = Runtime(device="cpu")
SIZES = [(61, 37), (40, 40), (33, 150)]
HINTS = (
    Hint(Bounds(5, 6, 20, 17), label="box"),
    Hint(points=((20, 10),)),
    Hint(Bounds(1, 1, 30, 30), ((10, 10),), ((25, 25),)),
    Hint(points=((20, 10), (22, 12))),
    Hint(Bounds(3, 20, 25, 10)),
    Hint(points=((30, 30),)),
    Hint(points=((2, 5),), excluded_points=((30, 30),)),
)
ORIGINAL = "ybelkada/segment-anything/checkpoints/sam_vit_b_01ec64.pth"
IDS = ["sam-vit-b", "sam-hf-base", "sam2-tiny", "sam3"]


def picture(extent, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (extent[1], extent[0], 3), np.uint8)


def is_ambiguous(hint):
    return hint.box is None and len(hint.points) == 1 and not hint.excluded_points


def corners(hint):
    return None if hint.box is None else [*hint.box[:2], hint.box.right, hint.box.bottom]


def by_package(network, rgb, hint):
    predictor = SamPredictor(network)
    predictor.set_image(rgb)
    points = [*hint.points, *hint.excluded_points]
    labels = [1] * len(hint.points) + [0] * len(hint.excluded_points)
    box = corners(hint)
    masks, scores, _ = predictor.predict(
        point_coords=np.array(points) if points else None,
        point_labels=np.array(labels) if points else None,
        box=None if box is None else np.array(box),
        multimask_output=is_ambiguous(hint),
    )
    best = scores.argmax()
    return masks[best], float(scores[best])


def by_transformers(network, processor, rgb, hint):
    given = {}
    if hint.box is not None:
        given["input_boxes"] = [[corners(hint)]]
    points = [list(map(float, point)) for point in (*hint.points, *hint.excluded_points)]
    if points:
        given["input_points"] = [[points]]
        given["input_labels"] = [[[1] * len(hint.points) + [0] * len(hint.excluded_points)]]
    inputs = processor(rgb, return_tensors="pt", **given)
    sizes = {name: inputs.pop(name) for name in list(inputs) if name.endswith("_sizes")}
    inputs = {
        key: one.float() if one.dtype == torch.float64 else one for key, one in inputs.items()
    }
    with torch.no_grad():
        outputs = network(**inputs, multimask_output=is_ambiguous(hint))
    masks = processor.post_process_masks(outputs.pred_masks, **sizes)[0][0]
    best = outputs.iou_scores[0, 0].argmax()
    return masks[best].numpy(), float(outputs.iou_scores[0, 0, best])


def check_equal(stage, reference):
    for size in SIZES:
        rgb = picture(size)
        found = stage.segment(rgb, HINTS, cancel=CancelToken())
        assert len(found) == len(HINTS)
        for hint, segment in zip(HINTS, found, strict=True):
            mask, score = reference(rgb, hint)
            assert (segment.on_canvas(Extent(*size)) != mask).sum() <= 1, (size, hint)
            assert segment.score == pytest.approx(min(1, max(0, score)), abs=1e-5)
            assert segment.label == hint.label


def test_the_package_equals_its_predictor(rows, monkeypatch):
    state = torch.load(rows("sam-vit-b") / ORIGINAL, weights_only=True)
    network = built(TINY_SAM)
    network.load_state_dict(state, assign=True)
    network.eval()
    monkeypatch.setattr(attention, "_AT_ONCE", 5000)  # several heads at a time, not all
    with opened("segment", "sam-vit-b", CPU) as stage:
        check_equal(stage, lambda rgb, hint: by_package(network, rgb, hint))


@pytest.mark.parametrize(
    ("id", "network", "processor", "pictures"),
    [
        ("sam-hf-base", "SamModel", "SamProcessor", "SamImageProcessor"),
        ("sam2-tiny", "Sam2Model", "Sam2Processor", "Sam2ImageProcessor"),
    ],
)
def test_transformers_equal_their_processors(rows, id, network, processor, pictures):
    folder = next(iter((rows(id) / "facebook").iterdir()))
    model = getattr(transformers, network).from_pretrained(folder).eval()
    process = getattr(transformers, processor)(
        getattr(transformers, pictures).from_pretrained(folder)
    )
    with opened("segment", id, CPU) as stage:
        check_equal(stage, lambda rgb, hint: by_transformers(model, process, rgb, hint))


def without_mark(folder, copy):
    """A copy of SAM 3 whose mark of an empty memory is nothing: transformers adds it to a level
    that is not used, so that there only may its answers be compared."""
    shutil.copytree(folder, copy)
    state = load_file(copy / "model.safetensors")
    state["tracker_model.no_memory_embedding"] = torch.zeros_like(
        state["tracker_model.no_memory_embedding"]
    )
    save_file(state, copy / "model.safetensors", {"format": "pt"})
    return copy


@pytest.mark.slow
def test_sam3_answers_points_as_transformers_but_for_the_mark_that_it_misplaces(rows, tmp_path):
    published = rows("sam3") / "facebook/sam3"
    folder = without_mark(published, tmp_path / "sam3")
    model = transformers.Sam3TrackerModel.from_pretrained(folder).eval()
    process = transformers.Sam3TrackerProcessor(
        transformers.Sam3ImageProcessor.from_pretrained(folder)
    )
    with opened("segment", "sam3", CPU, str(folder)) as stage:
        check_equal(stage, lambda rgb, hint: by_transformers(model, process, rgb, hint))
        plain = stage.segment(picture(SIZES[0]), HINTS, cancel=CancelToken())
    with opened("segment", "sam3", CPU) as stage:
        marked = stage.segment(picture(SIZES[0]), HINTS, cancel=CancelToken())
    assert any(a.score != b.score for a, b in zip(plain, marked, strict=True))


def test_sam3_finds_concepts_as_transformers(rows, monkeypatch):
    monkeypatch.setattr(sam3_module, "THRESHOLD", 0.06)
    folder = rows("sam3") / "facebook/sam3"
    process = transformers.Sam3Processor(
        transformers.Sam3ImageProcessor.from_pretrained(folder),
        transformers.AutoTokenizer.from_pretrained(folder),
    )
    model = transformers.Sam3Model.from_pretrained(folder).eval()
    width, height = 61, 37
    rgb = picture((width, height))
    with opened("segment", "sam3", CPU) as stage:
        for prompt in ("a cat", "the red hand"):
            found = stage.named(rgb, [prompt], cancel=CancelToken())
            with torch.no_grad():
                outputs = model(**process(images=rgb, text=prompt, return_tensors="pt"))
            expected = process.post_process_instance_segmentation(
                outputs, threshold=0.06, target_sizes=[(height, width)]
            )[0]
            masks = [mask.numpy() > 0 for mask in expected["masks"] if mask.any()]
            assert found
            assert {one.label for one in found} == {prompt}
            for one in found:
                canvas = one.on_canvas(Extent(width, height))
                assert min((canvas != mask).sum() for mask in masks) <= 1
        both = stage.named(rgb, ["a cat", "the red hand"], cancel=CancelToken())
        assert [one.label for one in both] == sorted(one.label for one in both)
        assert stage.named(rgb, [], cancel=CancelToken()) == ()


@pytest.mark.parametrize("id", IDS)
def test_contracts_cards_and_cancel(rows, id):
    rows(id)
    card = stage_class(id).card
    with opened("segment", id, CPU) as stage:
        assert isinstance(stage, Segmenter)
        assert isinstance(stage, EverythingSegmenter) == ("everything" in card.takes)
        assert isinstance(stage, ConceptSegmenter) == ("prompts" in card.takes)
        assert stage.segment(picture((9, 9)), (), cancel=CancelToken()) == ()
        cancel = CancelToken()
        cancel.cancel()
        with pytest.raises(Cancelled):
            stage.segment(picture((9, 9)), HINTS[:1], cancel=cancel)


@pytest.mark.parametrize("id", IDS)
def test_more_hints_than_a_batch_come_back_in_order(rows, id):
    rows(id)
    rgb = picture((61, 37))
    hints = [Hint(Bounds(x, 3, 9, 11), label=str(x)) for x in range(20)]
    with opened("segment", id, CPU) as stage:
        found = stage.segment(rgb, hints, cancel=CancelToken())
        assert [one.label for one in found] == [hint.label for hint in hints]
        for index in (0, 7, 8, 19):
            alone = stage.segment(rgb, hints[index : index + 1], cancel=CancelToken())[0]
            extent = Extent(61, 37)
            assert (alone.on_canvas(extent) != found[index].on_canvas(extent)).sum() <= 1


@pytest.mark.parametrize("id", ["sam-vit-b", "sam-hf-base", "sam2-tiny"])
def test_a_thread_of_a_picture_and_half_precision(rows, id):
    rows(id)
    with opened("segment", id, CPU) as stage:
        thread = picture((9000, 2))
        (found,) = stage.segment(thread, [Hint(Bounds(50, 0, 300, 2))], cancel=CancelToken())
        assert found.on_canvas(Extent(9000, 2)).shape == (2, 9000)
    with opened("segment", id, Runtime(device="cpu", dtype="bfloat16")) as stage:
        (half,) = stage.segment(picture((61, 37)), HINTS[:1], cancel=CancelToken())
    # Not compared with float32: the logits of random weights lie about 0, where rounding decides
    # the sign, and SAM 2 takes another of its masks by how many signs are sure.
    assert half.on_canvas(Extent(61, 37)).dtype == bool
    assert np.isfinite(half.score)


class TestFiles:
    @pytest.mark.parametrize("id", stage_ids("segment"))
    def test_what_is_missing_is_named_before_anything_loads(self, rows, id):
        rows()
        with pytest.raises(MissingWeights, match=f"models pull {id}"), opened("segment", id, CPU):
            pass

    def test_an_original_checkpoint_with_other_tensors_names_five(self, rows, tmp_path):
        path = rows("sam-vit-b") / ORIGINAL
        state = torch.load(path, weights_only=True)
        for key in [key for key in state if key.startswith("mask_decoder.iou_")]:
            del state[key]
        state["more"] = torch.zeros(2)
        torch.save(state, tmp_path / "broken.pth")
        with pytest.raises(MismatchedWeights, match=r"(\S+ is missing; ){5}and 3 more"):
            stage_class("sam-vit-b").open(CPU, str(tmp_path / "broken.pth"))

    def test_files_of_other_families_are_told(self, rows, tmp_path):
        own = rows("sam-vit-b", "sam2-tiny", "sam-hf-base", "owlv2-base")
        pth = str(own / ORIGINAL)
        sam2 = own / "facebook/sam2.1-hiera-tiny"
        with pytest.raises(MismatchedWeights, match="transformers' layout"):
            stage_class("sam-vit-b").open(CPU, str(sam2 / "model.safetensors"))
        with pytest.raises(UnreadableFile, match="is a file"):
            stage_class("sam2-tiny").open(CPU, pth)
        with pytest.raises(MismatchedWeights, match="family 'sam'"):
            stage_class("sam2-tiny").open(CPU, str(own / "facebook/sam-vit-base"))
        with pytest.raises(MismatchedWeights, match="family 'owlv2'"):
            stage_class("sam3").open(CPU, "owlv2-base")
        (tmp_path / "damaged.pth").write_bytes(b"PK\3\4 and no more")
        with pytest.raises(UnreadableFile, match=r"damaged\.pth"):
            stage_class("sam-vit-l").open(CPU, str(tmp_path / "damaged.pth"))
        with pytest.raises(UnreadableFile, match="does not exist"):
            stage_class("sam-vit-h").open(CPU, str(tmp_path / "nowhere.pth"))

    def test_nothing_of_a_published_folder_is_left_to_chance(self, rows, tmp_path):
        """transformers would fill what is missing with random numbers, and say so in a log."""
        shutil.copytree(rows("sam2-tiny") / "facebook/sam2.1-hiera-tiny", tmp_path / "own")
        path = tmp_path / "own/model.safetensors"
        state = load_file(path)
        lost = [key for key in state if "mask_decoder.iou_prediction_head" in key]
        kept = {key: tensor for key, tensor in state.items() if key not in lost}
        wide = "no_memory_embedding"
        kept[wide] = torch.zeros(1, 1, 7)
        save_file(kept, path, {"format": "pt"})
        with pytest.raises(
            MismatchedWeights, match=rf"{wide} is 1 x 1 x 7 instead of 1 x 1 x 32; .* is missing"
        ):
            stage_class("sam2-tiny").open(CPU, str(tmp_path / "own"))
        path.write_bytes(b"no tensors")
        with pytest.raises(UnreadableFile, match="truncated"):
            stage_class("sam2-tiny").open(CPU, str(tmp_path / "own"))
        (tmp_path / "own/config.json").write_text("{")
        with pytest.raises(UnreadableFile, match=r"config\.json"):
            stage_class("sam2-tiny").open(CPU, str(tmp_path / "own"))

    def test_a_folder_without_a_processor_gets_the_published_one(self, rows, tmp_path):
        """A picture's processor is a few numbers, which its network implies."""
        own = rows("sam2-tiny") / "facebook/sam2.1-hiera-tiny"
        shutil.copytree(own, tmp_path / "bare")
        for name in ("preprocessor_config.json", "processor_config.json"):
            (tmp_path / "bare" / name).unlink(missing_ok=True)
        rgb = picture((61, 37))
        bare = stage_class("sam2-tiny").open(CPU, str(tmp_path / "bare"))
        whole = stage_class("sam2-tiny").open(CPU, str(own))
        (one,) = bare.segment(rgb, HINTS[:1], cancel=CancelToken())
        (two,) = whole.segment(rgb, HINTS[:1], cancel=CancelToken())
        assert one.bounds == two.bounds
        assert (one.mask == two.mask).all()


class TestSizesOffTensors:
    @pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
    def test_published_sizes_are_those_of_the_packages_builders(self, name):
        with torch.device("meta"):
            published = sam_model_registry[name]()
        shapes = shapes_of(published.state_dict())
        assert is_sam(shapes)
        size = size_of(shapes)
        assert shapes_of(built(size).state_dict()) == shapes
        assert (size.side, size.window) == (1024, 14)
        heads = published.image_encoder.blocks[0].attn.num_heads
        assert size.heads == heads
        assert len(size.whole) == 4

    def test_a_toy_is_told_too(self):
        assert size_of(shapes_of(built(TINY_SAM).state_dict())) == TINY_SAM

    def test_toys_say_what_published_configurations_say(self, rows):
        """The published SAM 2 and SAM 3 folders are those of models for films."""
        own = rows("sam2-tiny", "sam3")
        for name, family in (("sam2.1-hiera-tiny", "sam2_video"), ("sam3", "sam3_video")):
            config = json.loads((own / "facebook" / name / "config.json").read_text())
            assert config["model_type"] == family


@pytest.mark.slow
def test_the_original_vit_b_at_full_size_loads_and_runs(tmp_path):
    """With random weights, in the memory of a laptop; 1024 x 768 pixels."""
    network = sam_model_registry["vit_b"]()
    torch.save(network.state_dict(), tmp_path / "sam_vit_b_01ec64.pth")
    del network
    torch.set_num_threads(2)
    stage = stage_class("sam-vit-b").open(CPU, str(tmp_path / "sam_vit_b_01ec64.pth"))
    rgb = picture((1024, 768))
    hints = (Hint(Bounds(100, 90, 300, 333)), Hint(points=((500, 500),)))
    peak = activation_peak(lambda: stage.segment(rgb, hints, cancel=CancelToken()))
    assert peak < 2 * GIB  # the package's own attention takes 2.7
    found = stage.segment(rgb, hints, cancel=CancelToken())
    assert len(found) == 2
    assert all(one.bounds.clamped(Extent(1024, 768)) == one.bounds for one in found)
