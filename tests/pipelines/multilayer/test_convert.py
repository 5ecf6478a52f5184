"""Published pieces become one pipeline: what is in it, and what is said where it cannot be."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from shutil import copytree

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from tiny_checkpoints import tiny_transformer, write_sd15
from tiny_fixtures import one_thread, tiny_flux  # noqa: F401
from tiny_layerdiffuse import sdxl_attention_lora
from tiny_multilayer import (
    LAYERS,
    LORA,
    art_transformer,
    decoder_state,
    inpaint_controlnet,
    layer_pe,
    lora,
    write_art,
    write_art_pieces,
    write_cld,
    write_inpaint_controlnet,
)
from typer.testing import CliRunner

from layerstudio.errors import (
    Cancelled,
    InvalidRequest,
    MismatchedWeights,
    MissingWeights,
    UnreadableFile,
    UnwritableFile,
)
from layerstudio.geometry import Bounds
from layerstudio.models.multilayer_dit import MultiLayerTransformer
from layerstudio.pipelines.multilayer import convert as convert_module
from layerstudio.pipelines.multilayer.convert import convert
from layerstudio.pipelines.multilayer.pieces import FusedLora, Pieces
from layerstudio.pipelines.multilayer.pipeline import MultiLayerPipeline
from layerstudio.progress import CancelToken
from layerstudio.ui.cli.main import app
from layerstudio.weights import registry
from training.multilayer_network import LORA_TARGETS, save_network

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def published(tiny_flux: Path, tmp_path_factory) -> Path:  # noqa: F811
    """``<organisation>/<name>``, as ``LAYERSTUDIO_WEIGHTS`` holds it."""
    folder = tmp_path_factory.mktemp("published")
    places = {id: folder / registry.checkpoint(id).repository for id in ("cld", "art")}
    write_cld(places["cld"])
    write_art(places["art"])
    write_inpaint_controlnet(folder / registry.checkpoint("flux-inpaint-alpha").repository)
    copytree(tiny_flux, folder / registry.checkpoint("flux-dev").repository)
    write_art_pieces(folder / "pieces")
    return folder


@pytest.fixture(scope="module")
def cld(published: Path) -> Pieces:
    ckpt = published / "thuteam/CLD/ckpt"
    decouple = ckpt / "decouple_LoRA"
    return Pieces(
        base=published / "black-forest-labs/FLUX.1-dev",
        decoder=ckpt / "trans_vae/0008000.pt",
        loras=tuple(
            FusedLora(path)
            for path in (
                ckpt / "pre_trained_LoRA", ckpt / "prism_ft_LoRA" / LORA, decouple / "transformer"
            )
        ),
        layer_pe=decouple / "layer_pe.pth",
        adapter=published / "alimama-creative/FLUX.1-dev-Controlnet-Inpainting-Alpha",
        adapter_loras=(FusedLora(decouple / "adapter"),),
    )  # fmt: skip


@pytest.fixture(scope="module")
def converted(cld: Pieces, tmp_path_factory) -> Path:
    return convert(cld, tmp_path_factory.mktemp("out") / "cld", dtype="float32")


def fused(state: State, *loras: tuple[State, float]) -> State:
    """By hand: the factors multiplied out and added, in float32."""
    result = {key: value.float() for key, value in state.items()}
    for factors, weight in loras:
        for name in (key for key in factors if key.endswith(".lora_A.weight")):
            module = name.removesuffix(".lora_A.weight")
            up, down = factors[f"{module}.lora_B.weight"], factors[name]
            key = f"{module.removeprefix('transformer.')}.weight"
            result[key] = result[key] + weight * (up.float() @ down.float())
    return result


def assert_equal(found: State, expected: State) -> None:
    assert found.keys() == expected.keys()
    different = [key for key in expected if not torch.equal(found[key], expected[key])]
    assert not different


def state_of(folder: Path) -> State:
    return {k: v for path in folder.glob("*.safetensors") for k, v in load_file(path).items()}


def test_cld_is_fused_in_float32_in_the_published_order(converted):
    pipeline = MultiLayerPipeline.from_pretrained(converted)
    loras = [(lora(tiny_transformer(), seed), 1.0) for seed in (521, 522, 523)]
    expected = fused(tiny_transformer().state_dict(), *loras) | {"layer_pe": layer_pe(525)}
    assert_equal(pipeline.transformer.state_dict(), expected)
    assert pipeline.transformer.config["max_layer_num"] == LAYERS
    base = inpaint_controlnet()
    rounded = {key: value.bfloat16() for key, value in base.state_dict().items()}
    adapter = fused(rounded, (lora(base, 524), 1.0))
    assert_equal(pipeline.adapter.state_dict(), adapter)
    assert pipeline.adapter.config["condition_channels"] == 68
    assert_equal(pipeline.decoder.state_dict(), decoder_state())


def test_the_converted_pipeline_takes_a_picture_apart(converted):
    pipeline = MultiLayerPipeline.from_pretrained(converted)
    pipeline.set_progress_bar_config(disable=True)
    picture = torch.rand(1, 4, 48, 64, generator=torch.Generator().manual_seed(0))
    made = pipeline(
        ["a cat"], [[Bounds(0, 0, 32, 20)]], width=64, height=48, images=[picture],
        num_inference_steps=1, max_sequence_length=16,
    )  # fmt: skip
    assert [layer.bounds for layer in made.documents[0].children[1:2]] == [Bounds(0, 0, 32, 32)]


def test_the_rest_is_the_bases_own(converted, cld):
    for name in ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"):
        files = {path.name: path.read_bytes() for path in (cld.base / name).iterdir()}
        assert {path.name: path.read_bytes() for path in (converted / name).iterdir()} == files
    assert not list(converted.parent.glob(".*"))


def test_saving_again_gives_the_same_folder(converted, tmp_path):
    pipeline = MultiLayerPipeline.from_pretrained(converted)
    pipeline.save_pretrained(tmp_path)
    for name in ("transformer", "adapter", "decoder"):
        assert_equal(state_of(tmp_path / name), state_of(converted / name))
        configs = [
            json.loads((at / name / "config.json").read_text()) for at in (tmp_path, converted)
        ]
        assert configs[0] == {**configs[1], **_only_new(configs)}
    indices = [json.loads((at / "model_index.json").read_text()) for at in (tmp_path, converted)]
    assert {k: v for k, v in indices[0].items() if k != "_name_or_path"} == indices[1]


def _only_new(configs: list[dict]) -> dict:
    """Diffusers notes where a network was loaded from."""
    return {k: v for k, v in configs[0].items() if k not in configs[1] and k.startswith("_")}


def test_half_precision_is_rounded_once(cld, tmp_path):
    folder = convert(replace(cld, adapter=None, adapter_loras=()), tmp_path / "half")
    loras = [(lora(tiny_transformer(), seed), 1.0) for seed in (521, 522, 523)]
    expected = fused(tiny_transformer().state_dict(), *loras) | {"layer_pe": layer_pe(525)}
    found = state_of(folder / "transformer")
    assert_equal(found, {key: value.bfloat16() for key, value in expected.items()})
    assert {value.dtype for value in state_of(folder / "decoder").values()} == {torch.float32}
    assert MultiLayerPipeline.from_pretrained(folder, dtype=torch.bfloat16).adapter is None


def test_arts_training_with_a_style_of_ones_own(published, cld, tmp_path):
    pieces = published / "pieces"
    style = FusedLora(cld.loras[0].path, 0.5)
    made = convert(
        Pieces(
            base=cld.base,
            decoder=pieces / "transp_vae.pt",
            loras=(FusedLora(pieces / "fused"), FusedLora(pieces / "layer"), style),
            layer_pe=pieces / "layer/layer_pe.pth",
        ),
        tmp_path / "art",
        dtype="float32",
    )
    loras = [(lora(tiny_transformer(), seed), w) for seed, w in ((511, 1), (512, 1), (521, 0.5))]
    expected = fused(tiny_transformer().state_dict(), *loras) | {"layer_pe": layer_pe(513)}
    assert_equal(state_of(made / "transformer"), expected)


def test_a_whole_transformer_replaces_the_bases(published, cld, tmp_path):
    art = published / registry.checkpoint("art").repository
    pieces = Pieces(base=cld.base, decoder=art / "transp_vae", transformer=art / "transformer")
    made = convert(pieces, tmp_path / "art", dtype="float16")
    expected = {key: v.bfloat16().half() for key, v in art_transformer().state_dict().items()}
    assert_equal(state_of(made / "transformer"), expected)
    again = convert(
        Pieces(base=made, decoder=made / "decoder", transformer=made / "transformer"),
        tmp_path / "again",
        dtype="float16",
    )
    assert_equal(state_of(again / "transformer"), expected)
    assert_equal(state_of(again / "decoder"), decoder_state())


def test_a_lora_trained_here_brings_its_layers_vectors(converted, cld, tmp_path):
    network = MultiLayerTransformer.from_pretrained(converted / "transformer")
    network.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=LORA_TARGETS))
    for seed, value in enumerate(p for name, p in network.named_parameters() if "lora_" in name):
        torch.nn.init.normal_(value, generator=torch.Generator().manual_seed(seed))
    torch.nn.init.ones_(network.layer_pe)
    network.register_to_config(clean_tokens=True)
    save_network(network, tmp_path / "lora", "lora")
    made = convert(
        Pieces(
            base=cld.base,
            decoder=cld.decoder,
            transformer=converted / "transformer",
            loras=(FusedLora(tmp_path / "lora"),),
        ),
        tmp_path / "made",
        dtype="float32",
    )
    network.fuse_lora()
    network.unload_lora()
    found, expected = state_of(made / "transformer"), network.state_dict()
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=1e-5, msg=key)
    assert bool((found["layer_pe"] == 1).all())
    assert json.loads((made / "transformer" / "config.json").read_text())["clean_tokens"]


def test_the_command_finds_the_pieces_of_a_row(published, converted, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(published))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    out = tmp_path / "out"
    command = ["models", "convert", "cld", "-o", str(out), "--dtype", "float32", "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {"folder": str(out)}
    for name in ("transformer", "adapter", "decoder"):
        assert_equal(state_of(out / name), state_of(converted / name))
    pieces = published / "pieces"
    named = ["--decoder", str(pieces / "transp_vae.pt"), "--lora", f"{pieces / 'layer'}:0.25"]
    named += ["--layer-pe", str(pieces / "layer/layer_pe.pth"), "-o", str(tmp_path / "own")]
    done = CliRunner().invoke(app, ["models", "convert", *named, "--dtype", "float32"])
    assert done.exit_code == 0, done.stderr
    expected = fused(tiny_transformer().state_dict(), (lora(tiny_transformer(), 512), 0.25))
    found = state_of(tmp_path / "own/transformer")
    assert_equal(found, expected | {"layer_pe": layer_pe(513)})


def test_the_command_says_what_is_missing(published, tmp_path, monkeypatch):
    monkeypatch.setenv("LAYERSTUDIO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["models", "convert", *arguments, "-o", str(tmp_path / "o")])
        assert done.exit_code == 2
        return done.stderr

    assert "models pull cld flux-dev flux-inpaint-alpha" in said("cld")
    base = str(published / "black-forest-labs/FLUX.1-dev")
    assert "took it back" in said("art", "--base", base)
    assert "Choose cld or art" in said("taesd", "--base", base)
    assert "transparency decoder" in said("--base", base)
    decoder = str(published / "pieces/transp_vae.pt")
    assert "float32" in said("--base", base, "--decoder", decoder, "--dtype", "int8")
    assert not (tmp_path / "o").exists()


def _with_lora(state: State):
    def change(pieces: Pieces, folder: Path) -> Pieces:
        save_file(state, folder / "lora.safetensors")
        return replace(pieces, loras=(FusedLora(folder / "lora.safetensors"),))

    return change


def _without_layers(pieces: Pieces, folder: Path) -> Pieces:
    loras = tuple(FusedLora(lora.file) for lora in pieces.loras)
    return replace(pieces, layer_pe=None, loras=loras)


def _narrow_layers(pieces: Pieces, folder: Path) -> Pieces:
    torch.save({"layer_pe": torch.zeros(1, 52, 1, 1, 8)}, folder / "pe.pth")
    return replace(pieces, layer_pe=folder / "pe.pth")


def _lora_as_layers(pieces: Pieces, folder: Path) -> Pieces:
    return replace(pieces, layer_pe=pieces.loras[1].file)


def _lora_as_decoder(pieces: Pieces, folder: Path) -> Pieces:
    return replace(pieces, decoder=pieces.loras[1].file)


def _plain_controlnet(pieces: Pieces, folder: Path) -> Pieces:
    return replace(pieces, adapter=pieces.base / "transformer")


def _another_base(pieces: Pieces, folder: Path) -> Pieces:
    return replace(pieces, base=write_sd15(folder / "sd15"))


def _no_base(pieces: Pieces, folder: Path) -> Pieces:
    return replace(pieces, base=folder)


def _lost_shard(pieces: Pieces, folder: Path) -> Pieces:
    base = copytree(pieces.base, folder / "base")
    sorted((base / "transformer").glob("*-00002-of-*"))[0].unlink()
    return replace(pieces, base=base)


def _lost_vae(pieces: Pieces, folder: Path) -> Pieces:
    base = copytree(pieces.base, folder / "base")
    (base / "vae").rename(folder / "vae")
    return replace(pieces, base=base)


def _infinite(pieces: Pieces, folder: Path) -> Pieces:
    torch.save({"layer_pe": layer_pe(525) / 0}, folder / "pe.pth")
    return replace(pieces, layer_pe=folder / "pe.pth")


def _senseless(pieces: Pieces, folder: Path) -> Pieces:
    base = copytree(pieces.base, folder / "base")
    config = base / "transformer/config.json"
    config.write_text(config.read_text().replace('"num_layers": 2', '"num_layers": "two"'))
    return replace(pieces, base=base)


FOREIGN = {"transformer.block.9.lora_A.weight": torch.zeros(2, 8)}
FOREIGN["transformer.block.9.lora_B.weight"] = torch.zeros(8, 2)


@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (_with_lora(sdxl_attention_lora()), MismatchedWeights, "and .* more"),
        (_with_lora(FOREIGN), MismatchedWeights, r"block\.9\.weight"),
        (_without_layers, MissingWeights, "layer_pe"),
        (_narrow_layers, MismatchedWeights, "layer_pe is 1 x 52 x 1 x 1 x 8"),
        (_lora_as_layers, MismatchedWeights, "LoRA for FLUX"),
        (_lora_as_decoder, MismatchedWeights, "transparency decoder"),
        (_plain_controlnet, MismatchedWeights, "controlnet_x_embedder"),
        (_another_base, MismatchedWeights, "StableDiffusionPipeline"),
        (_no_base, UnreadableFile, "model_index"),
        (_lost_shard, UnreadableFile, "00002"),
        (_lost_vae, UnreadableFile, "no vae"),
        (_infinite, MismatchedWeights, "not numbers"),
        (_senseless, MismatchedWeights, "no sense"),
    ],
    ids=lambda value: value.__name__.strip("_") if hasattr(value, "__name__") else None,
)
def test_what_does_not_go_together_is_named_and_nothing_is_left(damage, error, said, cld, tmp_path):
    pieces = damage(cld, tmp_path)
    (tmp_path / "out").mkdir()
    with pytest.raises(error, match=said):
        convert(pieces, tmp_path / "out" / "made")
    assert not list((tmp_path / "out").iterdir())


def test_a_target_that_is_taken_or_has_no_place(cld, tmp_path):
    (tmp_path / "a file").write_text("mine")
    with pytest.raises(InvalidRequest, match="exists"):
        convert(cld, tmp_path)
    with pytest.raises(InvalidRequest, match="exists"):
        convert(cld, tmp_path / "a file")
    with pytest.raises(UnwritableFile, match="does not exist"):
        convert(cld, tmp_path / "no" / "folder")
    assert (tmp_path / "a file").read_text() == "mine"


def test_a_disk_without_room_is_seen_before(cld, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(convert_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UnwritableFile, match="GB free"):
        convert(cld, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_stopping_leaves_nothing(share, cld, tmp_path):
    cancel, seen = CancelToken(), []

    def watch(progress):
        seen.append(progress)
        if progress.fraction >= share:
            cancel.cancel()

    with pytest.raises(Cancelled):
        convert(cld, tmp_path / "out", progress=watch, cancel=cancel)
    assert not list(tmp_path.iterdir())
    assert all(a.fraction <= b.fraction for a, b in pairwise(seen))


def test_progress_ends_at_one_and_counts_every_byte(cld, tmp_path):
    seen = []
    folder = convert(cld, tmp_path / "out", progress=seen.append)
    assert math.isclose(seen[-1].fraction, 1.0)
    assert {one.stage for one in seen} > {"transformer", "adapter", "decoder", "text_encoder_2"}
    assert (folder / "model_index.json").is_file()
