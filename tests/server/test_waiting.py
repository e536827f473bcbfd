"""Requests that wait, come too late, are given up or meet a server that starts or stops."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from finecaption.errors import InputError

from .conftest import PATIENCE, Live, Stub, chat_body, in_thread, small, until

Serve = Callable[..., Live]


def test_a_full_queue_says_when_to_come_again(serve: Serve, stub: Stub) -> None:
    live = serve(stub, queue=2)
    stub.go.clear()
    waiting = [in_thread(live.post, "/v1/chat/completions", chat_body(small())) for _ in range(2)]
    until(lambda: live.service.engine.admitted == 2)
    for stream in (False, True):
        refused = live.post("/v1/chat/completions", chat_body(small(), stream=stream))
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert int(refused.headers["retry-after"]) >= 1
    assert live.get("/healthz").status_code == 200, "it answers others meanwhile"
    stub.go.set()
    assert [one.result(PATIENCE).status_code for one in waiting] == [200, 200]
    until(lambda: live.service.engine.admitted == 0)
    assert 'finecaption_refused_total{why="queue"} 2.0' in live.get("/metrics").text


def test_pictures_that_are_too_much_to_hold(serve: Serve, stub: Stub) -> None:
    # room for one request: its body and JSON, 32 x 24 pixels of 4 bytes, and a mask
    live = serve(stub, max_body=1024, max_pixels=1000, max_held_bytes=7000)
    stub.go.clear()
    first = in_thread(live.post, "/v1/chat/completions", chat_body(small()))
    until(lambda: live.service.engine.memory.held > 32 * 24 * 5)
    assert live.post("/v1/chat/completions", chat_body(small())).status_code == 429
    stub.go.set()
    assert first.result(PATIENCE).status_code == 200
    until(lambda: live.service.engine.memory.held == 0)


def test_too_late(serve: Serve, stub: Stub) -> None:
    live = serve(stub, timeout=0.3)
    stub.go.clear()
    # the model answers nothing meanwhile: without the deadline there would be no answer at all
    answer = live.post("/v1/regions", {"image": small()})
    assert answer.status_code == 504 and answer.json()["error"]["type"] == "timeout_error"
    until(lambda: live.service.engine.admitted == 0)
    stub.go.set()
    # what comes next is in time however slow the machine is
    live.service.settings = live.service.settings.model_copy(update={"timeout": PATIENCE})
    assert live.post("/v1/regions", {"image": small()}).status_code == 200
    assert 'finecaption_cancelled_total{why="timeout"} 1.0' in live.get("/metrics").text


def test_clients_that_go_away_cancel(serve: Serve, stub: Stub) -> None:
    live = serve(stub)
    stub.go.clear()
    # a read timeout alone: connecting and sending may take as long as they take
    leaves = httpx.Timeout(PATIENCE, read=0.3)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{live.url}/v1/regions", json={"image": small()}, timeout=leaves)
    counted = 'finecaption_cancelled_total{why="client"} 1.0'
    until(lambda: counted in live.get("/metrics").text)
    assert live.service.engine.admitted == 0
    stub.go.set()
    stub.steps = 1_000_000
    body = chat_body(small(), stream=True)
    url = f"{live.url}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, timeout=PATIENCE) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()  # kept: the connection is closed with it
        next(lines)
        assert live.service.engine.admitted == 1
    until(lambda: live.service.engine.admitted == 0)
    until(lambda: not live.service.engine._streams)


def test_a_stream_that_fails_says_so(serve: Serve, stub: Stub) -> None:
    live = serve(stub)
    stub.fail = RuntimeError("secret")
    text = live.post("/v1/chat/completions", chat_body(small(), stream=True)).text
    assert '"type": "server_error"' in text and "secret" not in text and "[DONE]" not in text
    stub.steps, stub.fail = 1, None
    assert "[DONE]" in live.post("/v1/chat/completions", chat_body(small(), stream=True)).text


def test_a_failure_is_a_500_without_its_insides(serve: Serve, stub: Stub) -> None:
    live = serve(stub)
    stub.fail = RuntimeError("secret")
    answer = live.post("/v1/regions", {"image": small()})
    assert answer.status_code == 500 and "secret" not in answer.text
    stub.fail = None
    assert live.post("/v1/regions", {"image": small()}).status_code == 200


def refuses(port: int) -> bool:
    """Whether nothing listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def test_stopping_finishes_what_runs(serve: Serve, stub: Stub) -> None:
    live = serve(stub, batch=1, grace=PATIENCE)
    stub.go.clear()
    waiting = [in_thread(live.post, "/v1/regions", {"image": small()}) for _ in range(3)]
    until(lambda: live.service.engine.admitted == 3)
    (running,) = serve.running  # type: ignore[attr-defined]  # see the fixture
    stopped = in_thread(running.stop)
    until(lambda: refuses(live.port))
    assert not any(one.done() for one in waiting)
    stub.go.set()
    assert [one.result(PATIENCE).status_code for one in waiting] == [200] * 3
    stopped.result(PATIENCE)
    assert not live.service.engine.ready


def test_not_ready_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    from finecaption.captioners import ModelSpec
    from finecaption.server import Settings, create_app

    from .conftest import Running

    go = threading.Event()

    def load(*given: Any) -> Any:
        go.wait(PATIENCE)
        raise InputError("model 'absent': no such model")

    monkeypatch.setattr(ModelSpec, "open", load)
    settings = Settings(port=0, log_level="critical", model="absent")
    running = Running(create_app(settings), settings)
    assert running.live.get("/healthz").status_code == 200
    assert running.live.get("/readyz").status_code == 503
    for path, body in (
        ("/v1/chat/completions", chat_body(small())),
        ("/v1/regions", {"image": small()}),
    ):
        answer = running.live.post(path, body)
        assert answer.status_code == 503 and "being loaded" in answer.text
        assert answer.headers["retry-after"] == "5"
    assert running.live.get("/v1/models").status_code == 503
    go.set()
    running.thread.join(PATIENCE)
    assert not running.thread.is_alive(), "a server without a model ends"
    assert "no such model" in str(running.live.service.engine.failure)
