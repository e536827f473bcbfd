"""The review page's requests, as foreign web pages send them."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest

from finecaption_annotate.review import Reviews, ReviewSet
from finecaption_annotate.review.desk import Desk

pytest.importorskip("gradio", reason="needs finecaption[demo]")


@pytest.mark.filterwarnings("ignore")  # Gradio's own
def test_foreign_pages_decide_nothing(
    tmp_path: Path, data: ReviewSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gradio

    from finecaption_annotate.review.app import serve

    up, over = threading.Event(), threading.Event()
    address: list[str] = []
    pages: list[gradio.Blocks] = []

    def wait(page: gradio.Blocks) -> None:
        pages.append(page)
        assert over.wait(120)
        page.close(verbose=False)

    monkeypatch.setattr(gradio.Blocks, "block_thread", wait)
    desk = Desk(data, Reviews(tmp_path / "reviews"))

    def ready(url: str) -> None:
        address.append(url.rstrip("/"))
        up.set()

    thread = threading.Thread(target=serve, args=(desk, "127.0.0.1", None, False, ready))
    thread.start()
    try:
        assert up.wait(120)
        url = f"{address[0]}/gradio_api/component_server"
        call = {"do": "decide", "reviewer": "csrf", "picture": 0, "place": 0, "field": 0,
                "decision": "edit", "text": "x"}  # fmt: skip
        body = {"data": call, "component_id": 1, "fn_name": "ask", "session_hash": "s"}
        for headers, status in (
            ({"origin": "https://evil.example", "content-type": "text/plain"}, 403),
            ({"origin": "null"}, 403),
            ({"sec-fetch-site": "cross-site"}, 403),
            ({"host": "evil.example"}, 421),
        ):
            answer = httpx.post(url, json=body, headers=headers)
            assert answer.status_code == status, headers
        assert httpx.post(url, content=bytes(1_000_001)).status_code == 413
        upload = f"{address[0]}/gradio_api/upload"
        assert httpx.post(upload, files={"files": bytes(1_000_001)}).status_code == 413
        assert desk.reviews.names() == []
        assert httpx.post(url, json=body).status_code == 200
        assert desk.reviews.names() == ["csrf"]
    finally:
        over.set()
        thread.join(120)
