"""diffusers' models compute the same on our dispatcher as on their own attention."""

import pytest
import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel, UNet2DConditionModel
from diffusers.models.attention_dispatch import _AttentionBackendRegistry
from diffusers.models.attention_processor import (
    AttnProcessor2_0,
    IPAdapterAttnProcessor2_0,
    IPAdapterXFormersAttnProcessor,
)

from layerstudio.models import attention as attention_module
from layerstudio.models.attention import use_backend
from layerstudio.models.attention_processors import DispatchedAttnProcessor

torch.set_num_threads(1)
BACKENDS = ["auto", "sdpa", "flash"]


def tiny_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=12,
        attention_head_dim=2,
        norm_num_groups=4,
    ).eval()


def run_unet(unet: UNet2DConditionModel, **more) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(2, 4, 8, 12, generator=generator)
    words = torch.randn(2, 5, 12, generator=generator)
    with torch.no_grad():
        return unet(sample, 3, words, return_dict=False, **more)[0]


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("has_mask", [False, True])
def test_unet_is_unchanged(name, has_mask):
    unet = tiny_unet()
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]) if has_mask else None
    before = run_unet(unet, encoder_attention_mask=mask)
    use_backend(unet, name)
    assert all(type(p) is DispatchedAttnProcessor for p in unet.attn_processors.values())
    after = run_unet(unet, encoder_attention_mask=mask)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-5)


def test_autoencoder_with_its_group_norm_and_residual():
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(4, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
    ).eval()
    picture = torch.rand(2, 3, 16, 24)
    with torch.no_grad():
        before = vae(picture).sample
        use_backend(vae, "flash")
        after = vae(picture).sample
    assert all(isinstance(p, DispatchedAttnProcessor) for p in vae.attn_processors.values())
    torch.testing.assert_close(after, before, rtol=0, atol=1e-5)


def tiny_flux() -> FluxTransformer2DModel:
    torch.manual_seed(0)
    return FluxTransformer2DModel(
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=8,
        pooled_projection_dim=6,
        axes_dims_rope=(2, 2, 4),
    ).eval()


@pytest.mark.parametrize(
    ("name", "diffusers_name"), [("auto", "native"), ("flash", "_native_flash")]
)
def test_flux_gets_the_name_and_no_other_model_does(name, diffusers_name, caplog):
    flux = tiny_flux()
    inputs = {
        "hidden_states": torch.randn(2, 6, 4),
        "encoder_hidden_states": torch.randn(2, 3, 8),
        "pooled_projections": torch.randn(2, 6),
        "timestep": torch.full((2,), 0.5),
        "img_ids": torch.zeros(6, 3),
        "txt_ids": torch.zeros(3, 3),
    }
    active = _AttentionBackendRegistry.get_active_backend()
    with torch.no_grad():
        before = flux(**inputs).sample
        use_backend(flux, name)
        after = flux(**inputs).sample
    assert {p._attention_backend.value for p in flux.attn_processors.values()} == {diffusers_name}
    assert _AttentionBackendRegistry.get_active_backend() == active
    assert "experimental" not in caplog.text
    torch.testing.assert_close(after, before, rtol=0, atol=1e-5)


def with_ip_adapter(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """IP-Adapter processors on every cross-attention, as loading one leaves them."""
    torch.manual_seed(2)
    for name, module in unet.named_modules():
        if name.endswith("attn2"):
            size = module.to_q.out_features
            module.set_processor(IPAdapterAttnProcessor2_0(size, 12, (2,), [0.5]))
    return unet


def test_ip_adapter_keeps_its_weights_and_scale(monkeypatch):
    unet = with_ip_adapter(tiny_unet())
    old = {n: p for n, p in unet.attn_processors.items() if isinstance(p, torch.nn.Module)}
    parameters = {name: id(p) for name, p in unet.named_parameters()}
    use_backend(unet, "sdpa")
    assert all(unet.attn_processors[name] is processor for name, processor in old.items())
    monkeypatch.setattr(attention_module.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(attention_module, "_library", lambda name: object())
    unet.half()
    use_backend(unet, "xformers", device="cuda")
    for name, processor in old.items():
        new = unet.attn_processors[name]
        assert isinstance(new, IPAdapterXFormersAttnProcessor)
        assert new.scale is processor.scale
    assert {name: id(p) for name, p in unet.named_parameters()} == parameters
    use_backend(unet, "sdpa", device="cuda")
    assert isinstance(unet.attn_processors[next(iter(old))], IPAdapterAttnProcessor2_0)


def test_processors_survive_how_diffusers_rebuilds_them():
    """Loading and unloading an IP-Adapter makes ``type(processor)()`` of the others."""
    rebuilt = type(DispatchedAttnProcessor("flash"))()
    assert isinstance(rebuilt, AttnProcessor2_0)
    unet = tiny_unet()
    before = run_unet(unet)
    unet.set_attn_processor(rebuilt)
    torch.testing.assert_close(run_unet(unet), before, rtol=0, atol=1e-5)


def test_processors_that_compute_something_else_stay():
    class Own(AttnProcessor2_0):
        """As a method's own attention would be."""

    unet, own = tiny_unet(), Own()
    unet.mid_block.attentions[0].transformer_blocks[0].attn1.set_processor(own)
    use_backend(unet, "flash")
    use_backend(unet, "sdpa")
    assert list(unet.attn_processors.values()).count(own) == 1
    others = [p for p in unet.attn_processors.values() if p is not own]
    assert {p.backend for p in others} == {"sdpa"}
