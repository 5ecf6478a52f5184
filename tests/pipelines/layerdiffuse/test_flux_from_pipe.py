"""Any FLUX pipeline of diffusers becomes one of ours, without a second copy of its networks."""

from diffusers.pipelines.flux.pipeline_flux import FluxPipeline

from layerstudio.pipelines.layerdiffuse.flux import LayerDiffuseFluxPipeline


def test_networks_are_taken_over(tiny_flux):
    plain = FluxPipeline.from_pretrained(tiny_flux)
    made = LayerDiffuseFluxPipeline.from_pipe(plain)
    for name in ("transformer", "vae", "text_encoder", "text_encoder_2"):
        assert getattr(made, name) is getattr(plain, name)
    assert made.transparency_decoder is None
