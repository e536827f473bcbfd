"""The engine: what is answered together, refused, cancelled, finished; a stub is the model."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from finecaption.decoding import Decoding
from finecaption.errors import InputError
from finecaption.request import Request
from finecaption.server.batching import Engine
from finecaption.server.jobs import Busy, Cancelled, NotReady

from .conftest import PATIENCE, Live, Stub, chat_body, in_thread, small, until

Serve = Callable[..., Live]


def question(decoding: Decoding | None = None) -> Request:
    return Request(Image.new("RGB", (8, 8)), whole=True, decoding=decoding)


@pytest.fixture
def engine(stub: Stub) -> Any:
    made = Engine(lambda: stub, queue=4, batch=3, batch_wait=0.05, streams=2)  # type: ignore[arg-type, return-value]  # a stub
    made.start()
    until(lambda: made.ready)
    yield made
    stub.go.set()
    assert made.close(PATIENCE)


def test_what_waits_is_answered_together(engine: Engine, stub: Stub) -> None:
    stub.go.clear()
    first = engine.ask(question())
    assert stub.entered.wait(PATIENCE)
    hot = Decoding(temperature=0.5, seed=1)
    rest = [engine.ask(question(hot if at in (1, 4) else None)) for at in range(6)]
    stub.go.set()
    for job in (first, *rest):
        assert job.done.result(PATIENCE).whole == "A picture."
    # alone, as nothing else was there; three of the same decoding; the two hot ones; the fourth
    assert stub.batches == [1, 3, 2, 1]
    assert stub.decodings == [None, None, hot, None]


def test_without_batching_each_is_alone(stub: Stub) -> None:
    engine = Engine(lambda: stub, batch=1)  # type: ignore[arg-type, return-value]  # a stub
    engine.start()
    jobs = [engine.ask(question()) for _ in range(4)]
    assert all(job.done.result(PATIENCE) for job in jobs)
    assert stub.batches == [1] * 4 and engine.close(PATIENCE)


def test_one_that_breaks_the_model_does_not_break_its_batch(engine: Engine, stub: Stub) -> None:
    stub.go.clear()
    held = engine.ask(question())
    assert stub.entered.wait(PATIENCE)
    jobs = [engine.ask(question()) for _ in range(2)]
    poison = jobs[0].request
    answer = stub.caption_batch

    def break_on(requests: Any, **more: Any) -> Any:
        if any(one.image is poison.image for one in requests):  # type: ignore[union-attr]  # it has one
            raise RuntimeError("poison")
        return answer(requests, **more)

    stub.go.set()
    held.done.result(PATIENCE)
    stub.caption_batch = break_on  # type: ignore[method-assign]  # the point of the test
    more = [engine.ask(jobs[0].request), engine.ask(question())]  # type: ignore[arg-type]  # it has one
    with pytest.raises(RuntimeError, match="poison"):
        more[0].done.result(PATIENCE)
    assert more[1].done.result(PATIENCE).whole == "A picture."


def test_the_cancelled_are_left_out(engine: Engine, stub: Stub) -> None:
    stub.go.clear()
    running = engine.ask(question())
    assert stub.entered.wait(PATIENCE)
    waiting = engine.ask(question())
    waiting.cancel()
    running.cancel()  # alone in its batch: ended from within
    with pytest.raises(Cancelled):
        running.done.result(PATIENCE)
    with pytest.raises(Cancelled):
        waiting.done.result(PATIENCE)
    assert stub.batches == [1]


def test_streams_take_turns_and_can_be_cancelled(engine: Engine, stub: Stub) -> None:
    stub.steps = 1_000_000
    told: list[str] = []
    jobs = [engine.stream(question(), lambda u, n=n: told.append(n)) for n in "abc"]  # type: ignore[misc]  # a default argument
    until(lambda: len(told) > 20)
    assert set(told) == {"a", "b"}, "only two places"
    both = told[told.index("b") :]
    assert abs(both.count("a") - both.count("b")) <= 1
    assert engine.ask(question()).done.result(PATIENCE).whole, "batches run between the steps"
    jobs[0].cancel()
    with pytest.raises(Cancelled):
        jobs[0].done.result(PATIENCE)
    until(lambda: "c" in told)
    for job in jobs[1:]:
        job.cancel()
        with pytest.raises(Cancelled):
            job.done.result(PATIENCE)


def test_places_and_pixels_are_given_back(engine: Engine) -> None:
    tickets = [engine.admit() for _ in range(4)]
    with pytest.raises(Busy) as caught:
        engine.admit()
    assert caught.value.retry_after >= 1
    tickets[0].hold(750_000_000)
    with pytest.raises(Busy, match="750,000,000 bytes"):
        tickets[1].hold(500_000_000)
    for ticket in tickets:
        ticket.close()
        ticket.close()  # twice does not count twice
    assert engine.admitted == engine.memory.held == 0
    engine.admit().close()


def test_a_request_that_needs_more_than_all_may_hold_is_told_so(engine: Engine) -> None:
    with engine.admit() as first, engine.admit() as second:
        with pytest.raises(InputError, match=r"needs 1,000,000,001 bytes .* send fewer regions"):
            first.hold(1_000_000_001)
        first.hold(750_000_000)
        second.hold(250_000_000)  # exactly the limit
        with pytest.raises(Busy, match="1,000,000,000 bytes"):
            second.hold(1)
        second.hold(1, refuse=False)  # an answer that is made already
        assert engine.memory.held == 1_000_000_001
    assert engine.memory.held == 0


def test_a_picture_is_encoded_once(engine: Engine, stub: Stub) -> None:
    encoded: list[Any] = []
    encode = stub.encode
    stub.encode = lambda picture: encoded.append(picture) or encode(picture)  # type: ignore[method-assign, func-returns-value]  # counts
    for _ in range(4):
        engine.ask(question(), b"same").done.result(PATIENCE)
    assert len(encoded) == 1
    engine.ask(question(), b"other").done.result(PATIENCE)
    assert len(encoded) == 1, "what comes once goes through the towers with its batch"


def test_closing_finishes_what_waits(stub: Stub) -> None:
    engine = Engine(lambda: stub, batch=2)  # type: ignore[arg-type, return-value]  # a stub
    engine.start()
    until(lambda: engine.ready)
    stub.go.clear()
    jobs = [engine.ask(question()) for _ in range(5)]
    closed = in_thread(engine.close, PATIENCE)
    until(lambda: not engine.ready)
    with pytest.raises(NotReady, match="stopping"):
        engine.ask(question())
    with pytest.raises(NotReady):
        engine.admit()
    stub.go.set()
    assert closed.result(PATIENCE) is True
    assert all(job.done.result(0).whole for job in jobs)


@pytest.mark.parametrize(
    ("seconds", "admitted", "batch", "after"),
    [
        (0.5, 1, 4, 1),  # a second at least
        (3.0, 4, 4, 3),
        (3.2, 4, 4, 4),  # rounded up
        (3.0, 2, 4, 3),  # no more than all of it
        (30.0, 12, 4, 10),  # of twelve at work, four are done in a third of the time
        (59.5, 1, 4, 60),
        (900.0, 1, 4, 60),  # a minute at most
    ],
)
def test_when_to_come_again(
    stub: Stub, seconds: float, admitted: int, batch: int, after: int
) -> None:
    engine = Engine(lambda: stub, batch=batch)  # type: ignore[arg-type, return-value]  # a stub
    engine._seconds, engine._admitted = seconds, admitted
    assert engine._retry_after() == after


def test_the_usual_time_follows_what_requests_take(stub: Stub) -> None:
    engine = Engine(lambda: stub)  # type: ignore[arg-type, return-value]  # a stub
    assert engine._seconds == 0.5
    engine._leave(10.5)
    assert engine._seconds == pytest.approx(1.5)
    engine._leave(0.5)
    assert engine._seconds == pytest.approx(1.4)


def test_the_queue_takes_exactly_its_limit(engine: Engine) -> None:
    tickets = []
    for number in range(4):
        assert engine.admitted == number
        tickets.append(engine.admit())
    with pytest.raises(Busy, match="4 requests are waiting already"):
        engine.admit()
    tickets[0].close()
    with engine.admit(), pytest.raises(Busy):
        engine.admit()
    for ticket in tickets:
        ticket.close()


def test_a_full_batch_does_not_wait_for_more(stub: Stub) -> None:
    engine = Engine(lambda: stub, batch=2, batch_wait=10 * PATIENCE)  # type: ignore[arg-type, return-value]  # a stub
    engine.start()
    jobs = [engine.ask(question()) for _ in range(2)]
    assert all(job.done.result(PATIENCE) for job in jobs)
    assert stub.batches == [2]
    last = engine.ask(question())
    assert engine.close(PATIENCE), "nor does an engine that is stopping"
    assert last.done.result(0) and stub.batches == [2, 1]


def test_one_canceled_request_does_not_end_its_batch(engine: Engine, stub: Stub) -> None:
    stub.go.clear()
    held = engine.ask(question())
    assert stub.entered.wait(PATIENCE)
    jobs = [engine.ask(question()) for _ in range(2)]
    answer = stub.caption_batch

    def cancel_one(requests: Any, progress: Any) -> Any:
        assert len(requests) == 2
        jobs[0].cancel()
        progress(0, 2)  # raises if all are canceled
        return answer(requests, progress=progress)

    stub.caption_batch = cancel_one  # type: ignore[method-assign]  # the point of the test
    stub.go.set()
    held.done.result(PATIENCE)
    assert jobs[1].done.result(PATIENCE).whole == "A picture."


def test_other_work_runs_with_the_engine_and_can_be_checked(engine: Engine) -> None:
    assert engine.call(lambda own, check: (own is engine, check())).done.result(PATIENCE) == (
        True,
        None,
    )

    def fails(own: Engine, check: Callable[[], None]) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        engine.call(fails).done.result(PATIENCE)

    begun = threading.Event()

    def until_canceled(own: Engine, check: Callable[[], None]) -> None:
        begun.set()
        while True:
            check()

    job = engine.call(until_canceled)
    assert begun.wait(PATIENCE)
    job.cancel()
    with pytest.raises(Cancelled):
        job.done.result(PATIENCE)


class Counts:
    """A watcher."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.hits: list[bool] = []

    def batch(self, requests: int, seconds: float) -> None:
        assert 0 <= seconds < PATIENCE
        self.batches.append(requests)

    def cached(self, hit: bool) -> None:
        self.hits.append(hit)


