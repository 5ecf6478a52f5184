"""LayerDiffuse on SD 1.5: foreground, background and their blend, denoised together.

The method is Zhang and Agrawala's (arXiv:2402.17113); weights, order of frames and defaults are
those of layerdiffusion/sd-forge-layerdiffuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import (
    StableDiffusionPipeline,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers
from torch import Tensor, nn
from transformers import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionModelWithProjection,
)

from layerstudio.errors import InvalidRequest, MissingWeights
from layerstudio.geometry import Extent
from layerstudio.models.attention_sharing import AttentionSharing
from layerstudio.models.checkpoints import State, as_state
from layerstudio.models.frame_weights import merged_values
from layerstudio.models.shared_attention import sharing_attention
from layerstudio.models.sizes import CONDITION_VALUES
from layerstudio.models.transparent_vae import (
    Augment,
    TransparencyDecoder,
    TransparencyEncoder,
)
from layerstudio.pipelines.layerdiffuse.conditions import check_given
from layerstudio.pipelines.layerdiffuse.frame_rows import (
    check_latents,
    frame_generators,
    lora_scale_of,
    row_embeds,
)
from layerstudio.pipelines.layerdiffuse.frames import decode_frames, stack_output
from layerstudio.pipelines.layerdiffuse.rgba_input import as_rgba
from layerstudio.pipelines.layerdiffuse.sd15_sampling import (
    check_options,
    control_rows,
    control_sampler,
    control_signals,
    given_pictures,
)
from layerstudio.pipelines.layerdiffuse.sharing_modes import (
    Frame,
    SharingMode,
    SharingModeId,
    find_sharing_mode,
    texts_by_frame,
)
from layerstudio.pipelines.output import LayerStackOutput
from layerstudio.pipelines.prompts import Texts
from layerstudio.pipelines.steps import (
    Canvas,
    Preview,
    StepWatcher,
    check_finite,
    check_output_type,
)
from layerstudio.progress import CancelToken, ProgressCallback, ignore_progress

MULTIPLE = 64  # pixels; the decoder and the control encoder halve six times
_SAMPLED = 0.85  # share of the whole job


class LayerDiffuseSD15Pipeline(StableDiffusionPipeline):
    """``StableDiffusionPipeline`` that returns layers: transparent foregrounds, what is behind.

    Besides diffusers' components it has ``transparency_decoder``, ``transparency_encoder``
    (published with it, for ``encode_rgba``; sampling does without) and, for the call's
    ``control_image``, ``controlnet``. LoRAs, textual inversion, schedulers, IP-Adapters and
    offloading are diffusers' own: between calls the UNet is exactly what it is without
    LayerDiffuse.
    """

    model_cpu_offload_seq = "text_encoder->image_encoder->unet->vae->transparency_decoder"
    _optional_components = [  # noqa: RUF012 (diffusers' own way)
        *StableDiffusionPipeline._optional_components,
        "transparency_encoder",
        "transparency_decoder",
        "controlnet",
    ]

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        unet: UNet2DConditionModel,
        scheduler: KarrasDiffusionSchedulers,
        safety_checker: StableDiffusionSafetyChecker | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        transparency_encoder: TransparencyEncoder | None = None,
        transparency_decoder: TransparencyDecoder | None = None,
        controlnet: ControlNetModel
        | list[ControlNetModel]
        | tuple[ControlNetModel]
        | MultiControlNetModel
        | None = None,
        requires_safety_checker: bool = True,
    ) -> None:
        """Typed in full because ``from_pipe`` passes on only what has the type said here."""
        optional: dict[str, Any] = {
            "safety_checker": safety_checker,
            "feature_extractor": feature_extractor,
            "image_encoder": image_encoder,
        }
        super().__init__(
            vae,
            text_encoder,
            tokenizer,
            unet,
            scheduler,
            **optional,
            requires_safety_checker=requires_safety_checker,
        )
        if isinstance(controlnet, list | tuple):
            controlnet = MultiControlNetModel(controlnet)
        self.register_modules(
            transparency_encoder=transparency_encoder,
            transparency_decoder=transparency_decoder,
            controlnet=controlnet,
        )
        self._sharing: AttentionSharing | None = None
        self._mode: SharingMode | None = None
        self._mode_id = ""
        self._strength = 1.0

    def load_layerdiffuse(
        self,
        weights: State | Path | str,
        mode: SharingModeId,
        *,
        decoder: State | Path | str | None = None,
        strength: float = 1.0,
    ) -> None:
        """Load one of the published files for SD 1.5, and the transparency decoder with it.

        ``mode`` says which file it is: "fg" (``layer_sd15_transparent_attn``), "joint", "fg2bg" or
        "bg2fg". It replaces what was loaded before and stays in main memory; each call merges it.
        ``decoder`` is ``layer_sd15_vae_transparent_decoder``, unless the pipeline has one.

        Raises ``InvalidRequest`` for an unknown mode, ``UnreadableFile`` and
        ``MismatchedWeights``; the pipeline is unchanged then.
        """
        found = find_sharing_mode(mode)
        sharing = AttentionSharing.from_published(
            as_state(weights),
            self.unet,
            frames=len(found.makes),
            has_condition=found.given is not None,
        )
        if decoder is not None:
            network = TransparencyDecoder.from_published(as_state(decoder), family="sd15")
            # Not ModelMixin's own, which warns of an empty list of layers to keep in fp32.
            offloaded = self.vae.device.type == "meta"
            home = self._execution_device if offloaded else self.vae.device
            nn.Module.to(network, home, self.vae.dtype)
            self.register_modules(transparency_decoder=network.eval())
            self.maybe_free_model_hooks()  # an offloaded pipeline takes the new network in
        self._sharing, self._mode, self._mode_id = sharing, found, mode
        self.set_layerdiffuse_strength(strength)

    def set_layerdiffuse_strength(self, strength: float) -> None:
        """How much of LayerDiffuse's change of the UNet: 1 as published, 0 none."""
        self._strength = strength

    def sampling_values(self, extent: Extent) -> int:
        """How many values a call makes for its sampling and keeps until that ends.

        They are the merged weights, and the maps of a condition of ``extent`` pixels.
        """
        if self._sharing is None:
            return 0
        merged = merged_values(self._sharing, self.unet)
        if self._sharing.kwargs_encoder is None:
            return merged
        latents = extent.pixel_count // self.vae_scale_factor**2
        return merged + self._sharing.frames * latents * CONDITION_VALUES

    def unload_layerdiffuse(self) -> None:
        """Forget the weights of ``load_layerdiffuse``; the base was never changed."""
        self._sharing, self._mode = None, None
        self.register_modules(transparency_decoder=None)

    @torch.no_grad()
    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        prompt: Texts | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 20,
        *,
        foreground_prompt: Texts | None = None,
        background_prompt: Texts | None = None,
        blended_prompt: Texts | None = None,
        foreground: Any = None,
        background: Any = None,
        control_image: Any = None,
        guidance_scale: float = 7.0,
        negative_prompt: Texts | None = None,
        num_images_per_prompt: int = 1,
        augment: Augment = 8,
        output_type: str = "pil",
        return_dict: bool = True,
        progress: ProgressCallback = ignore_progress,
        cancel: CancelToken | None = None,
        preview: Preview | None = None,
        **options: Any,
    ) -> LayerStackOutput | tuple[Any, ...]:
        """Layers from text, and around a picture that is given.

        ``prompt`` is what every frame shows that has no prompt of its own; each may be a list with
        one for each picture. ``foreground`` (mode "fg2bg") or ``background`` ("bg2fg") is what
        the rest is made for: anything that ``as_rgba`` takes, one picture or one for each; its size
        is the default. Sizes may be any from 16 to 8192 pixels: the networks see the next multiple
        of 64, and the rest is cut off. ``control_image`` (or a list, for a list of ControlNets) is
        scaled to the picture. ``augment`` is the number of decoding passes, 8, 4, 2 or 1.

        ``options`` are diffusers' own, by name: ``generator`` (one, or one for each picture),
        ``prompt_embeds`` and ``latents`` (a row for each frame, frames fastest), ``clip_skip``,
        ``ip_adapter_image``, ``cross_attention_kwargs``, ``callback_on_step_end``, ``timesteps``,
        ``controlnet_conditioning_scale`` and so on. The latents of callbacks and ``preview`` are
        rows of frames too.

        Raises ``InvalidRequest``, ``MissingWeights`` where LayerDiffuse's files are not loaded,
        ``NumericalFailure`` and ``Cancelled``.
        """
        check_output_type(output_type)
        sharing, mode = self._loaded(augment, output_type)
        own: dict[Frame, Texts | None] = {
            "foreground": foreground_prompt,
            "background": background_prompt,
            "blended": blended_prompt,
        }
        texts = texts_by_frame(mode, own, prompt)
        sources = {"foreground": foreground, "background": background}
        check_given(sources, [mode.given] if mode.given else [], self._mode_id)
        canvas = self._canvas(width, height, sources.get(mode.given or ""))
        options |= {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale}
        options |= _watching(progress, cancel, preview, options)
        try:
            options |= row_embeds(self, texts, negative_prompt, num_images_per_prompt, options)
            count = len(options["prompt_embeds"]) // sharing.frames
            given: dict[Frame, Tensor] = {}
            if mode.given:
                given[mode.given] = given_pictures(sources[mode.given], count, canvas)
            if control_image is not None:
                options["image"] = control_rows(
                    self.controlnet, control_image, canvas, count, sharing.frames
                )
            latents = self._sampled(sharing, canvas, count, given, options)
            frames = decode_frames(
                self, mode.makes, latents, canvas, output_type, augment,
                progress=progress, cancel=cancel, start=_SAMPLED,
            )  # fmt: skip
        finally:
            self.maybe_free_model_hooks()
        made = stack_output(frames, latents, given, canvas, output_type)
        return made if return_dict else made.to_tuple()

    def _loaded(self, augment: int, output_type: str) -> tuple[AttentionSharing, SharingMode]:
        """Raises ``MissingWeights`` for what the call needs, and for an impossible ``augment``."""
        if self._sharing is None or self._mode is None:
            raise MissingWeights(
                "LayerDiffuse's weights for SD 1.5 are not loaded.",
                advice="Call load_layerdiffuse; `layerstudio models pull layerdiffuse-sd15-attn`"
                " gets the file of mode “fg”.",
            )
        decodes = self._mode.is_transparent and output_type != "latent"
        if decodes and self.transparency_decoder is None:
            raise MissingWeights(
                "The transparency decoder for SD 1.5 is not loaded.",
                advice="Call load_layerdiffuse with decoder=; `layerstudio models pull"
                " layerdiffuse-sd15-decoder` gets the file.",
            )
        if augment not in (1, 2, 4, 8):
            raise InvalidRequest(f"The decoder runs 1, 2, 4 or 8 passes, not {augment!r}.")
        return self._sharing, self._mode

    def _canvas(self, width: int | None, height: int | None, start: Any) -> Canvas:
        """Of the size asked for, else of the picture to build on, else the UNet's own."""
        side = self.unet.config.sample_size * self.vae_scale_factor
        default = (side, side) if start is None else as_rgba(start).shape[:-3:-1]
        return Canvas.of(
            default[0] if width is None else width,
            default[1] if height is None else height,
            MULTIPLE,
        )

    def _sampled(
        self,
        sharing: AttentionSharing,
        canvas: Canvas,
        count: int,
        given: Mapping[Frame, Tensor],
        options: dict[str, Any],
    ) -> Tensor:
        """By diffusers' own loop: (count * frames, 4, h/8, w/8) of the padded canvas."""
        height, width = canvas.padded.shape
        factor = self.vae_scale_factor
        rows = (count * sharing.frames, 4, height // factor, width // factor)
        check_latents(options.get("latents"), rows)
        generators = frame_generators(options.get("generator"), count, sharing.frames)
        options = {**options, "height": height, "width": width, "generator": generators}
        sample = super().__call__ if "image" not in options else control_sampler(self)
        check_options(sample, options)
        device = self._execution_device
        signals = None
        for pictures in given.values():
            signals = control_signals(sharing, pictures, device)
        with sharing_attention(
            self.unet,
            sharing,
            strength=self._strength,
            signals=signals,
            device=device,
            lora_scale=lora_scale_of(options),
        ):
            latents = sample(**options, output_type="latent", return_dict=False)[0]
        check_finite(latents, "latents")
        return latents


def _watching(
    progress: ProgressCallback,
    cancel: CancelToken | None,
    preview: Preview | None,
    options: dict[str, Any],
) -> dict[str, Any]:
    """diffusers' callback options, around those in ``options``."""
    watcher = StepWatcher(
        progress=progress,
        cancel=cancel,
        preview=preview,
        then=options.get("callback_on_step_end"),
        then_inputs=options.get("callback_on_step_end_tensor_inputs", ("latents",)),
        span=(0.0, _SAMPLED),
    )
    return {
        "callback_on_step_end": watcher,
        "callback_on_step_end_tensor_inputs": watcher.tensor_inputs,
    }
