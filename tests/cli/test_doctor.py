"""What doctor says on machines with and without a GPU, PyTorch and xformers."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from layerstudio.machine import GIB, Gpu
from layerstudio.ui.cli import doctor as doctor_module
from layerstudio.ui.cli import fitting
from layerstudio.ui.cli.main import app

CARD = Gpu("NVIDIA Test", 16 * GIB, 15 * GIB, (8, 6))


def report(*options: str) -> dict[str, dict[str, str]]:
    done = CliRunner().invoke(app, ["doctor", "--json", *options])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def pretend(monkeypatch):
    """A machine with these GPUs and packages, and 64 GiB."""

    def set_up(cards: tuple[Gpu, ...], **versions: str | None) -> None:
        names = {name.replace("_", "-"): version for name, version in versions.items()}

        def version_of(name: str) -> str | None:
            return names.get(name, "1.0")

        for module in (doctor_module, fitting):
            monkeypatch.setattr(module, "gpus", lambda: cards)
            monkeypatch.setattr(module, "installed_version", version_of)
            monkeypatch.setattr(module, "free_memory", lambda: 64 * GIB)

    return set_up


def test_a_machine_with_a_gpu_and_xformers(pretend):
    pretend((CARD,), torch="2.15.0+cu132", xformers="0.0.35", flash_attn=None)
    found = report()
    assert found["machine"]["gpu"] == "NVIDIA Test, 15.0 of 16.0 GiB free"
    assert found["attention"]["chosen"].startswith("xformers: ")
    fits = found["what fits on cuda"]
    assert fits["layerdiffuse-sdxl, 1024 px"].startswith("float16, no offloading; about ")
    assert "offload sequential" in fits["layerdiffuse-flux, 1024 px"]
    assert not any(key.startswith("flat") for key in fits)


def test_pytorch_without_cuda_leaves_the_gpu_alone(pretend):
    pretend((CARD,), torch="2.15.0+cpu", xformers="0.0.35")
    found = report()
    assert "not used" in found["machine"]["gpu"]
    assert found["attention"]["chosen"].startswith("sdpa: ")
    assert "without a GPU" in found["attention"]["xformers"]
    assert found["what fits on cpu"]["layerdiffuse-sd15, 512 px"].startswith("float32; about ")


def test_without_pytorch_it_says_what_to_install(pretend):
    pretend((), torch=None, diffusers=None)
    found = report()
    assert "layerstudio[models]" in found["attention"]["chosen"]
    assert "layerstudio[models]" in found["methods"]["layerdiffuse-sdxl"]
    assert found["methods"]["flat"] == "ready"


def test_what_does_not_fit_says_what_would(pretend, monkeypatch):
    pretend(())
    monkeypatch.setattr(fitting, "free_memory", lambda: 8 * GIB)
    line = report()["what fits on cpu"]["layerdiffuse-sdxl, 1024 px"]
    assert line.startswith("does not fit. ")
    assert "SD 1.5" in line


def test_disk_of_a_folder_that_is_not_there_yet(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor_module, "weights_place", lambda: tmp_path / "not" / "made")
    line = report()["machine"]["disk free for weights"]
    assert line.endswith(f"GiB in {tmp_path / 'not' / 'made'}")


def test_asked_deeply_it_is_what_pytorch_says():
    found = report("--deep")
    assert found["attention"]["chosen"].split(":")[0] in ("sdpa", "xformers")
    assert found["attention"]["sdpa"] == "available"


def test_it_answers_without_loading_pytorch():
    code = (
        "import sys\nfrom typer.testing import CliRunner\n"
        "from layerstudio.ui.cli.main import app\n"
        "assert CliRunner().invoke(app, ['doctor']).exit_code == 0\n"
        "print(*sorted({'torch', 'diffusers', 'xformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
