"""Whole runs on toy networks: resumed bit for bit, saved in forms that load, refused clearly."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from safetensors.torch import load_file
from seeded import seed_module
from tiny_fixtures import one_thread, tiny_flux  # noqa: F401

import training
from layerstudio.document import Document, Layer
from layerstudio.errors import (
    InvalidRequest,
    MismatchedWeights,
    MissingWeights,
    NumericalFailure,
    UnreadableFile,
)
from layerstudio.geometry import Bounds, Extent
from layerstudio.models.multilayer_decoder import MultiLayerDecoder
from layerstudio.models.multilayer_dit import MultiLayerTransformer
from layerstudio.pipelines.multilayer.pipeline import MultiLayerPipeline
from training.multilayer_network import apply_lora, built, trained
from training.multilayer_run import Run, rate_factor
from training.multilayer_settings import Settings, load_settings, parse_settings
from training.multilayer_tasks import TASKS

# Decibels; each about 3 below what was measured. The codec alone allows 33.
BOUNDS = {"text": 22.0, "picture": 23.0, "layers": 20.5}
NETWORK = {
    "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2,
    "joint_attention_dim": 64, "pooled_projection_dim": 64, "axes_dims_rope": [4, 6, 6],
    "max_layer_num": 12,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three layered files of random blocks, two sizes."""
    made = tmp_path_factory.mktemp("layered")
    for number in range(3):
        rng = np.random.default_rng(number)
        canvas = Extent(48, 32 + 16 * (number % 2))
        boxes = [Bounds.full(canvas), Bounds(3, 5, 20, 18), Bounds(20, 9, 25, 12)]
        layers = [
            Layer(f"block {k}", box, np.full((box.height, box.width, 4), 255, np.uint8)
                  - np.append(rng.integers(0, 255, 3), 0).astype(np.uint8))
            for k, box in enumerate(boxes)
        ]  # fmt: skip
        Document(canvas, tuple(layers)).save(made / f"blocks_{number}.ora")
    return made


