"""LaMa's weights out of TorchScript, a trainer's checkpoint and a zip; nothing of them is run."""

import contextlib
import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from tiny_mattes import tiny_lama, trainer_checkpoint, write_big_lama, write_torchscript

from layerstudio.errors import UnreadableFile
from layerstudio.models.lama_weights import lama_from_file, lama_state
from layerstudio.models.torch_archive import archived_tensors

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("lama")
    (folder / "best.ckpt").write_bytes(trainer_checkpoint())
    torch.save(tiny_lama().state_dict(), folder / "plain.pth")
    save_file(tiny_lama().state_dict(), folder / "lama.safetensors")
    return {
        "torchscript": write_torchscript(folder / "big-lama.pt"),
        "trainer": folder / "best.ckpt",
        "zip": write_big_lama(folder) / "big-lama.zip",
        "plain": folder / "plain.pth",
        "safetensors": folder / "lama.safetensors",
    }


@pytest.mark.parametrize("form", ["torchscript", "trainer", "zip", "plain", "safetensors"])
def test_every_published_form_is_the_same_network(form, files):
    found = lama_from_file(files[form]).state_dict()
    expected = tiny_lama().state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_only_the_generator_is_read(files):
    assert not any("discriminator" in key for key in lama_state(files["trainer"]))


class _Harmful:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def test_code_in_a_file_is_not_run(tmp_path):
    marker = tmp_path / "run"
    path = tmp_path / "bad.ckpt"
    torch.save({"state_dict": {"generator.model.1.x": torch.ones(2)}, "a": _Harmful(marker)}, path)
    with zipfile.ZipFile(path) as archive:
        data = next(archive.read(name) for name in archive.namelist() if "data.pkl" in name)
    assert b"touch" in data  # it is there, and nothing comes of it
    assert lama_state(path).keys() == {"state_dict.generator.model.1.x"}
    assert not marker.exists()


def archive_of(pickled: bytes, storage: bytes = b"\0" * 16, **options) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/data/0", storage)
    return buffer


def pickled_tensor(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
    """What torch.save writes for {"model.w": a float32 tensor in storage 0}."""

    class Storage:
        pass

    class Tensor:
        def __reduce__(self):
            rest = (offset, size, stride, False, {})
            return torch._utils._rebuild_tensor_v2, (Storage(), *rest)

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            if isinstance(obj, Storage):
                return ("storage", torch.FloatStorage, "0", "cpu", 4)
            return None

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump({"model.w": Tensor()})
    return buffer.getvalue()


def test_strides_and_offsets_are_kept():
    storage = torch.arange(4.0).numpy().tobytes()
    found = archived_tensors(archive_of(pickled_tensor((2, 1), (1, 2), 1), storage), "x")
    assert torch.equal(found["model.w"], torch.tensor([[1.0], [2.0]]))


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(archive_of(pickled_tensor((5,), (1,))), id="beyond its storage"),
        pytest.param(archive_of(pickled_tensor((2,), (1,), -1)), id="before its storage"),
        pytest.param(archive_of(pickled_tensor((1,), (1,)), b"123"), id="half a number"),
        pytest.param(
            archive_of(pickled_tensor((4,), (1,)), compression=zipfile.ZIP_DEFLATED),
            id="compressed",
        ),
        pytest.param(archive_of(b"\x80\x02}r\xff\xff\xff\x7f."), id="a memo of 2^31"),
        pytest.param(archive_of(b"\x80\x02"), id="no end"),
        pytest.param(io.BytesIO(b"PK\x03\x04" + b"\0" * 50), id="no zip file"),
    ],
)
def test_damaged_and_hostile_archives_are_refused(source):
    with pytest.raises(UnreadableFile, match="damaged"):
        archived_tensors(source, "it")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_changed_byte_never_shows_as_anything_but_unreadable(data):
    whole = bytearray(archive_of(pickled_tensor((2, 2), (2, 1))).getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UnreadableFile):
        archived_tensors(io.BytesIO(bytes(whole)), "it")


def test_files_without_a_generator_say_so(tmp_path):
    other = tmp_path / "other.pt"
    torch.save({"weight": torch.ones(3)}, other)
    with pytest.raises(UnreadableFile, match="no weights of LaMa"):
        lama_state(other)
    empty = tmp_path / "a.zip"
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(UnreadableFile, match=r"no best\.ckpt"):
        lama_state(empty)
    (tmp_path / "b.zip").write_bytes(b"not a zip")
    with pytest.raises(UnreadableFile, match="not a zip file"):
        lama_state(tmp_path / "b.zip")
    with pytest.raises(UnreadableFile, match="does not exist"):
        lama_state(tmp_path / "none.pt")
