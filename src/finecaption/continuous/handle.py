"""A request under way, as the engine's user holds it."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from finecaption.errors import FineCaptionError


class QueueFull(FineCaptionError):
    """As many requests as the engine takes are unfinished; ask again later."""


class EngineStopped(FineCaptionError):
    """The engine was stopped, or has failed; its message says which."""


class Cancelled(FineCaptionError):
    """The request was cancelled."""


@dataclass(frozen=True)
class Answer:
    """A finished answer."""

    text: str
    ids: tuple[int, ...]
    """Generated tokens, the end token included if it was reached."""
    logprob: float
    """Mean natural log-probability of `ids`; 0 if there are none."""


class Handle:
    """A request under way: await it, iterate over it (plain or async), or call `result`.

    Iterating gives the text so far, each time that it has grown.
    """

    def __init__(self, request_id: str, give_up: Callable[[Handle], None]) -> None:
        """
        Args:
            request_id: the engine's name for it.
            give_up: called by `cancel`.
        """
        self.request_id = request_id
        self._give_up = give_up
        self._future: Future[Answer] = Future()
        self._future.set_running_or_notify_cancel()  # a cancelled task must not cancel it silently
        self._lock = threading.Lock()
        self._text = ""
        self._listeners: list[Any] = []

    def result(self, timeout: float | None = None) -> Answer:
        """Waits for the answer.

        Raises:
            TimeoutError: it is not there after `timeout` seconds.
            EngineStopped, Cancelled: it will never be.
        """
        return self._future.result(timeout)

    def done(self) -> bool:
        """Whether the answer, or its failure, is there."""
        return self._future.done()

    def cancel(self) -> None:
        """Gives the request up; nothing if it is finished."""
        self._give_up(self)

    def __await__(self) -> Generator[Any, None, Answer]:
        return asyncio.wrap_future(self._future).__await__()

    def __iter__(self) -> Iterator[str]:
        news: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._listen(news.put)
        while (text := news.get()) is not None:
            yield text
        self.result()  # raises what went wrong

    async def __aiter__(self) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        news: asyncio.Queue[str | None] = asyncio.Queue()

        def tell(text: str | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody reads any more
                loop.call_soon_threadsafe(news.put_nowait, text)

        self._listen(tell)
        while (text := await news.get()) is not None:
            yield text
        await self

    def _listen(self, listener: Any) -> None:
        with self._lock:
            if self._text:
                listener(self._text)
            if self._future.done():
                listener(None)
            else:
                self._listeners.append(listener)

    def grow(self, text: str) -> None:
        """The engine's: the text so far."""
        with self._lock:
            if text != self._text:
                self._text = text
                for listener in self._listeners:
                    listener(text)

    def finish(self, answer: Answer | None, error: Exception | None = None) -> None:
        """The engine's: the answer, or why there is none; what comes second is ignored."""
        with self._lock:
            if self._future.done():
                return
            if error is not None:
                self._future.set_exception(error)
            elif answer is not None:
                self._future.set_result(answer)
            listeners, self._listeners = self._listeners, []
            for listener in listeners:
                listener(None)
