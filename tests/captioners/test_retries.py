"""Requests that are spaced, and asked again after a failure that may pass."""

from __future__ import annotations

import pytest

from finecaption.captioners.retries import Passing, RateLimit, retry


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_requests_are_spaced() -> None:
    clock = Clock()
    limit = RateLimit(30, clock, clock.sleep)
    starts = []
    for _ in range(4):
        limit.wait()
        starts.append(clock.now)
    assert starts == pytest.approx([0, 2, 4, 6])
    limit.hold(10)
    limit.wait()
    assert clock.now == pytest.approx(16)
    free = RateLimit(None, clock, clock.sleep)
    free.wait()
    free.wait()
    assert clock.now == pytest.approx(16)


def test_waits_double_and_follow_what_the_server_says() -> None:
    clock = Clock()
    limit = RateLimit(None, clock, clock.sleep)
    waits = iter([None, None, 7.0, 9999.0])

    def call() -> str:
        wait = next(waits, "done")
        if wait == "done":
            return "said"
        raise Passing(ValueError("busy"), wait)  # type: ignore[arg-type]

    assert retry(call, limit, 5, 1.0, clock.sleep) == ("said", 5)
    first, second, third = [s for s in clock.slept if s][:3]
    assert 1 <= first <= 1.25 and 2 <= second <= 2.5 and third == 7.0
    assert max(clock.slept) == 120.0
