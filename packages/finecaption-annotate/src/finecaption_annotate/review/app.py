"""The page: Gradio serves one HTML component that talks to a `Desk`. Nothing leaves the machine.

All of the page's own text and behaviour is in static/; Gradio gives the server, the calls and the
colours of light and dark.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finecaption.errors import InputError
from finecaption_annotate.review.desk import Desk

_MOST_BODY = 1_000_000  # bytes of a call; a decision is a text
_STATIC = Path(__file__).parent / "static"


def _gradio() -> Any:
    # before the import: it decides by this whether to phone home
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its dependencies' own
            import gradio
    except ImportError as error:
        raise InputError(
            'review: needs Gradio; install it with pip install "finecaption[demo]"'
        ) from error
    if "server_functions" not in inspect.signature(gradio.HTML).parameters:
        raise InputError(
            f"review: Gradio {gradio.__version__} is too old; upgrade it with "
            'pip install --upgrade "finecaption[demo]"'
        )
    return gradio


def build(desk: Desk) -> Any:
    """The page as `gradio.Blocks`.

    Raises:
        InputError: Gradio is not installed.
    """
    gradio = _gradio()

    def ask(call: dict[str, Any]) -> dict[str, Any]:
        return desk.ask(call)

    with gradio.Blocks(
        title=f"Review: {desk.data.title}", analytics_enabled=False, fill_width=True
    ) as page:
        gradio.HTML(
            html_template=(_STATIC / "page.html").read_text("utf-8"),
            js_on_load=(_STATIC / "page.js").read_text("utf-8"),
            server_functions=[ask],
            apply_default_css=False,
            elem_id="review",
        )
    return page


def serve(
    desk: Desk,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = False,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serves until interrupted.

    Args:
        desk: answers.
        host: address to listen on; anybody who reaches it can decide.
        port: None takes the first free one from 7860.
        browser: open the page in one.
        ready: called with the page's address when it is up.

    Raises:
        InputError: Gradio is not installed; the port is taken.
    """
    gradio = _gradio()
    from starlette.middleware import Middleware

    from finecaption.server.limits import BodyLimit
    from finecaption.server.origins import OwnSite

    plain = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif")
    theme = gradio.themes.Default(font=list(plain), font_mono=["ui-monospace", "monospace"])
    page = build(desk)
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            inbrowser=browser,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            show_error=True,
            footer_links=[],
            ssr_mode=False,
            theme=theme,
            max_file_size=_MOST_BODY,
            app_kwargs={
                "middleware": [
                    Middleware(OwnSite, hosts=(host,)),
                    Middleware(BodyLimit, limit=_MOST_BODY, timeout=30.0),
                ]
            },
            css=(_STATIC / "page.css").read_text("utf-8"),
        )
    except OSError as error:
        raise InputError(f"--port {port}: cannot listen on {host} ({error})") from error
    if ready is not None:
        ready(address)
    page.block_thread()