def test_a_watcher_hears_of_batches_and_of_the_cache(stub: Stub) -> None:
    watcher = Counts()
    engine = Engine(lambda: stub, watcher=watcher)  # type: ignore[arg-type, return-value]  # a stub
    engine.start()
    for _ in range(3):
        engine.ask(question(), b"same").done.result(PATIENCE)
    engine.call(lambda own, check: None).done.result(PATIENCE)
    assert engine.stream(question(), lambda update: None).done.result(PATIENCE) is None
    assert engine.close(PATIENCE)
    assert watcher.batches == [1, 1, 1], "streams and other work are no batches"
    # once seen it is encoded, then it is there; a stream has no digest
    assert watcher.hits == [False, True, False]


def test_a_stream_tells_each_update_once_and_in_order(engine: Engine, stub: Stub) -> None:
    stub.steps = 5
    told: list[Any] = []
    assert engine.stream(question(), told.append).done.result(PATIENCE) is None
    assert [update.text for update in told] == ["w " * (step + 1) for step in range(5)]


def test_an_engine_is_started_once_and_closed_at_any_time(stub: Stub) -> None:
    loads: list[int] = []

    def load() -> Any:
        loads.append(1)
        return stub

    assert Engine(load).close(), "it had not begun"
    engine = Engine(load)
    assert not engine.ready
    with pytest.raises(NotReady, match="being loaded"):
        engine.admit()
    engine.start()
    engine.start()
    until(lambda: engine.ready)
    assert engine.close(PATIENCE) and engine.close(PATIENCE)
    assert loads == [1] and not engine.ready


