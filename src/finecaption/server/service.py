"""The state that all routes share: engine, images, settings, and waiting for answers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar, cast

from fastapi import Request

from finecaption.decoding import MAX_NEW_TOKENS, Decoding
from finecaption.server.batching import Engine, Ticket
from finecaption.server.errors import ApiError
from finecaption.server.fetch import Fetcher
from finecaption.server.images import ImageLoader
from finecaption.server.jobs import Busy, Cancelled, NotReady, ServerJob
from finecaption.server.memory import Memory
from finecaption.server.metrics import Metrics
from finecaption.server.schemas import Sampling
from finecaption.server.settings import Settings

if TYPE_CHECKING:
    from finecaption.protocol import Captioner, Counting

T = TypeVar("T")


class Service:
    """One application's state: `app.state.service`.

    `run` is how anything else in the process (the studio) gets at the model: work runs on the
    engine's thread, between the server's batches.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Captioner],
        fetcher: Fetcher | None = None,
    ) -> None:
        """
        Args:
            load: makes the captioner, on the engine's thread.
            fetcher: replaces that of the settings, in tests.
        """
        self.settings = settings
        self.metrics = Metrics()
        self.memory = Memory(settings.held_bytes)
        self.images = ImageLoader(settings, fetcher)
        self.on_failure: Callable[[], object] | None = None
        self.created = int(time.time())
        self._prompt_tokens: dict[str, int] = {}
        self.engine = Engine(
            load,
            queue=settings.queue,
            batch=settings.batch,
            batch_wait=settings.batch_wait,
            streams=settings.streams,
            memory=self.memory,
            cached_pictures=settings.cached_pictures,
            watcher=self.metrics,
            on_failure=self._failed,
        )
        self.metrics.watch(self.engine)

    def _failed(self) -> None:
        if self.on_failure is not None:
            self.on_failure()

    def run(self, work: Callable[[Captioner], T]) -> Future[T]:
        """Queues work with the captioner, from any thread.

        Raises:
            NotReady: the server is stopping.
        """
        return self.engine.call(lambda engine, _: work(engine.captioner)).done

    # --- for the routes ----------------------------------------------------------------------

    def admit(self) -> Ticket:
        """A place for a request.

        Raises:
            ApiError: 429, there is none; 503, the model is not loaded.
        """
        with self.room():
            return self.engine.admit()

    @contextlib.contextmanager
    def room(self) -> Iterator[None]:
        """Turns the engine's refusals into answers."""
        try:
            yield
        except Busy as error:
            self.metrics.refused.labels("queue").inc()
            headers = {"Retry-After": str(error.retry_after)}
            message = f"{error}; try again in {error.retry_after} s"
            raise ApiError(429, message, code="rate_limit_exceeded", headers=headers) from error
        except NotReady as error:
            raise ApiError(503, str(error), headers={"Retry-After": "5"}) from error

    def check_model(self, name: str | None) -> None:
        """Raises ApiError (404) unless it is this server's, or not given."""
        own = self.engine.captioner.name
        if name is not None and name != own:
            message = f"there is no model {name[:80]!r} here; ask {own!r}"
            raise ApiError(404, message, param="model", code="model_not_found")

    def deadline(self) -> float:
        """The deadline of a request that begins now, on the monotonic clock."""
        return time.monotonic() + self.settings.timeout

    def decoding(self, given: Sampling, max_tokens: int | None) -> Decoding:
        """A request's decoding; greedy unless it says otherwise.

        Raises:
            InputError: beams together with a temperature.
        """
        top_p = 1.0 if given.top_p is None else given.top_p
        cap: int | None = min(max_tokens or MAX_NEW_TOKENS, self.settings.max_tokens)
        if "decoding" not in self.engine.captioner.capabilities:
            cap = None  # its own cap was set when it was opened
        return Decoding(
            max_new_tokens=cap,
            temperature=given.temperature or 0.0,
            top_p=max(top_p, 1e-6),  # OpenAI takes 0: only the likeliest token
            top_k=given.top_k or 0,
            seed=None if given.seed is None else given.seed % 2**63,
            beams=given.beams or 1,
            length=given.length,
            guidance=given.guidance or 0.0,
        )

    def count_prompt(self, instruction: str) -> int:
        """Tokens of a question, those of the image included; words, if the model does not count."""
        captioner = self.engine.captioner
        if "count_tokens" not in captioner.capabilities:
            return len(instruction.split())
        if instruction not in self._prompt_tokens:
            self._prompt_tokens[instruction] = cast("Counting", captioner).count_prompt(instruction)
        return self._prompt_tokens[instruction]

    def count_answer(self, text: str) -> int:
        """Tokens of an answer; words, if the model does not count."""
        captioner = self.engine.captioner
        if "count_tokens" not in captioner.capabilities:
            return len(text.split())
        return cast("Counting", captioner).count_tokens(text)

    async def outcome(self, request: Request, job: ServerJob, deadline: float) -> Any:
        """What the job comes to.

        Raises:
            ApiError: 504, not in time; 499, the client has gone. The job is canceled then.
        """
        try:
            return await self.in_time(request, asyncio.wrap_future(job.done), deadline)
        except Cancelled as error:
            raise ApiError(499, "the request was canceled") from error
        finally:
            job.cancel()  # no matter if it is done

    async def in_time(self, request: Request, wanted: Awaitable[T], deadline: float) -> T:
        """Awaits something, as long as the client is there and the time is not up.

        Raises:
            ApiError: 504 or 499.
        """
        task = asyncio.ensure_future(wanted)
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait(
                {task, gone},
                timeout=max(0.0, deadline - time.monotonic()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if task.done():
                return task.result()
            if gone.done():
                self.metrics.cancelled.labels("client").inc()
                raise ApiError(499, "the client has closed the connection")
            raise self.too_late()
        finally:
            gone.cancel()
            if not task.done():
                task.cancel()

    def too_late(self) -> ApiError:
        """The error for an answer that does not come in time."""
        self.metrics.cancelled.labels("timeout").inc()
        seconds = self.settings.timeout
        return ApiError(504, f"no answer within {seconds:g} s; ask less at once, or later")


async def _gone(request: Request) -> None:
    """Returns once the client has closed the connection; the body has been read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def service_of(request: Request) -> Service:
    """The service of the application that a request came to."""
    return request.app.state.service
