"""The engine: what is answered together, refused, cancelled, finished; a stub is the model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from finecaption.decoding import Decoding
from finecaption.errors import InputError
from finecaption.request import Request
from finecaption.server.batching import Engine
from finecaption.server.jobs import Busy, Cancelled, NotReady

from .conftest import PATIENCE, Live, Stub, in_thread, until

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
