"""LayerDiffuse on FLUX: transparent pictures from text, and from transparent pictures.

The method is Zhang and Agrawala's (arXiv:2402.17113); weights and defaults are those of the
published port to FLUX, RedAIGC/Flux-version-LayerDiffuse: a LoRA of the transformer and an
encoder and decoder for 16 latent channels with alpha last.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet_flux import (
    FluxControlNetModel,
    FluxMultiControlNetModel,
)
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionModelWithProjection,
    T5EncoderModel,
    T5Tokenizer,
)

from layerstudio.errors import InvalidRequest, MissingWeights
from layerstudio.models.checkpoints import State, as_state, read_state
from layerstudio.models.transparent_passes import Augment
from layerstudio.models.transparent_vae import (
    TransparencyDecoder,
    TransparencyEncoder,
    decode_rgba,
    encode_rgba,
)
from layerstudio.pipelines.layerdiffuse.conditions import on_canvas
from layerstudio.pipelines.layerdiffuse.flux_lora import (
    ADAPTER,
    activate,
    active_of,
    adapters_of,
    check_lora,
    lora_state,
    set_strength,
)
from layerstudio.pipelines.layerdiffuse.flux_sampling import (
    check_lengths,
    check_numbers,
    check_options,
    control_pictures,
    sampler_for,
    spread_texts,
)
from layerstudio.pipelines.layerdiffuse.frames import frame_documents
from layerstudio.pipelines.layerdiffuse.rgba_input import as_rgba
from layerstudio.pipelines.output import LayerStackOutput
from layerstudio.pipelines.steps import (
    Canvas,
    Preview,
    StepWatcher,
    as_output,
    check_output_type,
)
from layerstudio.pipelines.vae_steps import scaled, unscaled
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress

ControlNet = FluxControlNetModel | FluxMultiControlNetModel

DEFAULT_SIDE = 1024
LORA_FILE = "pytorch_lora_weights.safetensors"  # as diffusers calls it
MULTIPLE = 64  # pixels; the decoder halves six times
_SAMPLED = 0.85  # share of the whole job


class LayerDiffuseFluxPipeline(FluxPipeline):
    """``FluxPipeline`` that returns RGBA pictures.

    Besides diffusers' components it has ``transparency_encoder`` (image to image),
    ``transparency_decoder`` and, for the call's ``control_image``, ``controlnet``. LoRAs,
    schedulers, IP-Adapters and offloading are diffusers' own. FLUX overflows float16: load it in
    bfloat16 or float32.
    """

    model_cpu_offload_seq = (
        "text_encoder->text_encoder_2->image_encoder->transformer->vae->transparency_decoder"
    )
    _optional_components = [  # noqa: RUF012 (diffusers' own way)
        *FluxPipeline._optional_components,
        "transparency_encoder",
        "transparency_decoder",
        "controlnet",
    ]

    def __init__(
        self,
        scheduler: FlowMatchEulerDiscreteScheduler,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        text_encoder_2: T5EncoderModel,
        tokenizer_2: T5Tokenizer,
        transformer: FluxTransformer2DModel,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        transparency_encoder: TransparencyEncoder | None = None,
        transparency_decoder: TransparencyDecoder | None = None,
        controlnet: ControlNet | list[FluxControlNetModel] | None = None,
        layerdiffuse_strength: float = 1.0,
    ) -> None:
        """Typed in full because ``from_pipe`` passes on only what has the type said here."""
        optional: Any = (image_encoder, feature_extractor)
        encoders = (text_encoder, tokenizer, text_encoder_2, tokenizer_2)
        super().__init__(scheduler, vae, *encoders, transformer, *optional)
        if isinstance(controlnet, list | tuple):
            controlnet = FluxMultiControlNetModel(controlnet)
        self.register_modules(
            transparency_encoder=transparency_encoder,
            transparency_decoder=transparency_decoder,
            controlnet=controlnet,
        )
        self.register_to_config(layerdiffuse_strength=layerdiffuse_strength)

    def load_layerdiffuse(
        self,
        lora: State | Path | str,
        transparent_vae: State | Path | str,
        *,
        strength: float = 1.0,
    ) -> None:
        """Load the two published files, ``layerlora`` and ``TransparentVAE``.

        A second call replaces the first one's weights. What ``transparent_vae`` holds of FLUX's
        own VAE (``sd_vae.*``) is left out: it is frozen there, and the base has it.

        Raises ``UnreadableFile``, and ``MismatchedWeights`` for other files than these; the
        pipeline is unchanged then.
        """
        adapter = as_state(lora)
        check_lora(adapter, self.transformer)
        state = as_state(transparent_vae)
        networks = {
            "transparency_encoder": TransparencyEncoder.from_published(state, family="flux"),
            "transparency_decoder": TransparencyDecoder.from_published(state, family="flux"),
        }
        self._drop_lora()
        self.register_to_config(layerdiffuse_strength=strength)
        self._load_own(adapter)
        for network in networks.values():
            # Not ModelMixin's own, which warns of an empty list of layers to keep in fp32.
            nn.Module.to(network.eval(), self.vae.device, self.vae.dtype)
        self.register_modules(**networks)
        self.maybe_free_model_hooks()  # an offloaded pipeline takes the new networks in

    def set_layerdiffuse_strength(self, strength: float) -> None:
        """How much of LayerDiffuse's LoRA: 1 as published, 0 none. Other LoRAs stay as they are."""
        set_strength(self.transformer, strength)
        self.register_to_config(layerdiffuse_strength=strength)

    def unload_layerdiffuse(self) -> None:
        """The base as it was, exactly; other LoRAs stay."""
        self._drop_lora()
        self.register_modules(transparency_encoder=None, transparency_decoder=None)

    def load_lora_weights(self, *args: Any, **kwargs: Any) -> None:
        """Diffusers' own, but LayerDiffuse's LoRA stays on beside the new one."""
        super().load_lora_weights(*args, **kwargs)
        if ADAPTER in adapters_of(self.transformer):
            activate(self.transformer, [ADAPTER, *active_of(self.transformer)])

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """Diffusers' folder, with LayerDiffuse's LoRA in a folder of its own beside the base.

        Raises ``InvalidRequest`` while other LoRAs are loaded: diffusers would write a
        transformer that it cannot read.
        """
        others = [name for name in adapters_of(self.transformer) if name != ADAPTER]
        if others:
            raise InvalidRequest(
                f"LoRAs are loaded: {', '.join(others)}.",
                advice="Fuse or delete them before the pipeline is saved.",
            )
        if not adapters_of(self.transformer):
            return super().save_pretrained(save_directory, *args, **kwargs)
        adapter = lora_state(self.transformer)
        self.transformer.unload_lora()
        try:
            super().save_pretrained(save_directory, *args, **kwargs)
            folder = Path(save_directory) / ADAPTER
            folder.mkdir(exist_ok=True)
            save_file(adapter, folder / LORA_FILE)
        finally:
            self._load_own(adapter)
        return None

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Self:
        """Diffusers' own; of a folder written by ``save_pretrained`` with LayerDiffuse's LoRA."""
        pipeline = super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        saved = Path(pretrained_model_name_or_path) / ADAPTER / LORA_FILE
        if saved.is_file():
            pipeline._load_own(read_state(saved))
        return pipeline

    def _load_own(self, adapter: Mapping[str, Tensor]) -> None:
        """Beside the LoRAs that are on."""
        before = active_of(self.transformer)
        state, alphas = self.lora_state_dict(dict(adapter), return_alphas=True)
        # Not load_lora_weights, which warns that there is nothing for the text encoders.
        self.load_lora_into_transformer(
            state, alphas, self.transformer, adapter_name=ADAPTER, _pipeline=self
        )
        activate(self.transformer, [*before, ADAPTER])
        set_strength(self.transformer, self.config["layerdiffuse_strength"])

    def _drop_lora(self) -> None:
        adapters = adapters_of(self.transformer)
        if adapters == [ADAPTER]:
            self.transformer.unload_lora()
        elif ADAPTER in adapters:
            self.delete_adapters(ADAPTER)

    @torch.no_grad()
    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        prompt: str | list[str] | None = None,
        *,
        image: Any = None,
        strength: float = 0.8,
        control_image: Any = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 50,
        guidance_scale: float = 3.5,
        num_images_per_prompt: int = 1,
        augment: Augment = 8,
        output_type: str = "pil",
        return_dict: bool = True,
        progress: ProgressCallback = ignore_progress,
        cancel: CancelToken | None = None,
        preview: Preview | None = None,
        **options: Any,
    ) -> LayerStackOutput | tuple[Any, ...]:
        """RGBA pictures from text; of ``image``, varied, where one is given.

        ``image`` is anything that ``as_rgba`` takes, one picture or one for each prompt; its size
        is the default, and it is cut to cover another. ``strength`` (above 0, at most 1) is the
        share of the steps that it is varied by. ``control_image`` (or a list, for a list of
        ControlNets) is cut to cover the picture. Sizes may be any from 16 to 8192 pixels: the
        networks see the next multiple of 64. ``augment`` is the number of decoding passes.

        ``options`` are diffusers' own, by name: ``generator`` (one, or one for each picture),
        ``negative_prompt`` with ``true_cfg_scale``, ``prompt_2``, ``prompt_embeds``, ``sigmas``,
        ``latents`` (packed), ``ip_adapter_image``, ``joint_attention_kwargs``,
        ``callback_on_step_end`` and so on. Callbacks are given the pipeline of diffusers' that
        samples, and packed latents; ``preview`` is given (b, 16, h/8, w/8).

        Raises ``InvalidRequest``, ``MissingWeights``, ``NumericalFailure`` and ``Cancelled``.
        """
        check_output_type(output_type)
        self._check_loaded(encodes=image is not None, decodes=output_type != "latent")
        canvas, pictures = _canvas(image, width, height)
        options |= {
            "prompt": prompt,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "num_images_per_prompt": num_images_per_prompt,
            "strength": strength,
        }
        options, count = spread_texts(options, pictures)
        check_lengths(self, options)
        check_numbers(options, augment, count)
        options |= self._watching(canvas, progress, cancel, preview, options)
        try:
            if control_image is not None:
                options["control_image"] = control_pictures(control_image, canvas)
            if image is not None:
                options["image"] = self._encoded(image, canvas, count * num_images_per_prompt)
            latents = self._sampled(options, canvas)
            made = self._made(latents, canvas, augment, output_type, progress, cancel)
        finally:
            self.maybe_free_model_hooks()
        return made if return_dict else made.to_tuple()

    def _check_loaded(self, *, encodes: bool, decodes: bool) -> None:
        """Before minutes are spent on sampling."""
        absent = (encodes and self.transparency_encoder is None) or (
            decodes and self.transparency_decoder is None
        )
        if absent:
            raise MissingWeights(
                "LayerDiffuse's weights for FLUX are not loaded.",
                advice="Call load_layerdiffuse; `layerstudio models pull layerdiffuse-flux-lora"
                " layerdiffuse-flux-vae` gets the files.",
            )

    def _watching(
        self,
        canvas: Canvas,
        progress: ProgressCallback,
        cancel: CancelToken | None,
        preview: Preview | None,
        options: dict[str, Any],
    ) -> dict[str, Any]:
        """diffusers' callback options, around those in ``options``."""
        watcher = StepWatcher(
            progress=progress,
            cancel=cancel,
            preview=preview and (lambda packed: preview(self._unpacked(packed, canvas))),
            then=options.get("callback_on_step_end"),
            then_inputs=options.get("callback_on_step_end_tensor_inputs", ("latents",)),
            span=(0.0, _SAMPLED),
        )
        return {
            "callback_on_step_end": watcher,
            "callback_on_step_end_tensor_inputs": watcher.tensor_inputs,
        }

    def _encoded(self, image: Any, canvas: Canvas, rows: int) -> Tensor:
        """Given pictures as latents at the scale that is sampled, a row for each to be made."""
        rgba = on_canvas(image, canvas)
        latents = scaled(self.vae, encode_rgba(self.vae, self.transparency_encoder, rgba))
        return latents.repeat_interleave(rows // len(latents), dim=0)

    def _sampled(self, options: dict[str, Any], canvas: Canvas) -> Tensor:
        """By diffusers' own loop; (b, 16, h/8, w/8) of the padded canvas."""
        varies = "image" in options
        sampler = sampler_for(self, varies=varies, controlled="control_image" in options)
        sample = super().__call__ if sampler is self else sampler.__call__
        options = {"width": canvas.padded.width, "height": canvas.padded.height, **options}
        if not varies:
            del options["strength"]
        check_options(sample, options)
        packed = sample(**options, output_type="latent", return_dict=False)[0]
        return self._unpacked(packed, canvas)

    def _unpacked(self, packed: Tensor, canvas: Canvas) -> Tensor:
        height, width = canvas.padded.shape
        return self._unpack_latents(packed, height, width, self.vae_scale_factor)

    def _made(
        self,
        latents: Tensor,
        canvas: Canvas,
        augment: Augment,
        output_type: str,
        progress: ProgressCallback,
        cancel: CancelToken | None,
    ) -> LayerStackOutput:
        if output_type == "latent":
            return LayerStackOutput(latents, latents, {"foreground": latents})
        decoded = decode_rgba(
            self.vae,
            self.transparency_decoder,
            unscaled(self.vae, latents),
            augment=augment,
            progress=lambda share: progress(
                Progress("decoding", _SAMPLED + (1 - _SAMPLED) * share)
            ),
            check=(cancel or CancelToken()).check,
        )
        pictures = canvas.crop(decoded)
        images = as_output(pictures, output_type)
        documents = frame_documents({"foreground": pictures}, {})
        return LayerStackOutput(images, latents, {"foreground": images}, documents)


def _canvas(image: Any, width: int | None, height: int | None) -> tuple[Canvas, int]:
    """Of the size asked for, else of the first given picture, else FLUX's own; and how many
    pictures are given."""
    given, own_height, own_width = 0, DEFAULT_SIDE, DEFAULT_SIDE
    if image is not None:
        given, _, own_height, own_width = as_rgba(image).shape
    width = own_width if width is None else width
    return Canvas.of(width, own_height if height is None else height, MULTIPLE), given
