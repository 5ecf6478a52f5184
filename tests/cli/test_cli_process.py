"""The installed command as the shell starts it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("layerstudio")
pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="layerstudio is not installed")


def run(*arguments, **options):
    return subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options
    )


def test_help_answers_at_once():
    """The target is 0.4 s on an idle machine. Processor time, as a busy one makes all wait."""
    times = []
    for _ in range(3):
        start = os.times()
        assert run("--help").returncode == 0
        end = os.times()
        user, system = end.children_user, end.children_system
        times.append(user - start.children_user + system - start.children_system)
    assert 0 < min(times) < 0.6, times


def test_help_loads_no_array_library():
    code = "import sys, layerstudio.ui.cli.main; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "cv2", "PIL", "scipy", "torch", "gradio"} & set(done.stdout.split())


def test_a_bad_file_is_one_sentence_on_stderr(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    done = run("decompose", path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_names_with_control_characters(tmp_path):
    from PIL import Image

    path = tmp_path / "a\x1b[31m\nb.png"
    Image.new("RGB", (9, 7)).save(path)
    done = run("decompose", path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert (tmp_path / "a_[31m_b.psd").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to write to")
def test_results_that_cannot_be_printed_do_not_end_in_a_traceback():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [COMMAND, "methods", "--json"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="needs root to mount")
def test_a_reader_that_has_enough_is_no_fault():
    """As in ``layerstudio methods | head``."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [COMMAND, "methods", "--json"], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    from PIL import Image

    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk])
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        noise = Image.effect_noise((300, 200), 80).convert("RGB")
        noise.save(tmp_path / "noise.png")
        done = run("decompose", tmp_path / "noise.png", "-o", disk / "noise.psd")
        assert done.returncode == 2
        assert "No space left" in done.stderr
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)
