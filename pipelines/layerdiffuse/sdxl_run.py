"""One call of the SDXL pipeline, step by step: what goes in, the sampling, what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel
from torch import Tensor

from layerstudio.errors import InvalidRequest, MissingWeights
from layerstudio.models.transparent_vae import decode_rgba, encode_rgba
from layerstudio.pipelines.layerdiffuse.conditions import (
    check_given,
    condition_latents,
    grey_matte,
    on_canvas,
)
from layerstudio.pipelines.layerdiffuse.frames import frame_documents
from layerstudio.pipelines.layerdiffuse.modes import Frame, ModeId, find_mode
from layerstudio.pipelines.layerdiffuse.patch_shelf import PatchShelf, end_after
from layerstudio.pipelines.layerdiffuse.rgba_input import as_rgba
from layerstudio.pipelines.layerdiffuse.sdxl_call import (
    Settings,
    check_latents,
    check_published,
    generators,
    per_picture,
    rows_of,
    spread,
    taken_embeds,
)
from layerstudio.pipelines.layerdiffuse.sdxl_sampling import (
    check_options,
    sample_as_published,
    sampler_for,
    steps_of,
)
from layerstudio.pipelines.output import LayerStackOutput
from layerstudio.pipelines.prompts import PromptEmbeds, Texts, encode_sdxl
from layerstudio.pipelines.steps import (
    Canvas,
    Preview,
    StepWatcher,
    as_output,
    check_finite,
    truncated,
)
from layerstudio.pipelines.vae_steps import decode_rgb, encode_mean, scaled, unscaled
from layerstudio.progress import CancelToken, Progress, ProgressCallback

MULTIPLE = 64  # pixels; the decoder halves six times
_ENCODED, _SAMPLED = 0.05, 0.85  # shares of the whole job
_TEXT_OPTIONS = ("prompt_2", "negative_prompt_2", "clip_skip")
_Watcher = Callable[[Any, int, Any, dict[str, Tensor]], dict[str, Tensor]]


class SDXLRun:
    """The steps of a call, in the order in which they are defined."""

    def __init__(
        self,
        pipeline: Any,
        mode_id: ModeId,
        settings: Settings,
        options: Mapping[str, Any],
        progress: ProgressCallback,
        cancel: CancelToken | None,
        preview: Preview | None,
    ) -> None:
        self._pipeline = pipeline
        self._mode_id: ModeId = mode_id
        self._mode = find_mode(mode_id)
        self._settings = settings
        self._options = dict(options)
        self._progress = progress
        self._cancel = cancel or CancelToken()
        self._watcher = StepWatcher(
            progress=progress,
            cancel=cancel,
            preview=preview,
            then=self._options.pop("callback_on_step_end", None),
            then_inputs=self._options.pop("callback_on_step_end_tensor_inputs", ("latents",)),
            span=(_ENCODED, _SAMPLED),
        )
        self._canvas: Canvas
        self._pictures: dict[str, Tensor] = {}
        self._controls: list[Tensor] = []  # one for each ControlNet

    def take_pictures(
        self, given: Mapping[str, Any], control: Any, width: int | None, height: int | None
    ) -> None:
        """Check that they are the mode's, and bring them to the canvas."""
        conditions = {name: one for name, one in given.items() if name != "image"}
        check_given(conditions, self._mode.conditions, self._mode_id)
        if self._settings.parity:
            extra = {} if control is None else {"control_image": control}
            inputs = self._watcher.tensor_inputs
            check_published(self._mode, {**self._options, **extra}, inputs)
        self._check_networks(encodes=given.get("image") is not None, steered=control is not None)
        present = {name: one for name, one in given.items() if one is not None}
        self._canvas = self._canvas_for(present, width, height)
        mode = self._settings.resize_mode
        self._pictures = {name: on_canvas(one, self._canvas, mode) for name, one in present.items()}
        if control is not None:
            nets = control if self._is_multi else [control]
            self._controls = [on_canvas(one, self._canvas, mode)[:, :3] for one in nets]

    def encode_texts(self, prompt: Texts | None, negative_prompt: Texts | None) -> PromptEmbeds:
        """One row for each picture that will be made."""
        self._cancel.check()
        self._progress(Progress("encoding", 0.0))
        pipeline, settings, options = self._pipeline, self._settings, self._options
        embeds = taken_embeds(options)
        given = None if embeds is None else embeds.positive
        texts = spread(prompt, negative_prompt, [*self._pictures.values(), *self._controls], given)
        guided = settings.guidance > 1 and pipeline.unet.config.time_cond_proj_dim is None
        guided = guided or settings.parity is not None
        taken = {name: options.pop(name, None) for name in _TEXT_OPTIONS}
        if embeds is None:
            embeds = encode_sdxl(
                pipeline,
                texts,
                negative_prompt,
                **taken,
                guided=guided,
                lora_scale=(options.get("cross_attention_kwargs") or {}).get("scale"),
                pooled="unprojected" if settings.parity else "projected",
            )
        elif guided and embeds.negative is None:
            raise InvalidRequest("With guidance, prompt_embeds need negative_prompt_embeds.")
        return per_picture(embeds, settings.images_per_prompt, pipeline._execution_device)

    def encode_image(self, pictures: int) -> Tensor | None:
        """The latents to vary, scaled, one row for each of ``pictures``."""
        image = self._pictures.get("image")
        if image is None:
            return None
        vae = self._pipeline.vae
        if self._mode.transparent:
            image = image.to(self._pipeline._execution_device)
            latents = encode_rgba(vae, self._pipeline.transparency_encoder, image)
        else:
            latents = encode_mean(vae, grey_matte(image))
        return rows_of(scaled(vae, latents), pictures)

    @contextmanager
    def patched(self, pictures: int) -> Iterator[_Watcher]:
        """The mode's weights and condition on the UNet; what is to be called after each step."""
        shelf = PatchShelf.of(self._pipeline.unet)
        patch = shelf.use(self._mode_id) if self._mode.patched else shelf.use(None)
        conditions = [self._pictures[name] for name in self._mode.conditions]
        widened = patch.condition_input if patch else None
        end = end_after(patch, self._settings.ending_step, self._pipeline.scheduler.order)

        def after_step(
            sampler: Any, step: int, timestep: Any, tensors: dict[str, Tensor]
        ) -> dict[str, Tensor]:
            changed = self._watcher(sampler, step, timestep, tensors)
            sampler._interrupt = sampler._interrupt or self._pipeline._interrupt
            if end:
                end(step + 1, sampler.num_timesteps)
            return changed

        try:
            if widened is not None:
                latents = condition_latents(self._pipeline.vae, conditions)
                widened.condition = rows_of(latents, pictures)
            if end:
                end(0, self._expected_steps())
            yield after_step
        finally:
            if widened is not None:
                widened.condition = None

    def sample(self, embeds: PromptEmbeds, start: Tensor | None, watcher: _Watcher) -> Tensor:
        """Scaled latents (b, 4, h, w) of the padded canvas."""
        settings, pipeline = self._settings, self._pipeline
        height, width = self._canvas.padded.shape
        factor = pipeline.vae_scale_factor
        channels = pipeline.unet.config.in_channels
        shape = (len(embeds.positive), channels, height // factor, width // factor)
        check_latents(self._options.get("latents"), shape)
        given = self._options.pop("generator", None)
        self._options["generator"] = generators(settings.seed, given, shape[0])
        if start is not None and self._expected_steps() == 0:
            latents = start
        elif settings.parity:
            latents = self._sampled_as_published(embeds, start, shape, watcher)
        else:
            latents = self._sampled_by_diffusers(embeds, start, watcher)
        check_finite(latents, "latents")
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """(b, 3 or 4, h, w) in [0, 1] of the size asked for; latents where those are wanted."""
        if self._settings.output_type == "latent":
            return latents
        pipeline = self._pipeline
        self._cancel.check()
        if self._mode.transparent:
            decoded = decode_rgba(
                pipeline.vae,
                pipeline.transparency_decoder,
                unscaled(pipeline.vae, latents.float()),
                augment=self._settings.augment,
                progress=lambda share: self._progress(
                    Progress("decoding", _SAMPLED + (1 - _SAMPLED) * share)
                ),
                check=self._cancel.check,
            )
        else:
            decoded = torch.cat([self._decoded_opaque(row) for row in latents.split(1)])
        pictures = self._canvas.crop(decoded)
        return truncated(pictures) if self._settings.parity else pictures

    def output(self, pictures: Tensor, latents: Tensor) -> LayerStackOutput:
        """What the pipeline returns."""
        made = self._mode.makes
        if self._settings.output_type == "latent":
            return LayerStackOutput(latents, latents, {made: latents})
        shown = as_output(pictures, self._settings.output_type)
        given: dict[Frame, Tensor] = {
            name: rows_of(self._canvas.crop(self._pictures[name]), len(pictures))
            for name in self._mode.conditions
        }
        documents = frame_documents({made: pictures}, given)
        return LayerStackOutput(shown, latents, {made: shown}, documents)

    # ----------------------------------------------------------------------------------------

    @property
    def _is_multi(self) -> bool:
        return isinstance(self._pipeline.controlnet, MultiControlNetModel)

    def _check_networks(self, *, encodes: bool, steered: bool) -> None:
        """Before minutes are spent on sampling; raises ``MissingWeights``, ``InvalidRequest``."""
        if steered and self._pipeline.controlnet is None:
            raise InvalidRequest(
                "A control_image needs a ControlNet.", advice="Load the pipeline with controlnet=."
            )
        wanted = {
            "encoder": self._mode.transparent and encodes,
            "decoder": self._mode.transparent and self._settings.output_type != "latent",
        }
        for name, needed in wanted.items():
            if needed and getattr(self._pipeline, f"transparency_{name}") is None:
                raise MissingWeights(
                    f"The transparency {name} for SDXL is not loaded.",
                    advice=f"Call load_layerdiffuse with {name}=; `layerstudio models pull"
                    f" layerdiffuse-sdxl-{name}` gets the file.",
                )

    def _canvas_for(
        self, present: Mapping[str, Any], width: int | None, height: int | None
    ) -> Canvas:
        """Of the size asked for, else of the first picture, else what the UNet is made for."""
        side = self._pipeline.default_sample_size * self._pipeline.vae_scale_factor
        default = (side, side)
        if present and (width is None or height is None):
            default = as_rgba(next(iter(present.values()))).shape[:-3:-1]
        sides = (default[0] if width is None else width, default[1] if height is None else height)
        return Canvas.of(*sides, MULTIPLE)

    def _expected_steps(self) -> int:
        if "image" not in self._pictures:
            return self._settings.steps
        if self._settings.parity:  # the script takes all its steps for any strength
            return self._settings.steps if self._settings.strength > 0 else 0
        return steps_of(self._settings.steps, self._settings.strength)

    def _sampled_by_diffusers(
        self, embeds: PromptEmbeds, start: Tensor | None, watcher: _Watcher
    ) -> Tensor:
        varies, controlled = start is not None, bool(self._controls)
        sampler = sampler_for(self._pipeline, varies=varies, controlled=controlled)
        arguments = {
            **self._options,
            **embeds.as_arguments(),
            "num_inference_steps": self._settings.steps,
            "guidance_scale": self._settings.guidance,
            "callback_on_step_end": watcher,
            "callback_on_step_end_tensor_inputs": self._watcher.tensor_inputs,
        }
        if varies:
            arguments |= {"image": start, "strength": self._settings.strength}
        if controlled:
            rows = [rows_of(one, len(embeds.positive)) for one in self._controls]
            arguments["control_image" if varies else "image"] = rows if self._is_multi else rows[0]
        if controlled or not varies:
            height, width = self._canvas.padded.shape
            arguments |= {"height": height, "width": width}
        check_options(sampler.__call__, arguments)
        return sampler(**arguments, output_type="latent", return_dict=False)[0]

    def _sampled_as_published(
        self, embeds: PromptEmbeds, start: Tensor | None, shape: tuple[int, ...], watcher: _Watcher
    ) -> Tensor:
        pipeline = self._pipeline

        def after_step(latents: Tensor, done: int, steps: int) -> Tensor:
            pipeline._num_timesteps = steps
            return watcher(pipeline, done - 1, None, {"latents": latents})["latents"]

        return sample_as_published(
            pipeline.unet,
            embeds,
            shape,
            start=start,
            strength=self._settings.strength,
            steps=self._settings.steps,
            guidance=self._settings.guidance,
            generator=self._options.get("generator"),
            attention=self._options.get("cross_attention_kwargs"),
            after_step=after_step,
        )

    def _decoded_opaque(self, row: Tensor) -> Tensor:
        self._cancel.check()
        picture = decode_rgb(self._pipeline.vae, row)
        check_finite(picture, "decoded picture")
        return picture
