"""The page at ``/``: Gradio's, with one component that our front end fills, and its endpoints.

Gradio gives the page, its queue, the description of the endpoints and the client library; the
editor is ``ui/web/static``. Nothing on the page comes from another host.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from layerstudio.ui.web.login import auth_dependency

if TYPE_CHECKING:
    from pathlib import Path

    import gradio as gr
    from fastapi import FastAPI

    from layerstudio.ui.web.options import WebOptions

# Read by Gradio when it is imported: no reports of use, no look for a newest version.
_QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
_OLD_S = 3600  # seconds after which Gradio's copies of what went in and out may go

# Relative addresses: a proxy may serve the page below a prefix.
_HEAD = """
<meta name="description" content="See the layers of a picture, edit them, take them away.">
<link rel="icon" href="studio/static/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="studio/static/studio.css">
<script type="module" src="studio/static/boot.js"></script>
"""
# Gradio's frame around the component: no padding, no width of its own, no scroll bars.
_CSS = """
body:not(:has(.api-docs)) { overflow: hidden; }
#studio { position: fixed; inset: 0; z-index: 1; min-width: 0 !important; }
footer:not(.ls-status) { display: none; }
body:has(.api-docs) #studio { display: none; }
"""


def mount(app: FastAPI, options: WebOptions) -> None:
    """Put the page and Gradio's routes below ``/`` of ``app``, which has its state already."""
    os.environ.update(_QUIET)
    cache = app.state.sessions.root / "gradio"
    cache.mkdir(mode=0o700, exist_ok=True)
    os.environ["GRADIO_TEMP_DIR"] = str(cache)
    import gradio as gr

    gr.mount_gradio_app(
        app,
        _blocks(app, options, cache),
        path="/",
        server_name=options.host,
        server_port=options.port,
        auth_dependency=auth_dependency(options),
        footer_links=["api"],  # hidden by the style, and needed for the page at ?view=api
        run_history=False,
        enable_monitoring=False,
        show_error=False,  # sentences of ours are shown all the same; what Gradio says has paths
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size=options.max_upload_bytes,
        css=_CSS,
        head=_HEAD,
    )


def _blocks(app: FastAPI, options: WebOptions, cache: Path) -> gr.Blocks:
    import gradio as gr

    from layerstudio.ui.web import endpoints

    with gr.Blocks(
        title="LayerStudio", analytics_enabled=False, fill_width=True, delete_cache=(600, _OLD_S)
    ) as blocks:
        # A bare element, which main.js looks for. Gradio's HTML component would compile its content
        # as code, for which the page's policy would have to allow eval().
        gr.Column(elem_id="studio")
        endpoints.add(app, options, cache)
    blocks.queue(default_concurrency_limit=8, max_size=64)
    return blocks
