"""Networks written tensor by tensor are what safetensors and diffusers read."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from layerstudio.errors import UnreadableFile
from layerstudio.models.tensor_folder import TensorFolder
from layerstudio.models.tensor_writer import size_of, write_network

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
SHAPES = st.dictionaries(
    st.text('abc.weight_é"', min_size=1, max_size=12),
    st.lists(st.integers(0, 5), max_size=4).map(tuple),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(SHAPES, st.sampled_from(DTYPES), st.integers(1, 400))
def test_any_network_comes_back(tmp_path_factory, shapes, dtype, limit):
    folder = tmp_path_factory.mktemp("network")
    state = {key: torch.randn(shape, dtype=torch.float64) for key, shape in shapes.items()}
    counted = []
    write_network(folder, shapes, dtype, state.__getitem__, counted.append, limit)
    assert sum(counted) == size_of(shapes, dtype)
    files = {path.name: load_file(path) for path in folder.glob("*.safetensors")}
    found = TensorFolder(folder)
    assert found.keys() == state.keys()
    for key, value in state.items():
        (holder,) = [name for name, tensors in files.items() if key in tensors]
        assert torch.equal(files[holder][key], value.to(dtype))
        assert torch.equal(found[key], value.to(dtype)) and found.shapes[key] == value.shape
    for tensors in files.values():
        sizes = [value.numel() * dtype.itemsize for value in tensors.values()]
        assert sum(sizes) <= limit or len([size for size in sizes if size]) == 1


def test_an_index_that_promises_too_much(tmp_path):
    (tmp_path / "diffusion_pytorch_model.safetensors.index.json").write_text("[]")
    with pytest.raises(UnreadableFile, match="not a configuration"):
        TensorFolder(tmp_path)
    index = {"weight_map": {"a": "gone.safetensors"}}
    (tmp_path / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UnreadableFile, match=r"gone\.safetensors"):
        TensorFolder(tmp_path)
    with pytest.raises(UnreadableFile, match="should hold one network"):
        TensorFolder(tmp_path / "nowhere")
