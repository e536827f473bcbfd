"""Hostile bodies: each is refused with a reason, none breaks anything."""

from __future__ import annotations

import httpx

from .conftest import PATIENCE, Live, chat_body, until
from .hostile import bodies


def test_hostile_bodies(live: Live, rabbit: str) -> None:
    every = bodies()
    assert len(every) >= 200
    before = live.post("/v1/chat/completions", chat_body(rabbit, "category")).json()
    threads = live.service.engine.admitted
    with httpx.Client(base_url=live.url, timeout=PATIENCE) as client:
        for name, path, body in every:
            answer = client.post(path, content=body, headers={"content-type": "application/json"})
            assert 400 <= answer.status_code < 500, (name, path, answer.status_code, answer.text)
            message = answer.json()["error"]["message"]
            assert message and len(message) < 2000, (name, message)
    after = live.post("/v1/chat/completions", chat_body(rabbit, "category")).json()
    assert after["choices"] == before["choices"]
    assert live.service.engine.admitted == threads == 0
    until(lambda: live.service.engine.memory.held == 0)


def test_other_kinds_of_content(live: Live) -> None:
    for kind in ("text/plain", "multipart/form-data; boundary=a", "image/png", "a/b; c", ";;;",
                 "application/x-www-form-urlencoded",
                 "application/json; charset=utf-16"):  # fmt: skip
        answer = live.post("/v1/regions", b"--a--", headers={"content-type": kind})
        assert answer.status_code == 400, kind
    assert httpx.post(f"{live.url}/v1/regions", content=b"{}").status_code == 400
    packed = live.post("/v1/regions", b"\x1f\x8b", headers={"content-encoding": "gzip"})
    assert packed.status_code == 400
