"""Not too many requests a minute, and again after a failure that may pass."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONGEST_WAIT = 120.0
"""Seconds: a server that asks for more is not waited for longer."""


class RateLimit:
    """Spaces calls of `wait` evenly, over all threads.

    Args:
        per_minute: at most so many; None: no limit.
        clock, sleep: seconds; for tests.
    """

    def __init__(
        self,
        per_minute: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._next = clock()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Returns when the next request may go."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._gap
        if turn > now:
            self._sleep(turn - now)

    def hold(self, seconds: float) -> None:
        """Nobody's turn comes before this many seconds: a server said so."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


class Passing(Exception):
    """A failure that may pass; `wait` is what the server asked for, in seconds."""

    def __init__(self, cause: Exception, wait: float | None = None) -> None:
        super().__init__(str(cause))
        self.cause, self.wait = cause, wait


def retry(
    call: Callable[[], T],
    limit: RateLimit,
    tries: int,
    first_wait: float = 1.0,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[T, int]:
    """What `call` returns, and how many tries it took.

    A `Passing` failure is tried again after a wait that doubles each time (with up to a quarter of
    jitter, so that threads do not come back together), or after the wait that it names.

    Raises:
        Passing: of the last try.
    """
    for number in range(1, tries + 1):
        limit.wait()
        try:
            return call(), number
        except Passing as failure:
            if number == tries:
                raise
            wait = failure.wait
            if wait is None:
                wait = first_wait * 2 ** (number - 1) * (1 + random.random() / 4)
            wait = min(wait, LONGEST_WAIT)
            if failure.wait is not None:
                limit.hold(wait)
            sleep(wait)
    raise AssertionError("tries is at least 1")
