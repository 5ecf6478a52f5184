"""Who may import whom: the directions that keep the folders apart, read from every syntax tree.

Lazy imports inside functions count. The one exemption is the public face,
``layerstudio/__init__.py``, which hands ``decompose`` and ``methods`` out of the pipelines.
"""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "layerstudio": {"layerstudio"},
    "weights": {"weights", "layerstudio.errors", "layerstudio.progress"},
    "pipelines": {"pipelines", "layerstudio", "weights"},
    "ui": {"ui", "pipelines", "layerstudio", "weights"},
    "training": {"training", "layerstudio", "pipelines"},
    "benchmarks": {"benchmarks", "training", "layerstudio", "pipelines", "weights"},
}
MAPPED = ("pipelines", "ui", "weights")
EXEMPT = {ROOT / "layerstudio/__init__.py"}
FILES = sorted(path for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py"))


def imported_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_allowed(module: str, allowed: set[str]) -> bool:
    """By its folder, or by its own name where only single modules of a folder are allowed."""
    single = {name for name in allowed if "." in name}
    own_names = module in single or any(module.startswith(f"{name}.") for name in single)
    return own_names or folder_of(module) in allowed | {None}


def folder_of(module: str) -> str | None:
    """The top-level folder that a module of ours lives in; None for other people's modules."""
    first, _, rest = module.partition(".")
    if first == "layerstudio":
        second = rest.partition(".")[0]
        return second if second in MAPPED else "layerstudio"
    return first if first in MAY_IMPORT else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_obeys_the_directions(path):
    text = path.read_text()
    folder = path.relative_to(ROOT).parts[0]
    modules = set(imported_modules(ast.parse(text)))
    assert not {name for name in modules if name.startswith(".")}, "imports are absolute"
    if path not in EXEMPT:
        assert not {name for name in modules if not is_allowed(name, MAY_IMPORT[folder])}
    assert not modules & set(MAPPED), "mapped folders are imported as layerstudio.<folder>"
    assert len(text.splitlines()) <= 400


def test_the_rules_bite():
    tree = ast.parse(
        "def f():\n    from layerstudio import pipelines\n    import layerstudio.ui.cli"
    )
    assert {folder_of(name) for name in imported_modules(tree)} == {
        "layerstudio",
        "pipelines",
        "ui",
    }


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"torch", "gradio", "cv2", "scipy", "numpy", "PIL", "typer", "rich"}
    code = f"import sys, layerstudio; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_packages_in_pyproject_are_the_folders():
    """Folders of data too: setuptools leaves out what is not listed."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = set()
    for package, folder in tool["package-dir"].items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(".".join((package, *path.parent.relative_to(ROOT / folder).parts)))
    assert set(tool["packages"]) == found
    assert set(tool["package-dir"]) == {"layerstudio", *(f"layerstudio.{name}" for name in MAPPED)}
