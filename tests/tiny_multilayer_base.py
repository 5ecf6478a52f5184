"""A toy of the folder that multi-layer methods take as their base, saved as users' are."""

from pathlib import Path

import pytest
from tiny_checkpoints import seeded
from tiny_multilayer import art_transformer, shared_config

from layerstudio.models.multilayer_adapter import MultiLayerAdapter
from layerstudio.models.multilayer_decoder import MultiLayerDecoder
from layerstudio.pipelines.multilayer.pipeline import MultiLayerPipeline


def write_multilayer_base(folder: Path, flux: Path, *, with_adapter: bool = True) -> Path:
    """FLUX's parts of the folder ``flux``, the three networks of layers with random weights."""
    small = shared_config() | {"num_layers": 1, "num_single_layers": 1}
    adapter = seeded(MultiLayerAdapter(**small), 3, 0.7) if with_adapter else None
    made = MultiLayerPipeline.from_pretrained(
        flux,
        transformer=art_transformer(),
        decoder=seeded(MultiLayerDecoder(64, 2), 2, 0.7),
        adapter=adapter,
    )
    made.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def multilayer_base(tiny_flux: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_multilayer_base(tmp_path_factory.mktemp("multilayer") / "base", tiny_flux)
