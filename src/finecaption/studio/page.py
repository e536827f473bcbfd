"""The page: one Gradio component that holds the studio's own markup and starts its script."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"
FILES = "/studio-files"

CSP = (
    "default-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "worker-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""Nothing is fetched from, or sent to, any other host; Gradio's scripts need 'unsafe-eval'."""

HEAD = (
    f'<link rel="stylesheet" href="{FILES}/studio.css">'
    f'<link rel="modulepreload" href="{FILES}/main.js">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
)
_START = f"import('{FILES}/main.js').then((studio) => studio.start(element));"


def make_blocks() -> Any:
    """The Gradio app, without analytics and with the system's own fonts."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when Gradio is imported
    import gradio

    with gradio.Blocks(title="FineCaption Studio", analytics_enabled=False) as blocks:
        gradio.HTML(
            value=(STATIC / "studio.html").read_text("utf-8"),
            js_on_load=_START,
            apply_default_css=False,
            elem_id="studio-host",
        )
    return blocks


def theme() -> Any:
    """System fonts: Gradio's own theme asks Google for one."""
    import gradio

    fonts = ["system-ui", "sans-serif"]
    return gradio.themes.Base(font=fonts, font_mono=["ui-monospace", "monospace"])


__all__ = ["CSP", "FILES", "HEAD", "STATIC", "make_blocks", "theme"]
