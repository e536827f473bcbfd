"""The review page's requests, as foreign web pages send them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytest.importorskip("gradio", reason="needs finecaption[demo]")

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120  # seconds


def test_foreign_pages_decide_nothing(data_file: Path) -> None:
    sources = [ROOT / "src", *sorted(ROOT.glob("packages/*/src"))]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))}
    command = [sys.executable, "-m", "finecaption", "data", "review", str(data_file)]
    reviews = data_file.with_name(f"{data_file.name}.reviews")
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip().rstrip("/")
            url = f"{address}/gradio_api/component_server"
            call = {"do": "decide", "reviewer": "csrf", "picture": 0, "place": 0, "field": 0,
                    "decision": "edit", "text": "x"}  # fmt: skip
            body = {"data": call, "component_id": 1, "fn_name": "ask", "session_hash": "s"}
            with httpx.Client(timeout=PATIENCE) as client:
                for headers, status in (
                    ({"origin": "https://evil.example", "content-type": "text/plain"}, 403),
                    ({"origin": "null"}, 403),
                    ({"sec-fetch-site": "cross-site"}, 403),
                    ({"host": "evil.example"}, 421),
                ):
                    answer = client.post(url, json=body, headers=headers)
                    assert answer.status_code == status, headers
                assert client.post(url, content=bytes(1_000_001)).status_code == 413
                upload = f"{address}/gradio_api/upload"
                large = client.post(upload, files={"files": bytes(1_000_001)})
                assert large.status_code == 413
                assert not reviews.exists()
                assert client.post(url, json=body).status_code == 200
            assert [path.name for path in reviews.iterdir()] == ["csrf.jsonl"]
        finally:
            process.kill()
