"""From an empty machine to a picture: what is missing is named, pulled as named, and loaded."""

import re

import numpy as np
import pytest
from tiny_registry import write_row
from typer.testing import CliRunner

import layerstudio
from layerstudio.errors import MissingWeights
from layerstudio.ui.cli.main import app
from layerstudio.weights import registry

COMMAND = re.compile(r"`layerstudio (models pull [^`]+)`")


@pytest.fixture
def published(hub, tmp_path) -> None:
    """Toys of SD 1.5 and of its LayerDiffuse weights, in the repositories that the rows name."""
    repositories: dict[str, dict[str, bytes]] = {}
    for row in registry.checkpoints():
        if row.family == "sd15":
            folder = write_row(row.id, tmp_path / "toys" / row.repository)
            files = {
                path.relative_to(folder).as_posix(): path.read_bytes()
                for path in folder.rglob("*")
                if path.is_file()
            }
            repositories.setdefault(row.repository, {}).update(files)
    for name, files in repositories.items():
        hub.publish(name, files)


def attempt():
    """The picture, or the commands that the refusal advises."""
    options = {"method": "layerdiffuse-sd15", "mode": "fg", "steps": 1, "augment": 1}
    try:
        return layerstudio.generate("a cup", extent=(64, 64), seed=1, **options), []
    except MissingWeights as error:
        return None, COMMAND.findall(error.advice)


def test_following_the_advice_ends_in_a_picture(published, one_thread):
    document, commands = attempt()
    followed = set()
    while document is None:
        assert commands and not followed.intersection(commands)
        for command in commands:
            done = CliRunner().invoke(app, [*command.split(), "--accept-licence"])
            assert done.exit_code == 0, done.stderr
        followed.update(commands)
        document, commands = attempt()
    assert followed
    assert document.extent == (64, 64)
    assert np.ptp(document.layers[0].pixels) > 0
