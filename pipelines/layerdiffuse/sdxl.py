"""LayerDiffuse on SDXL: transparent pictures, and the layers that belong to given ones.

The method is Zhang and Agrawala's (arXiv:2402.17113). Modes and conditions are those of
layerdiffusion/sd-forge-layerdiffuse, ``parity="cli"`` is lllyasviel/LayerDiffuse_DiffusersCLI.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import (
    StableDiffusionXLPipeline,
)
from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers
from diffusers.utils.torch_utils import get_module_execution_device
from torch import nn
from transformers import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionModelWithProjection,
)

from layerstudio.errors import MissingWeights
from layerstudio.models.checkpoints import State, as_state
from layerstudio.models.transparent_passes import Augment
from layerstudio.models.transparent_vae import TransparencyDecoder, TransparencyEncoder
from layerstudio.models.weight_patch import patches_off
from layerstudio.pipelines.layerdiffuse.modes import ModeId, find_mode
from layerstudio.pipelines.layerdiffuse.patch_shelf import PatchShelf, PatchSource
from layerstudio.pipelines.layerdiffuse.sdxl_call import Settings
from layerstudio.pipelines.layerdiffuse.sdxl_run import SDXLRun
from layerstudio.pipelines.output import LayerStackOutput
from layerstudio.pipelines.prompts import Texts
from layerstudio.pipelines.resizing import ResizeMode
from layerstudio.pipelines.steps import Preview
from layerstudio.progress import CancelToken, ProgressCallback, ignore_progress


class LayerDiffuseSDXLPipeline(StableDiffusionXLPipeline):
    """``StableDiffusionXLPipeline`` that makes layers.

    Besides diffusers' components it has ``transparency_encoder`` (image to image),
    ``transparency_decoder``, and ``controlnet`` for the call's ``control_image``. LoRAs, textual
    inversion, schedulers, IP-Adapters and offloading are diffusers' own. There is no watermark:
    it would take the pictures for opaque ones.
    """

    model_cpu_offload_seq = (
        "text_encoder->text_encoder_2->image_encoder->transparency_encoder->unet->vae"
        "->transparency_decoder"
    )
    _optional_components = [  # noqa: RUF012 (diffusers' own way)
        *StableDiffusionXLPipeline._optional_components,
        "transparency_encoder",
        "transparency_decoder",
        "controlnet",
    ]

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        text_encoder_2: CLIPTextModelWithProjection,
        tokenizer: CLIPTokenizer,
        tokenizer_2: CLIPTokenizer,
        unet: UNet2DConditionModel,
        scheduler: KarrasDiffusionSchedulers,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        transparency_encoder: TransparencyEncoder | None = None,
        transparency_decoder: TransparencyDecoder | None = None,
        controlnet: ControlNetModel
        | MultiControlNetModel
        | list[ControlNetModel]
        | tuple[ControlNetModel]
        | None = None,
        force_zeros_for_empty_prompt: bool = True,
    ) -> None:
        super().__init__(
            vae,
            text_encoder,
            text_encoder_2,
            tokenizer,
            tokenizer_2,
            unet,
            scheduler,
            cast(Any, image_encoder),  # diffusers' own defaults are None too
            cast(Any, feature_extractor),
            force_zeros_for_empty_prompt,
            add_watermarker=False,
        )
        if isinstance(controlnet, list | tuple):
            controlnet = MultiControlNetModel(controlnet)
        self.register_modules(
            transparency_encoder=transparency_encoder,
            transparency_decoder=transparency_decoder,
            controlnet=controlnet,
        )
        self._interrupt = False

    # ------------------------------------------------------------------------------- weights

    def load_layerdiffuse(
        self,
        weights: PatchSource,
        mode: ModeId = "transparent",
        *,
        decoder: State | Path | str | None = None,
        encoder: State | Path | str | None = None,
        strength: float = 1.0,
    ) -> None:
        """Load one of the published files for SDXL, in any of their layouts.

        ``mode`` says which file it is: "transparent" (``layer_xl_transparent_attn`` or ``_conv``,
        ``ld_diffusers_sdxl_attn``), "fg2ble", "bg2ble", "fgble2bg" or "bgble2fg". One of each mode
        may be loaded; calls switch to the one they need. ``decoder`` and ``encoder`` are
        ``vae_transparent_decoder`` and ``_encoder``, unless the pipeline has them.

        Raises ``InvalidRequest`` for an unknown mode, ``UnreadableFile``, and
        ``MismatchedWeights`` for a file of another network; the pipeline is unchanged then.
        """
        networks: dict[str, Any] = {}
        if decoder is not None:
            networks["transparency_decoder"] = TransparencyDecoder.from_published(
                as_state(decoder), family="sdxl"
            )
        if encoder is not None:
            networks["transparency_encoder"] = TransparencyEncoder.from_published(
                as_state(encoder), family="sdxl"
            )
        PatchShelf.of(self.unet).load(weights, mode, strength)
        self._add(networks)

    def _add(self, networks: Mapping[str, nn.Module]) -> None:
        """As components, beside the VAE and in its precision; offloaded if that is."""
        is_away = self.vae.device.type == "meta"
        home = self._execution_device if is_away else self.vae.device
        for network in networks.values():
            # Not ModelMixin's own, which warns of an empty list of layers to keep in float32.
            nn.Module.to(network, home, self.vae.dtype)
        self.register_modules(**networks)
        self.maybe_free_model_hooks()  # sets the offloading up again, with the new ones

    def set_layerdiffuse_strength(self, strength: float, mode: ModeId | None = None) -> None:
        """How much of the weights of one mode, or of all: 1 as published, 0 none."""
        PatchShelf.of(self.unet).set_strength(strength, mode)

    def unload_layerdiffuse(self, mode: ModeId | None = None) -> None:
        """Take the weights of one mode off the UNet, or all and the other networks with them.

        The UNet's weights are the base's again, bit for bit.
        """
        PatchShelf.of(self.unet).unload(mode)
        if mode is None:
            self.register_modules(transparency_decoder=None, transparency_encoder=None)

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """Diffusers' folder with the base's own UNet, and the transparency networks beside it.

        LayerDiffuse's weights are not merged into what is written, or loading them again would
        add them twice; they stay in their own small files.
        """
        with patches_off(self.unet):
            super().save_pretrained(save_directory, *args, **kwargs)

    # ------------------------------------------------------------------------------- the call

    @torch.no_grad()
    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        prompt: Texts | None = None,
        *,
        mode: ModeId | None = None,
        image: Any = None,
        foreground: Any = None,
        background: Any = None,
        blended: Any = None,
        control_image: Any = None,
        strength: float = 0.7,
        ending_step: float | None = None,
        resize_mode: ResizeMode = "crop",
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 20,
        guidance_scale: float = 5.0,
        negative_prompt: Texts | None = None,
        num_images_per_prompt: int = 1,
        seed: int | None = None,
        augment: Augment = 8,
        parity: str | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        progress: ProgressCallback = ignore_progress,
        cancel: CancelToken | None = None,
        preview: Preview | None = None,
        **options: Any,
    ) -> LayerStackOutput | tuple[Any, ...]:
        """Pictures from text, of the mode whose weights were loaded last unless ``mode`` is given.

        ``foreground``, ``background`` and ``blended`` are the pictures that the mode starts from,
        ``image`` one to vary by ``strength`` (published: 0.7): anything that ``as_rgba`` takes,
        one for all prompts or one for each, brought to the size by ``resize_mode``. Sizes may be
        any from 16 to 8192 pixels, by default that of the pictures: the networks see the next
        multiple of 64, and the rest is cut off. After ``ending_step`` of the steps (default: the
        mode's) the base model goes on alone. Picture k of a call is that of ``seed + k``.
        ``augment`` is the number of decoding passes, 8, 4, 2 or 1. ``parity="cli"`` samples and
        rounds as the published script does.

        ``options`` are diffusers' own, by name: ``generator`` (one, or one for each picture),
        ``prompt_2``, ``prompt_embeds``, ``latents``, ``clip_skip``, ``guidance_rescale``,
        ``ip_adapter_image``, ``cross_attention_kwargs``, ``callback_on_step_end``, ``timesteps``,
        ``controlnet_conditioning_scale`` and so on. Callbacks are given the pipeline of
        diffusers' that samples.

        Raises ``InvalidRequest``, ``MissingWeights`` where LayerDiffuse's files are not loaded,
        ``NumericalFailure`` and ``Cancelled``.
        """
        mode_id = mode or self._mode_loaded_last()
        default_end = find_mode(mode_id).ending_step
        settings = Settings(
            steps=num_inference_steps,
            guidance=guidance_scale,
            strength=strength,
            ending_step=default_end if ending_step is None else ending_step,
            images_per_prompt=num_images_per_prompt,
            augment=augment,
            resize_mode=resize_mode,
            parity=parity,
            output_type=output_type,
            seed=seed,
        )
        given = {"foreground": foreground, "background": background, "blended": blended}
        run = SDXLRun(self, mode_id, settings, options, progress, cancel, preview)
        run.take_pictures({"image": image, **given}, control_image, width, height)
        self._interrupt = False
        try:
            embeds = run.encode_texts(prompt, negative_prompt)
            start = run.encode_image(len(embeds.positive))
            with run.patched(len(embeds.positive)) as watcher:
                latents = run.sample(embeds, start, watcher)
            pictures = run.decode(latents)
        finally:
            self.maybe_free_model_hooks()
        made = run.output(pictures, latents)
        return made if return_dict else made.to_tuple()

    @property
    def _execution_device(self) -> torch.device:
        """Where the UNet computes; other networks may be away while they have nothing to do."""
        return get_module_execution_device(self.unet)

    def _mode_loaded_last(self) -> ModeId:
        modes = PatchShelf.of(self.unet).modes
        if not modes:
            raise MissingWeights(
                "LayerDiffuse's weights for SDXL are not loaded.",
                advice="Call load_layerdiffuse; `layerstudio models pull"
                " layerdiffuse-sdxl-attn` gets the file of the mode 'transparent'.",
            )
        return modes[-1]
