"""LayerDiffuse's weights come to a pipeline and go, and the base is what it was."""

import numpy as np
import pytest
import torch
from sdxl_toys import CONDITIONAL, FAST, LATENT, SIZE, pictures, quiet, seeds
from tiny_layerdiffuse import sdxl_attention_deltas, sdxl_deltas

from layerstudio.errors import (
    MissingWeights,
)
from layerstudio.pipelines.layerdiffuse.sdxl import LayerDiffuseSDXLPipeline


def test_unloaded_it_is_the_base_bit_for_bit(own, base, tmp_path):
    for mode in CONDITIONAL:
        own.load_layerdiffuse(sdxl_deltas(mode), mode)
    own("a", mode="fgble2bg", foreground=pictures(1), blended=pictures(1), num_inference_steps=2)
    own.unload_layerdiffuse()
    for key, value in base.unet.state_dict().items():
        assert torch.equal(value, own.unet.state_dict()[key]), key
    assert type(own.unet.conv_in) is type(base.unet.conv_in)
    theirs = base("a", **SIZE, num_inference_steps=3, generator=seeds(1)[0], output_type="np")
    ours = own("a", mode="plain", **SIZE, **FAST, generator=seeds(1)[0], output_type="np")
    assert np.array_equal(ours.images, theirs.images)
    with pytest.raises(MissingWeights, match="not loaded"):
        own("a", **SIZE)


def test_one_mode_is_unloaded_or_replaced_and_the_others_stay(own):
    own.load_layerdiffuse(sdxl_deltas("fg2ble"), "fg2ble")
    before = own("a", mode="transparent", **LATENT, seed=1).latents
    own.load_layerdiffuse(sdxl_deltas("conv"))
    other = own("a", mode="transparent", **LATENT, seed=1).latents
    assert not torch.equal(other, before)
    own.unload_layerdiffuse("fg2ble")
    assert torch.equal(own("a", **LATENT, seed=1).latents, other)
    with pytest.raises(MissingWeights, match="fg2ble"):
        own("a", mode="fg2ble", foreground=pictures(1))
    own.load_layerdiffuse(sdxl_attention_deltas())
    assert torch.equal(own("a", **LATENT, seed=1).latents, before)


def test_strength_scales_the_weights(own, base):
    def run(pipeline, **options):
        return pipeline("a", **LATENT, **options, generator=seeds(1)[0]).latents

    whole = run(own)
    own.set_layerdiffuse_strength(0.0)
    assert torch.equal(run(own), run(own, mode="plain"))
    own.set_layerdiffuse_strength(1.0)
    assert torch.equal(run(own), whole)


def test_saved_without_the_patch_and_loaded_with_the_networks(own, base, tmp_path):
    before = own("a", **LATENT, generator=seeds(1)[0]).latents
    own.save_pretrained(tmp_path)
    assert torch.equal(own("a", **LATENT, generator=seeds(1)[0]).latents, before)
    loaded = quiet(LayerDiffuseSDXLPipeline.from_pretrained(tmp_path))
    for key, value in base.unet.state_dict().items():
        assert torch.equal(value, loaded.unet.state_dict()[key]), key
    for name in ("transparency_encoder", "transparency_decoder"):
        for key, value in getattr(own, name).state_dict().items():
            assert torch.equal(value, getattr(loaded, name).state_dict()[key]), key
    loaded.load_layerdiffuse(sdxl_attention_deltas())
    assert torch.equal(loaded("a", **LATENT, generator=seeds(1)[0]).latents, before)


def test_pipelines_made_of_one_another_share_weights(own, base):
    other = quiet(LayerDiffuseSDXLPipeline.from_pipe(own))
    expected = own("a", **LATENT, generator=seeds(1)[0]).latents
    assert torch.equal(other("a", **LATENT, generator=seeds(1)[0]).latents, expected)
    assert other.transparency_decoder is own.transparency_decoder
    other.unload_layerdiffuse()
    for key, value in base.unet.state_dict().items():
        assert torch.equal(value, own.unet.state_dict()[key]), key
    assert LayerDiffuseSDXLPipeline.from_pipe(base).transparency_decoder is None