@pytest.fixture
def settings(folder: Path, tmp_path: Path) -> Settings:
    return Settings(
        data=str(folder), out=str(tmp_path / "run"), network=NETWORK, kind="full", steps=4,
        batch=2, accumulate=2, rate=3e-3, warmup=2, ema=0.9, merge=0.3, size=None, save_every=2,
        sample_every=0, samples=2, log_every=1,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _new_accelerator() -> Iterator[None]:
    """Accelerate holds one precision for the whole process."""
    yield
    AcceleratorState._reset_state(True)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in trained(run.network).items()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(settings, tmp_path, kind):
    whole = Run(replace(settings, kind=kind, rank=4, out=str(tmp_path / "whole")))
    whole.train()
    Run(replace(settings, kind=kind, rank=4, steps=2)).train()
    resumed = Run(replace(settings, kind=kind, rank=4))
    assert resumed.step == 2
    resumed.train()
    for (name, one), other in zip(weights(whole).items(), weights(resumed).values(), strict=True):
        assert torch.equal(one, other), name
    for one, other in zip(whole.average.shadow_params, resumed.average.shadow_params, strict=True):
        assert torch.equal(one, other)
    logs = [rows(run.folder / "log.csv") for run in (whole, resumed)]
    assert [row["loss"] for row in logs[0]] == [row["loss"] for row in logs[1]]
    assert [row["step"] for row in logs[1]] == ["1", "2", "3", "4"]


def test_rows_after_the_checkpoint_are_written_again_not_twice(settings):
    run = Run(replace(settings, steps=3, save_every=2))
    run.train()
    (run.folder / "checkpoints" / "step-00000003.pt").unlink()
    resumed = Run(replace(settings, steps=3, save_every=2))
    assert resumed.step == 2
    resumed.train()
    assert [row["step"] for row in rows(run.folder / "log.csv")] == ["1", "2", "3"]


def test_what_is_trained_is_saved_as_the_average_and_samples_are_drawn(settings):
    run = Run(replace(settings, sample_every=4))
    run.train()
    loaded = MultiLayerTransformer.from_pretrained(run.folder / "trained")
    assert loaded.config["clean_tokens"] is True
    pairs = zip(loaded.parameters(), run.average.shadow_params, strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert not torch.equal(loaded.layer_pe, run.network.layer_pe)
    (row,) = rows(run.folder / "samples.csv")
    assert all(3 < float(row[f"psnr_{task}"]) < 60 for task in ("text", "picture", "layers"))
    sheet = np.asarray(Image.open(run.folder / "samples" / "step-00000004.png"))
    assert sheet.ndim == 3 and sheet.std() > 10


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_half_precision_and_checkpointing_train_too(settings, kind):
    losses = []
    for changes in ({"out": settings.out + "-plain"}, {"precision": "bf16", "checkpointing": True}):
        AcceleratorState._reset_state(True)
        run = Run(replace(settings, steps=1, kind=kind, sample_every=1, **changes))
        run.train()
        losses.append(float(rows(run.folder / "log.csv")[0]["loss"]))
    assert losses[1] == pytest.approx(losses[0], rel=0.02) and losses[0] != losses[1]


@pytest.fixture(scope="module")
def transformer(tiny_flux: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """FLUX's tiny transformer as a multi-layer one: plain FLUX files lack ``layer_pe``."""
    folder = tmp_path_factory.mktemp("multilayer")
    network = built(Settings(base=str(tiny_flux), kind="full"))
    seed_module(network, 2, 0.7)
    network.save_pretrained(folder)
    return folder


class TestLora:
    def test_plain_flux_is_a_beginning(self, tiny_flux):  # noqa: F811
        network = built(Settings(base=str(tiny_flux), rank=2))
        assert 0.01 < float(network.layer_pe.std()) < 0.03
        names = set(trained(network))
        assert "layer_pe" in names
        others = {name for name in names if "lora_" not in name} - {"layer_pe"}
        assert not others
        for part in ("attn.to_q", "attn.to_out.0", "attn.add_k_proj", "attn.to_add_out"):
            assert any(f"transformer_blocks.0.{part}.lora_A" in name for name in names), part
        assert "single_transformer_blocks.0.proj_out.lora_B.default.weight" in names
        assert not any(name.startswith("proj_out") or ".ff." in name for name in names)

    def test_flux_is_trained_and_the_pipeline_loads_what_comes_out(
        self, settings, tiny_flux, transformer, tmp_path  # noqa: F811
    ):  # fmt: skip
        own = replace(
            settings, kind="lora", rank=2, base=str(tiny_flux), transformer=str(transformer),
            network={}, steps=2, text_length=16, rate=0.05, cache=str(tmp_path / "cache"),
            sample_every=2, samples=1, ema=0.0,
        )  # fmt: skip
        run = Run(own)
        run.train()
        assert any((tmp_path / "cache").rglob("*.safetensors"))
        network = MultiLayerTransformer.from_pretrained(transformer)
        decoder = MultiLayerDecoder(64, 1)
        pipeline = MultiLayerPipeline.from_pretrained(
            tiny_flux, transformer=network, decoder=decoder
        )
        apply_lora(pipeline, run.folder / "trained")
        assert torch.equal(pipeline.transformer.layer_pe, run.network.layer_pe)
        assert pipeline.transformer.config["clean_tokens"]
        assert not torch.equal(
            pipeline.transformer.layer_pe, built(replace(own, kind="full")).layer_pe
        )
        saved = load_file(run.folder / "trained" / "pytorch_lora_weights.safetensors")
        assert len(saved) == len(trained(run.network)) - 1
        ours = dict(run.network.named_parameters())
        matched = 0
        for name, value in pipeline.transformer.named_parameters():
            if "lora_" in name:
                matched += 1
                assert torch.equal(value, ours[name.replace("default_0", "default")]), name
        assert matched == len(saved)


class TestRefusals:
    def test_other_settings_for_a_begun_run(self, settings):
        Run(settings)
        with pytest.raises(InvalidRequest, match="begun with another --rate"):
            Run(replace(settings, rate=1e-3))

    def test_a_damaged_checkpoint(self, settings):
        run = Run(replace(settings, steps=2))
        run.train()
        path = run.folder / "checkpoints" / "step-00000002.pt"
        path.write_bytes(path.read_bytes()[:-2000])
        with pytest.raises(UnreadableFile, match="damaged"):
            Run(settings)

    def test_a_loss_that_is_no_number(self, settings):
        run = Run(settings)
        run.network.proj_out.weight.data.fill_(float("nan"))
        with pytest.raises(NumericalFailure, match="step 1"):
            run.train()

    def test_weights_that_are_missing_or_another_networks(self, settings, tmp_path):
        with pytest.raises(MissingWeights, match="no transformer"):
            built(replace(settings, transformer=str(tmp_path)))
        MultiLayerTransformer(**NETWORK).save_pretrained(tmp_path / "net")
        (tmp_path / "net" / "config.json").write_text(
            (tmp_path / "net" / "config.json").read_text().replace(
                '"num_single_layers": 1', '"num_single_layers": 2'
            )
        )  # fmt: skip
        with pytest.raises(MismatchedWeights, match="lacks"):
            built(replace(settings, transformer=str(tmp_path / "net")))

    def test_a_network_that_cannot_read_the_texts(self, settings):
        with pytest.raises(InvalidRequest, match="joint_attention_dim 64, not 32"):
            Run(replace(settings, network={**NETWORK, "joint_attention_dim": 32}))

    def test_an_optimizer_that_is_not_installed(self, settings, monkeypatch):
        monkeypatch.setattr("training.multilayer_run.find_spec", lambda name: None)
        with pytest.raises(InvalidRequest, match="Prodigy is not installed"):
            Run(replace(settings, optimizer="prodigy"))


class TestSettings:
    def test_command_line_over_file_over_defaults(self, tmp_path):
        path = tmp_path / "some.json"
        path.write_text('{"rate": 0.5, "steps": 7, "base": "flux"}')
        made = parse_settings(["--config", str(path), "--steps", "9", "--decay"])
        assert (made.rate, made.steps, made.batch, made.decay) == (0.5, 9, 1, True)
        made.save(path)
        assert load_settings(path) == made

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ([], "nothing to train"),
            (["--base", "x", "--steps", "0"], "--steps must be at least 1"),
            (["--base", "x", "--drop", "1.5"], "--drop must be within"),
            (["--base", "x", "--text-share", "-1"], "weights must"),
        ],
    )
    def test_what_cannot_be(self, arguments, sentence):
        with pytest.raises(InvalidRequest, match=sentence):
            parse_settings(arguments)

    def test_unknown_names_in_a_file(self, tmp_path):
        path = tmp_path / "some.json"
        path.write_text('{"learning_rate": 1}')
        with pytest.raises(InvalidRequest, match="learning_rate, which is unknown"):
            load_settings(path)

    def test_rate_rises_and_falls(self):
        settings = Settings(base="x", steps=100, warmup=10, decay=True)
        factors = [rate_factor(step, settings) for step in range(100)]
        assert factors[0] == 0.1 and factors[9] == 1.0 and factors[-1] < 0.001
        assert factors[55] == pytest.approx(0.5)
        assert rate_factor(99, replace(settings, decay=False)) == 1.0


@pytest.mark.slow
def test_a_toy_run_learns_designs_by_heart(tmp_path):
    """The documented run (training/multilayer_toy.json) with half the designs and fewer steps."""
    toy = load_settings(Path(training.__file__).parent / "multilayer_toy.json")
    short = replace(toy, count=4, samples=4, batch=4, steps=300, sample_every=300)
    Run(replace(short, out=str(tmp_path))).train()
    losses = [float(row["loss"]) for row in rows(tmp_path / "log.csv")]
    assert np.mean(losses[-3:]) < losses[0] / 4
    (psnr,) = rows(tmp_path / "samples.csv")
    for task in TASKS:
        assert float(psnr[f"psnr_{task}"]) > BOUNDS[task], task
