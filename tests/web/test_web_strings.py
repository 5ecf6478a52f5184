"""The page's texts: complete in three languages, and each of them used."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from layerstudio.pipelines.methods import cards
from layerstudio.ui.web import samples
from layerstudio.ui.web.commands import COMMANDS
from layerstudio.ui.web.exports import format_views

WEB = Path(samples.__file__).resolve().parent
STATIC = WEB / "static"
# The forms that a language has for counted things (Unicode CLDR, cardinal).
FORMS = {"en": {"one", "other"}, "zh": {"other"}, "ja": {"other"}}
TRANSLATED = ("zh", "ja")
# Texts of the server: English is its own, so only the other languages have strings for them.
CATALOGUE = "catalogue."
_NAME = re.compile(r"\{(\w+)\}")
_KEY = r"[a-z]\w*(?:\.[\w+-]+)+"


@cache
def strings(language: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (f"{language}.json", f"editor.{language}.json"):
        found.update(json.loads((STATIC / "strings" / name).read_text(encoding="utf-8")))
    return found


def base(key: str) -> str:
    """``job.count`` of ``job.count.one``."""
    return re.sub(r"\.(zero|one|two|few|many|other)$", "", key)


def own(language: str) -> set[str]:
    return {base(key) for key in strings(language) if not key.startswith(CATALOGUE)}


@cache
def scripts() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(STATIC.rglob("*.js")))


def patterns() -> list[re.Pattern[str]]:
    """The keys that are put together in the scripts, such as ``mode.${value}``."""
    templates = re.findall(r"\bt\(\s*`([^`]+)`", scripts())
    parts = [re.split(r"\$\{[^}]*\}", template) for template in templates]
    return [re.compile(r"[\w +-]+".join(map(re.escape, part))) for part in parts]


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_language_has_the_same_keys(language: str) -> None:
    assert own(language) == own("en")


@pytest.mark.parametrize("language", FORMS)
def test_counted_texts_have_the_forms_of_their_language(language: str) -> None:
    counted = set(re.findall(r'\bt\(\s*"([^"]+)",\s*\{[^}]*\bcount\b', scripts()))
    forms: dict[str, set[str]] = {}
    for key in strings(language):
        if base(key) != key:
            forms.setdefault(base(key), set()).add(key.rsplit(".", 1)[1])
    assert {key for key, found in forms.items() if found != FORMS[language]} == set()
    assert counted - set(forms) == set()


@pytest.mark.parametrize("language", TRANSLATED)
def test_texts_fill_in_the_same_names(language: str) -> None:
    english: dict[str, set[str]] = {}
    for key, text in strings("en").items():
        english.setdefault(base(key), set()).update(_NAME.findall(text))
    wrong = {
        key: text
        for key, text in strings(language).items()
        if not key.startswith(CATALOGUE) and set(_NAME.findall(text)) != english[base(key)]
    }
    assert wrong == {}


@pytest.mark.parametrize("language", FORMS)
def test_no_text_is_empty_or_padded(language: str) -> None:
    assert [
        key for key, text in strings(language).items() if text.strip() != text or not text
    ] == []


def test_every_key_in_the_scripts_exists() -> None:
    named = set(re.findall(rf'\bt\(\s*"({_KEY})"', scripts()))
    listed = set(re.findall(rf'\b(?:label|section): "({_KEY})"', scripts()))
    assert (named | listed) - own("en") == set()


def test_every_pattern_in_the_scripts_finds_a_key() -> None:
    known = own("en") | {key for key in strings("zh") if key.startswith(CATALOGUE)}
    idle = [one.pattern for one in patterns() if not any(map(one.fullmatch, known))]
    assert idle == []


def test_every_text_is_used() -> None:
    literal = set(re.findall(rf"[\"'`]({_KEY})[\"'`]", scripts()))
    unused = {
        key
        for key in own("en") - literal
        if not any(pattern.fullmatch(key) for pattern in patterns())
    }
    kinds = {command.label.key for command in COMMANDS.values()}
    assert unused - labels_of_the_server() - kinds == set()


def test_what_the_history_shows_has_a_text() -> None:
    assert labels_of_the_server() - own("en") == set()


def labels_of_the_server() -> set[str]:
    """The keys that entries of the history come with."""
    sources = "".join(path.read_text(encoding="utf-8") for path in WEB.rglob("*.py"))
    keys = set(re.findall(r'label_key="([^"]+)"', sources))
    for command in COMMANDS.values():
        keys |= {label.key for label in (command.labels or {}).values()} or {command.label.key}
    return keys


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_servers_texts_are_translated(language: str) -> None:
    """Methods, their settings, formats and samples; nothing is left of those that went."""
    wanted = {f"sample.{sample.id}" for sample in samples.SAMPLES}
    for card in cards():
        wanted |= {f"{card.id}.title", f"{card.id}.summary"}
        for setting in card.settings:
            wanted |= {f"{card.id}.{setting.name}", f"setting.{setting.name}"}
    for view in format_views():
        wanted |= {f"format.{view['id']}.{key}" for key in ("title", "summary")}
        wanted |= {f"format.{view['id']}.loses.{index}" for index, _ in enumerate(view["loses"])}
    found = {
        key.removeprefix(CATALOGUE)
        for key in strings(language)
        if key.startswith(CATALOGUE) and not key.startswith(f"{CATALOGUE}stage.")
    }
    assert found == wanted


def test_stages_are_translated_alike() -> None:
    stages = [
        {key for key in strings(language) if key.startswith(f"{CATALOGUE}stage.")}
        for language in TRANSLATED
    ]
    assert stages[0] == stages[1]
