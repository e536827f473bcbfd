"""The studio with the shipped model, running, and a page of a real browser."""

from __future__ import annotations

import os
import shutil
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
    from finecaption.server.running import in_background
    from finecaption.server.settings import Settings
    from finecaption.studio import create_studio

    settings = Settings(port=0, log_level="warning", grace=1)
    app = create_studio(settings, FineCaption.from_pretrained("finecaption-mini"))
    with in_background(app, settings) as server:
        yield server.url


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
