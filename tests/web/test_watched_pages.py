"""What fails a test of a page: errors on the console, uncaught errors, requests to other hosts."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize(
    ("script", "pattern"),
    [
        ("console.error('a sentence')", "console: a sentence"),
        ("setTimeout(() => { throw new Error('uncaught here'); })", "uncaught here"),
        ("Promise.reject(new Error('never awaited'))", "never awaited"),
        ("new Image().src = 'http://fonts.example/x.png'", "another host: http://fonts.example/"),
    ],
)
def test_a_page_that_misbehaves_is_noted(pages, script: str, pattern: str) -> None:
    page = pages.open()
    page.set_content("<p>one</p>")
    page.evaluate(f"() => {{ {script} }}")
    page.wait_for_timeout(300)
    pages.expected = ["nothing of the kind"]
    assert any(pattern in note for note in pages.troubles()), pages.troubles()
    pages.expected = [pattern, "ERR_BLOCKED_BY_CLIENT"]


def test_a_page_that_behaves_is_not(pages) -> None:
    page = pages.open()
    page.set_content("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><script>1</script>")
    page.evaluate("() => console.warn('a remark')")
    assert pages.troubles() == []
