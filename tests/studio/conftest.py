"""The studio with the shipped model, running."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


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
