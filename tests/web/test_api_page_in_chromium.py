"""The endpoints' description in a browser: shown at its address, and left for the studio."""

import pytest
from served_studio import served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_the_description_of_the_endpoints_opens_and_closes(chromium):
    with served() as studio:
        page = chromium.new_page()
        hosts = set()
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.goto(f"{studio.address}?view=api")
        description = page.locator(".api-docs")
        description.get_by_text("/decompose").first.wait_for(timeout=30_000)
        for name in ("/generate", "/export"):
            assert description.get_by_text(name).count() > 0
        description.get_by_role("button").last.wait_for()
        page.keyboard.press("Escape")
        page.locator(".api-docs .backdrop").click(position={"x": 5, "y": 5}, force=True)
        page.locator("#studio[data-ready=true]").wait_for(timeout=30_000)
        assert hosts == {studio.address.split("/")[2]}
        page.close()