def test_closing_in_time_or_not(engine: Engine, stub: Stub) -> None:
    stub.go.clear()
    engine.ask(question())
    assert stub.entered.wait(PATIENCE)
    assert engine.close(0.01) is False, "the model is still at work"
    stub.go.set()
    assert engine.close(PATIENCE) is True


def test_a_failure_that_nobody_foresaw_is_told_as_well(caplog: pytest.LogCaptureFixture) -> None:
    def load() -> Any:
        raise RuntimeError("out of luck")

    engine = Engine(load)
    engine.start()
    until(lambda: engine.failure is not None)
    assert str(engine.failure) == "the model cannot be loaded (out of luck)"
    assert not isinstance(engine.failure, InputError)
    assert engine.close(PATIENCE)


def test_a_model_that_cannot_be_loaded() -> None:
    called: list[bool] = []

    def load() -> Any:
        raise InputError("model 'x': no such model")

    engine = Engine(load, on_failure=lambda: called.append(True))
    engine.start()
    until(lambda: engine.failure is not None)
    assert not engine.ready and called == [True]
    with pytest.raises(NotReady, match="no such model"):
        engine.admit()
    assert engine.close(PATIENCE)


# --- through HTTP --------------------------------------------------------------------------------


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


def test_streams_get_as_much_time_as_batches(engine: Engine, stub: Stub) -> None:
    """With a step a batch, a stream of 200 steps beside slow batches would take 200 of them.

    A batch takes so long that steps on a busy machine, of a few milliseconds, are still short.
    """
    stub.steps = 200
    answer = stub.caption_batch

    def slowly(asks: Any, **more: Any) -> Any:
        time.sleep(0.5)
        return answer(asks, **more)

    stub.caption_batch = slowly  # type: ignore[method-assign]  # the point of the test
    stream = engine.stream(question(), lambda update: None)
    jobs = [engine.ask(question()) for _ in range(90)]  # 30 batches
    stream.done.result(PATIENCE)
    assert sum(job.done.done() for job in jobs) < 60
    for job in jobs:
        job.cancel()
