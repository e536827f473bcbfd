"""The studio with the shipped model, running, and a page of a real browser."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)


@pytest.fixture(scope="module")
def studio() -> Iterator[str]:
    """The address of a running studio."""
    pytest.importorskip("gradio", reason="needs finecaption[demo]")
    from finecaption.captioner import FineCaption
    from finecaption.server.running import make_server
    from finecaption.server.settings import Settings
    from finecaption.studio import create_studio

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = Settings(port=port, log_level="warning", grace=1)
    app = create_studio(settings, FineCaption.from_pretrained("finecaption-mini"))
    server = make_server(app, settings)
    server.config.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # not the main thread's
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive() and time.monotonic() < until, "the server does not start"
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(60)


@pytest.fixture(scope="module")  # not longer: while it lives, its event loop is running
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    sync = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with sync.sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()
