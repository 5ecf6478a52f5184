"""Text and boxes, or a picture and boxes, to documents of layers.

ART (Pu et al. 2025, arXiv:2502.18364) and CLD (arXiv:2511.16249), on one transformer; defaults are
those of their published code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from diffusers.loaders.lora_pipeline import FluxLoraLoaderMixin
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5Tokenizer

from layerstudio.composite import composite_pixels
from layerstudio.document import Document
from layerstudio.errors import InvalidRequest
from layerstudio.generate_request import MAX_STEPS
from layerstudio.geometry import Bounds
from layerstudio.models.memory import released
from layerstudio.models.multilayer_adapter import DEFAULT_SCALE, MultiLayerAdapter
from layerstudio.models.multilayer_decoder import MultiLayerDecoder
from layerstudio.models.multilayer_dit import MultiLayerTransformer
from layerstudio.models.regions import Regions, patchify
from layerstudio.pipelines.multilayer.boxes import MULTIPLE, regions_of
from layerstudio.pipelines.multilayer.decoding import FIRST_FOREGROUND, Colour, decode_layers
from layerstudio.pipelines.multilayer.documents import document_of
from layerstudio.pipelines.multilayer.encoding import encode_text, given_tokens, picture_condition
from layerstudio.pipelines.multilayer.guidance import Guidance
from layerstudio.pipelines.multilayer.published import STEPS
from layerstudio.pipelines.multilayer.sampling import Order, Sampler, Text
from layerstudio.pipelines.multilayer.schedule import noise_levels
from layerstudio.pipelines.output import LayerStackOutput
from layerstudio.pipelines.steps import (
    Canvas,
    StepWatcher,
    as_output,
    check_output_type,
    to_tensor,
)
from layerstudio.progress import CancelToken, Progress, ProgressCallback, ignore_progress

_LATENT_CHANNELS = 16
_SAMPLED = 0.85  # share of the whole job

Generators = torch.Generator | Sequence[torch.Generator] | None
Boxes = Sequence[Bounds | None]
Given = Mapping[int, Tensor]


class MultiLayerPipeline(DiffusionPipeline, FluxLoraLoaderMixin):
    """FLUX's encoders and VAE, the multi-layer transformer and its transparency decoder.

    ``adapter`` is CLD's, for pictures. LoRAs load as for FLUX.
    """

    model_cpu_offload_seq = "text_encoder->text_encoder_2->adapter->transformer->vae->decoder"
    _optional_components = ["adapter"]  # noqa: RUF012 (diffusers' own way)
    _lora_loadable_modules = ["transformer"]  # noqa: RUF012
    components_in_float32 = ("decoder",)  # as published; it is small

    def __init__(
        self,
        scheduler: FlowMatchEulerDiscreteScheduler,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        text_encoder_2: T5EncoderModel,
        tokenizer_2: T5Tokenizer,
        transformer: MultiLayerTransformer,
        decoder: MultiLayerDecoder,
        adapter: MultiLayerAdapter | None = None,
    ) -> None:
        """Typed in full because ``from_pipe`` passes on only what has the type said here."""
        super().__init__()
        self.register_modules(
            scheduler=scheduler,
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            text_encoder_2=text_encoder_2,
            tokenizer_2=tokenizer_2,
            transformer=transformer,
            decoder=decoder,
            adapter=adapter,
        )

    @torch.no_grad()
    def __call__(
        self,
        prompts: Sequence[str],
        boxes: Sequence[Boxes],
        *,
        width: int = 1024,
        height: int = 1024,
        layer_prompts: Sequence[Mapping[int, str]] = (),
        images: Sequence[Tensor] = (),
        given: Sequence[Given] = (),
        guidance: Guidance | None = None,
        adapter_scale: float = DEFAULT_SCALE,
        num_inference_steps: int = STEPS,
        generators: Generators = None,
        colour: Colour = "decoder",
        max_sequence_length: int = 512,
        output_type: str = "pil",
        progress: ProgressCallback = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> LayerStackOutput:
        """A document for each of ``prompts``, all sampled as one sequence.

        ``boxes`` are each document's foregrounds, bottom to top, at most 50; composite and
        background are added. ``layer_prompts`` and ``given`` count layers as the network does: 0
        the composite, 1 the background, 2 the first foreground. ``given`` are layers that stay,
        whole canvases (1, 4, height, width) of straight RGBA in [0, 1]; ``images``, of the same
        form, are pictures to take apart, with an adapter. Any size from 16 to 8192 pixels.
        ``output_type="latent"`` leaves out the decoding.

        Raises ``InvalidRequest``, ``NumericalFailure`` and ``Cancelled``.
        """
        check_output_type(output_type)
        canvas = Canvas.of(width, height, MULTIPLE)
        cancel = cancel or CancelToken()
        regions = [regions_of(item, canvas, self._most_layers) for item in boxes]
        self._check(prompts, regions, layer_prompts, images, given, num_inference_steps)
        orders, empty = self._orders(prompts, layer_prompts, regions, max_sequence_length)
        orders = self._with_pictures(orders, images, given, canvas)
        cancel.check()
        counts = [item.count for item in regions]
        levels = noise_levels(self.scheduler, num_inference_steps, counts)
        adapter = self.adapter if images else None
        sampler = Sampler(
            self.transformer, orders, empty, levels, guidance or Guidance(),
            adapter=adapter, adapter_scale=adapter_scale,
        )  # fmt: skip
        watcher = StepWatcher(progress=progress, cancel=cancel, span=(0.0, _SAMPLED))
        try:
            tokens = sampler.run(self._noise(regions, generators), watcher.report)
            if output_type == "latent":
                return LayerStackOutput(images=tokens, latents=tokens)
            documents = self._decoded(tokens, regions, canvas, colour, progress, cancel)
        finally:
            self.maybe_free_model_hooks()
        return _output(documents, tokens, output_type)

    @property
    def _most_layers(self) -> int:
        return self.transformer.config["max_layer_num"] - FIRST_FOREGROUND

    def _check(
        self,
        prompts: Sequence[str],
        regions: Sequence[Regions],
        layer_prompts: Sequence[Mapping[int, str]],
        images: Sequence[Tensor],
        given: Sequence[Given],
        steps: int,
    ) -> None:
        """Before anything is computed: one of each for every prompt, or none."""
        if not 1 <= steps <= MAX_STEPS:
            raise InvalidRequest(f"The number of steps must be 1 to {MAX_STEPS:,}, not {steps}.")
        if not prompts:
            raise InvalidRequest("There is no prompt.", advice="Give one for each document.")
        parts = {"lists of boxes": regions, "sets of layer prompts": layer_prompts}
        parts |= {"pictures": images, "sets of given layers": given}
        for name, part in parts.items():
            if len(part) not in ((len(prompts),) if part is regions else (0, len(prompts))):
                raise InvalidRequest(f"{len(prompts)} prompts with {len(part)} {name}.")
        if images and self.adapter is None:
            raise InvalidRequest(
                "Taking a picture apart needs CLD's adapter.", advice="Load the pipeline with it."
            )
        for own in (*zip(regions, layer_prompts, strict=False), *zip(regions, given, strict=False)):
            _check_layers(*own)

    def _orders(
        self,
        prompts: Sequence[str],
        layer_prompts: Sequence[Mapping[int, str]],
        regions: Sequence[Regions],
        length: int,
    ) -> tuple[list[Order], Text]:
        """What is to be sampled by text alone, and the empty prompt."""
        captions = layer_prompts or [{}] * len(prompts)
        encoders = (self.text_encoder, self.text_encoder_2)
        with released(*encoders, device=self._execution_device):
            orders = [
                Order(
                    item,
                    encode_text(self, prompt, length),
                    {layer: encode_text(self, text, length) for layer, text in own.items()},
                )
                for item, prompt, own in zip(regions, prompts, captions, strict=True)
            ]
            return orders, encode_text(self, "", length)

    def _with_pictures(
        self, orders: list[Order], images: Sequence[Tensor], given: Sequence[Given], canvas: Canvas
    ) -> list[Order]:
        like = {"device": self._execution_device, "dtype": self.transformer.dtype}
        for k, image in enumerate(images):
            condition = picture_condition(self.vae, canvas.pad(image), orders[k].regions)
            orders[k] = replace(orders[k], condition=condition.to(**like))
        for k, layers in enumerate(given):
            padded = ((number, canvas.pad(picture)) for number, picture in layers.items())
            tokens, kept = given_tokens(self.vae, padded, orders[k].regions)
            orders[k] = replace(orders[k], given=tokens.to(**like), kept=kept)
        return orders

    def _noise(self, regions: Sequence[Regions], generators: Generators) -> Tensor:
        """(1, n, 64): drawn for whole canvases, as published, so that a box that grows keeps what
        it had."""
        if generators is None or isinstance(generators, torch.Generator):
            drawn_by = [generators] * len(regions)
        else:
            drawn_by = list(generators)
        if len(drawn_by) != len(regions):
            raise InvalidRequest(f"{len(drawn_by)} generators for {len(regions)} documents.")
        parts = []
        for item, generator in zip(regions, drawn_by, strict=True):
            height, width = (2 * side for side in item.grid.shape)
            shape = (len(item.boxes), _LATENT_CHANNELS, height, width)
            device = "cpu" if generator is None else generator.device
            canvas = torch.randn(shape, generator=generator, device=device)
            parts.append(item.gather(patchify(canvas)))
        return torch.cat(parts)[None].to(self._execution_device, self.transformer.dtype)

    def _decoded(
        self,
        tokens: Tensor,
        regions: Sequence[Regions],
        canvas: Canvas,
        colour: Colour,
        progress: ProgressCallback,
        cancel: CancelToken,
    ) -> list[Document]:
        documents = []
        parts = tokens[0].split([item.count for item in regions])
        for k, (own, item) in enumerate(zip(parts, regions, strict=True)):
            layers = decode_layers(
                self.vae, self.decoder, own, item, colour=colour, check=cancel.check
            )
            documents.append(document_of(layers, canvas))
            share = (k + 1) / len(regions)
            progress(Progress("decoding", _SAMPLED + (1 - _SAMPLED) * share))
        return documents


def _check_layers(regions: Regions, layers: Iterable[int]) -> None:
    for layer in layers:
        if not 0 <= layer < len(regions.boxes) or regions.boxes[layer] is None:
            raise InvalidRequest(
                f"There is no layer {layer} to prompt or to keep.",
                advice="0 is the composite, 1 the background, 2 the first box.",
            )


def _output(documents: list[Document], tokens: Tensor, output_type: str) -> LayerStackOutput:
    """``images`` are the documents put together."""
    pictures = torch.cat([to_tensor(composite_pixels(document)) for document in documents])
    images = as_output(pictures, output_type)
    return LayerStackOutput(images=images, latents=tokens, documents=documents)
