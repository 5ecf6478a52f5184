"""Pictures to layers: diffusers' ``QwenImageLayeredPipeline`` with what it gets wrong put right.

Batches keep their layers apart, layers are decoded as memory allows, text is encoded once, and the
parts can be loaded one after the other. For one picture the result is that of diffusers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.qwenimage.pipeline_qwenimage_layered import (
    QwenImageLayeredPipeline,
    retrieve_timesteps,
)
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from layerstudio.geometry import Extent
from layerstudio.models.memory import released
from layerstudio.pipelines.output import LayerStackOutput
from layerstudio.pipelines.qwen_layered.checking import (
    Pictures,
    Texts,
    check_call,
    check_generators,
    listed,
    one_for_each,
    shared_bucket,
)
from layerstudio.pipelines.qwen_layered.decoding import decode_layers, statistics
from layerstudio.pipelines.qwen_layered.documents import document_of
from layerstudio.pipelines.qwen_layered.guidance import Guided, shapes_of, watched_blocks
from layerstudio.pipelines.qwen_layered.published import (
    GUIDANCE,
    RECOMMENDED_SIDE,
    STEPS,
    TEXT_TOKENS,
)
from layerstudio.pipelines.qwen_layered.words import Words, caption, encoded
from layerstudio.pipelines.steps import StepWatcher, as_output
from layerstudio.progress import CancelToken

Generators = torch.Generator | list[torch.Generator] | None
Callback = Callable[..., dict[str, Any]]


class LayeredPipeline(QwenImageLayeredPipeline):
    """The published components; all but the scheduler may be None while they are not needed: the
    transformer and autoencoder while text is encoded, the text encoder after it.

    ``decode_at_once`` layers are decoded in one batch; None takes as many as free memory holds.
    """

    _optional_components = ["vae", "text_encoder", "tokenizer", "processor", "transformer"]  # noqa: RUF012
    decode_at_once: int | None = None

    @torch.no_grad()
    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        image: Pictures,
        prompt: Texts = None,
        negative_prompt: str | None = None,
        true_cfg_scale: float = GUIDANCE,
        layers: int = 4,
        num_inference_steps: int = STEPS,
        sigmas: Sequence[float] | None = None,
        num_images_per_prompt: int = 1,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        prompt_embeds_mask: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        negative_prompt_embeds_mask: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        attention_kwargs: dict[str, Any] | None = None,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        max_sequence_length: int = TEXT_TOKENS,
        resolution: int = RECOMMENDED_SIDE,
        cfg_normalize: bool = False,
        use_en_prompt: bool = False,
        cancel: CancelToken | None = None,
    ) -> LayerStackOutput | tuple[Any, ...]:
        """``images[k]`` are the layers of picture k at the working size, bottom to top: PIL images,
        or an array (n, h, w, 4) or tensor (n, 4, h, w) in [0, 1]. Arguments are diffusers' own.

        Pictures of a batch have the same proportions; arrays and tensors of them are in [0, 1]. An
        empty ``prompt`` is written by the text encoder. ``negative_prompt`` is shared; without it,
        or with a ``true_cfg_scale`` of at most 1, nothing is guided. ``layers`` are 1 to 20.
        ``resolution`` is the side of a square of the working area; trained were 640 and 1024.
        Raises ``InvalidRequest``, ``NumericalFailure`` and ``Cancelled``.
        """
        cancel = cancel or CancelToken()
        check_call(self, layers, num_inference_steps, resolution, output_type, max_sequence_length)
        given = Words.given(prompt_embeds, prompt_embeds_mask)
        unwanted = Words.given(negative_prompt_embeds, negative_prompt_embeds_mask)
        pictures, prompts = one_for_each(listed(image), prompt, given)
        pictures, working = self._resized(pictures, resolution)
        asked = negative_prompt if unwanted is None and true_cfg_scale > 1 else None
        positive, negative = self._texts(
            pictures, prompts, given, asked, max_sequence_length, use_en_prompt, cancel
        )
        positive = positive.repeated(num_images_per_prompt)
        negative = (negative or unwanted) if true_cfg_scale > 1 else None
        negative = negative and negative.repeated(num_images_per_prompt)
        condition = self._condition(pictures, positive.embeds.dtype, num_images_per_prompt)
        noise = self._noise(working, layers, condition, generator, latents)
        shapes = shapes_of(len(noise), layers, self._grid(working))
        prediction = Guided(
            self.transformer, condition, shapes, positive, negative, true_cfg_scale, cfg_normalize,
            attention_kwargs or {}, cancel.check,
        )  # fmt: skip
        timesteps = self._schedule(num_inference_steps, sigmas, condition.shape[1])
        then = {"then": callback_on_step_end, "then_inputs": callback_on_step_end_tensor_inputs}
        watcher = StepWatcher(cancel=cancel, **then)
        try:
            tokens = self._denoised(prediction, noise, timesteps, watcher)
            output = self._output(tokens, working, layers, output_type, cancel)
        finally:
            self.maybe_free_model_hooks()
        return output if return_dict else (output.images,)

    def _resized(
        self, pictures: Sequence[Image.Image], resolution: int
    ) -> tuple[list[Image.Image], Extent]:
        """All of them at the working size that they share."""
        working = shared_bucket(pictures, resolution)
        resized: Any = [self.image_processor.resize(one, *working.shape) for one in pictures]
        return resized, working

    def _grid(self, working: Extent) -> tuple[int, int]:
        """Rows and columns of tokens."""
        side = 2 * self.vae_scale_factor
        return working.height // side, working.width // side

    def _texts(
        self,
        pictures: Sequence[Image.Image],
        prompts: Sequence[str],
        given: Words | None,
        negative_prompt: str | None,
        length: int,
        english: bool,
        cancel: CancelToken,
    ) -> tuple[Words, Words | None]:
        """What was not given encoded, and captions written for empty prompts; afterwards a GPU is
        rid of the text encoder."""
        if given and negative_prompt is None:
            return given, None

        def row(picture: Image.Image, prompt: str) -> Tensor:
            cancel.check()
            if not prompt.strip():
                prompt = caption(self, picture, english=english, watch=lambda _: cancel.check())
            return encoded(self, prompt, length)

        with released(self.text_encoder, device=self._execution_device):
            positive = given or Words.of([*map(row, pictures, prompts)])
            if negative_prompt is None:
                return positive, None
            negative = encoded(self, negative_prompt, length)
            return positive, Words.of([negative] * len(pictures))

    def _condition(self, pictures: Sequence[Image.Image], dtype: torch.dtype, times: int) -> Tensor:
        """(b, n, 64): each picture's own latents as tokens, ``times`` times in a row."""
        rows = []
        for picture in pictures:
            frame = self.image_processor.preprocess(picture).unsqueeze(2)
            frame = frame.to(self._execution_device, self.vae.dtype)
            mean, deviation = statistics(self.vae, frame)
            latents = (self.vae.encode(frame).latent_dist.mode() - mean) / deviation
            height, width = latents.shape[-2:]
            rows.append(
                self._pack_latents(latents.movedim(2, 1), 1, latents.shape[1], height, width, 1)
            )
        return torch.cat(rows).to(dtype).repeat_interleave(times, 0)

    def _noise(
        self,
        working: Extent,
        layers: int,
        condition: Tensor,
        generator: Generators,
        latents: Tensor | None,
    ) -> Tensor:
        """(b, n, 64): drawn per picture where there is a generator for each."""
        like = {"device": condition.device, "dtype": condition.dtype}
        if latents is not None:
            return latents.to(**like)
        batch, channels = len(condition), condition.shape[2] // 4
        if isinstance(generator, list):
            check_generators(generator, batch)
        height, width = (2 * side for side in self._grid(working))
        shape = (batch, layers + 1, channels, height, width)
        drawn = randn_tensor(shape, generator=generator, **like)
        return self._pack_latents(drawn, batch, channels, height, width, layers + 1)

    def _schedule(self, steps: int, sigmas: Sequence[float] | None, tokens: int) -> Tensor:
        """Timesteps, shifted by the condition's tokens: mu is the root of n / 256, as published."""
        levels: Any = np.linspace(1.0, 0, steps + 1)[:-1] if sigmas is None else sigmas
        timesteps: Any
        timesteps, _ = retrieve_timesteps(
            self.scheduler, device=self._execution_device, sigmas=levels, mu=(tokens / 256) ** 0.5
        )
        self._num_timesteps = len(timesteps)
        self.scheduler.set_begin_index(0)
        return timesteps

    def _denoised(
        self, prediction: Guided, latents: Tensor, timesteps: Tensor, watcher: StepWatcher
    ) -> Tensor:
        self._interrupt = False
        progress_bar: Any = self.progress_bar
        with (
            progress_bar(total=len(timesteps)) as bar,
            watched_blocks(self.transformer, prediction.check),
        ):
            for step, timestep in enumerate(timesteps):
                if self.interrupt:
                    break
                self._current_timestep = timestep
                velocity = prediction.velocity(latents, timestep)
                following = self.scheduler.step(velocity, timestep, latents, return_dict=False)[0]
                words = prediction.positive
                tensors = {"latents": following.to(latents.dtype), "prompt_embeds": words.embeds}
                changed = watcher(self, step, timestep, tensors)
                latents = changed["latents"]
                prediction.positive = Words(changed["prompt_embeds"], words.mask)
                bar.update()
        self._current_timestep = None
        return latents

    def _output(
        self, tokens: Tensor, working: Extent, layers: int, output_type: str, cancel: CancelToken
    ) -> LayerStackOutput:
        """Frame 0, the picture put together again, is left out before anything is decoded."""
        if output_type == "latent":
            return LayerStackOutput(images=tokens, latents=tokens)
        frames = self._unpack_latents(tokens, *working.shape, layers, self.vae_scale_factor)
        images, documents = [], []
        for own in frames[:, :, 1:].movedim(2, 1).unsqueeze(3):
            decoded = decode_layers(self.vae, own, at_once=self.decode_at_once, check=cancel.check)
            images.append(as_output(decoded, output_type))
            documents.append(document_of(decoded))
        return LayerStackOutput(images=images, latents=tokens, documents=documents)
