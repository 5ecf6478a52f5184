"""Which pipeline runs a base, read off its folder; and what is no base for this."""

import json
import shutil
from inspect import Parameter

import pytest
from tiny_pixart import write_pixart
from tiny_single_files import write_single_file

from layerstudio.errors import InvalidRequest, MismatchedWeights, UnreadableFile
from layerstudio.pipelines.layeringdiff.arguments import guidance_name
from layerstudio.pipelines.layeringdiff.bases import check, read_base
from layerstudio.pipelines.layeringdiff.resolving import native_side


@pytest.fixture
def pixart(one_thread, tmp_path):
    return write_pixart(tmp_path / "pixart")


def edited(path, **changes):
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, **changes}))


def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_the_class_and_the_family(tiny_sdxl, tiny_flux, pixart):
    sdxl = read_base(str(tiny_sdxl))
    assert (sdxl.kind.__name__, sdxl.family) == ("StableDiffusionXLPipeline", "sdxl")
    assert (
        read_base(str(tiny_sdxl), varies=True).kind.__name__ == "StableDiffusionXLImg2ImgPipeline"
    )
    assert read_base(str(tiny_flux), steered=True).kind.__name__ == "FluxControlNetPipeline"
    other = read_base(str(pixart))
    assert (other.kind.__name__, other.family) == ("PixArtSigmaPipeline", None)
    assert [native_side(base) for base in (sdxl, other)] == [128, 128]
    for base in (sdxl, other):
        check(base)


def test_a_folder_saved_by_a_pipeline_for_pictures(tiny_sdxl, tmp_path):
    folder = copied(tiny_sdxl, tmp_path)
    edited(folder / "model_index.json", _class_name="StableDiffusionXLImg2ImgPipeline")
    assert read_base(str(folder)).kind.__name__ == "StableDiffusionXLPipeline"


def test_a_single_file(tiny_sdxl, tmp_path):
    base = read_base(str(write_single_file(tmp_path, "sdxl")))
    assert (base.kind.__name__, base.family) == ("StableDiffusionXLPipeline", "sdxl")


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (["pipeline", "MyPipeline"], "code of its own"),
        (None, "code of its own"),
        ("NoSuchPipeline", "knows no way"),
        ("WanPipeline", "knows no way"),
        ("HeliosPipeline", "knows no way"),
        ("FluxControlPipeline", "knows no way"),
        ("StableDiffusionXLControlNetPipeline", "knows no way"),
    ],
)
def test_what_makes_no_picture_of_text_alone(tiny_sdxl, tmp_path, stored, expected):
    folder = copied(tiny_sdxl, tmp_path)
    edited(folder / "model_index.json", _class_name=stored)
    with pytest.raises(InvalidRequest, match=expected):
        read_base(str(folder))


def test_damaged_folders(pixart, tmp_path):
    with pytest.raises(UnreadableFile, match="no pipeline"):
        read_base(str(pixart / "vae"))
    edited(pixart / "transformer/config.json", num_layers=3)
    with pytest.raises(MismatchedWeights, match="transformer"):
        check(read_base(str(pixart)))
    (pixart / "model_index.json").write_text("[")
    with pytest.raises(UnreadableFile, match="sound configuration"):
        read_base(str(pixart))


def test_networks_that_take_more_than_noise(tiny_sd15, tmp_path):
    """SD 2's UNet is of no family of ours; its variant for depth takes a fifth channel."""
    folder = copied(tiny_sd15, tmp_path)
    edited(folder / "unet/config.json", use_linear_projection=True, in_channels=5)
    with pytest.raises(InvalidRequest, match="5 channels, and a picture has 4"):
        check(read_base(str(folder)))


def parameters(**defaults):
    return {n: Parameter(n, Parameter.KEYWORD_ONLY, default=d) for n, d in defaults.items()}


def test_which_argument_is_the_guidance():
    from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING as PIPELINES

    def of(key):
        from inspect import signature

        return guidance_name(signature(PIPELINES[key].__call__).parameters)

    assert of("qwenimage") == of("qwenimage21") == "true_cfg_scale"
    assert {of(key) for key in ("stable-diffusion-3", "flux", "sana", "z-image", "chroma")} == {
        "guidance_scale"
    }
    assert guidance_name(parameters(guidance_scale=None)) == "guidance_scale"
    assert guidance_name({}) is None
