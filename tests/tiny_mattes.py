"""BiRefNet and LaMa at toy width, and their files as they are published."""

import io
import warnings
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from seeded import seeded_state
from torch import nn

from layerstudio.models.birefnet import BiRefNet
from layerstudio.models.lama import Lama, LamaSize
from layerstudio.models.swin import SwinSize

TINY_SWIN = SwinSize(width=8, depths=(2, 2, 2, 2), heads=(1, 2, 2, 4), window=3)
TINY_LAMA = LamaSize(width=8, halvings=3, blocks=2, near=16)
_STEERING = (".offset_conv.", ".modulator_conv.")


def tiny_birefnet() -> BiRefNet:
    network = BiRefNet(TINY_SWIN)
    shapes = {key: tensor.shape for key, tensor in network.state_dict().items()}
    state = {
        key: tensor * (0.3 if any(mark in key for mark in _STEERING) else 1)
        for key, tensor in seeded_state(shapes, 81).items()
        if not key.endswith("relative_position_index")
    }
    network.load_state_dict(state, strict=False)
    return network.eval().requires_grad_(False)


def tiny_lama() -> Lama:
    network = Lama(TINY_LAMA)
    shapes = {key: tensor.shape for key, tensor in network.state_dict().items()}
    network.load_state_dict(seeded_state(shapes, 71, 1.2))
    return network.eval().requires_grad_(False)


class Trained(nn.Module):
    """What LaMa's trainer wraps the generator in, before it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Module()
        self.model.generator = tiny_lama()

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        made = self.model.generator(image, mask)
        return mask * made + (1 - mask) * image


class Options:
    """Stands for the objects of its own that a trainer saves beside the weights."""

    def __init__(self) -> None:
        self.values = {"lr": 1e-3, "generator.model.1": "not a tensor"}


def write_birefnet(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tiny_birefnet().state_dict(), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text('{"architectures": ["BiRefNet"]}')
    return folder


def write_torchscript(path: Path) -> Path:
    example = (torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch would have us write newer formats
        torch.jit.save(torch.jit.trace(Trained(), example, check_trace=False), str(path))
    return path


def trainer_checkpoint() -> bytes:
    state = {f"generator.{key}": tensor for key, tensor in tiny_lama().state_dict().items()}
    state["discriminator.model0.0.weight"] = torch.ones(2, 2)
    saved = io.BytesIO()
    torch.save({"state_dict": state, "callbacks": {Options: Options()}, "epoch": 3}, saved)
    return saved.getvalue()


def write_big_lama(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "big-lama.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big-lama/config.yaml", "model: {}\n")
        archive.writestr("big-lama/models/best.ckpt", trainer_checkpoint())
    return folder
