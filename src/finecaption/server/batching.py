"""The engine behind the routes: one thread owns the model and answers waiting requests in batches.

Requests wait in one queue. The thread takes the oldest and all others of the same decoding, up to
`batch`, and answers them in one call of `Captioner.caption_batch`. Streams are written side by
side, a step each in turn; batches run between their steps, and streams get as much time as these.
Everything that touches the model runs on this thread, so nothing of it needs a lock.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from finecaption.errors import FineCaptionError, InputError
from finecaption.protocol import Captioner, encode, updates
from finecaption.server.image_cache import ImageCache
from finecaption.server.jobs import Busy, Cancelled, NotReady, ServerJob, Work
from finecaption.server.memory import Held, Memory

if TYPE_CHECKING:
    from finecaption.request import Request
    from finecaption.results import CaptionResult, CaptionUpdate

log = logging.getLogger("finecaption.server")

_CACHED_PIXELS = 25_000_000


class Watcher(Protocol):
    """Observes the engine; see `finecaption.server.metrics`."""

    def batch(self, requests: int, seconds: float) -> None: ...

    def cached(self, hit: bool) -> None: ...


class Ticket:
    """A request's place in the queue, from its admission to its end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held = Held(engine.memory)
        self._open = True
        self._since = time.monotonic()

    def hold(self, size: int, *, refuse: bool = True) -> None:
        """Counts `size` bytes of images, masks and answers; see `memory.Memory.take`.

        Raises:
            Busy: all that is at work and waiting would be too much to hold.
            InputError: this request alone would be.
        """
        self._held.add(size, refuse=refuse)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._held.close()
            self._engine._leave(time.monotonic() - self._since)

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Engine:
    """Queue, thread and model."""

    def __init__(
        self,
        load: Callable[[], Captioner],
        *,
        queue: int = 64,
        batch: int = 16,
        batch_wait: float = 0.005,
        streams: int = 8,
        memory: Memory | None = None,
        cached_pictures: int = 16,
        watcher: Watcher | None = None,
        on_failure: Callable[[], None] | None = None,
    ) -> None:
        """
        Args:
            load: makes the captioner; called on the engine's thread.
            queue: requests over which `admit` refuses.
            memory: what all requests may hold, over which `Ticket.hold` refuses; of 1 GB if None.
            batch: requests answered together; batch_wait: seconds that an idle engine waits for
                more of them.
            streams: written side by side.
            cached_pictures: encoded images that are kept, up to 25 million pixels of them.
            on_failure: called, on the engine's thread, if `load` fails.
        """
        self.failure: FineCaptionError | None = None
        self._load = load
        self._most = queue
        self.memory = memory or Memory(1_000_000_000)
        self.memory.retry_after = self._retry_after
        self._batch, self._batch_wait, self._most_streams = batch, batch_wait, streams
        self._cache = ImageCache(cached_pictures, _CACHED_PIXELS)
        self._watcher = watcher
        self._on_failure = on_failure
        self._captioner: Captioner | None = None
        self._waiting: deque[ServerJob] = deque()
        self._streams: list[tuple[ServerJob, Iterator[CaptionUpdate]]] = []
        self._news = threading.Condition()
        self._admitted = 0
        self._seconds = 0.5  # a request's usual time, moving average
        self._stopping = False
        self._thread: threading.Thread | None = None

    # --- from any thread ---------------------------------------------------------------------

    def start(self) -> None:
        """Starts the thread, which loads the model first."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="finecaption-engine", daemon=True)
            self._thread = thread
            thread.start()

    def close(self, timeout: float | None = None) -> bool:
        """Stops accepting work, finishes what was accepted and ends the thread; whether in time."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def ready(self) -> bool:
        """Whether the model is loaded and the engine accepts work."""
        return self._captioner is not None and not self._stopping

    @property
    def captioner(self) -> Captioner:
        """The loaded model. Its methods are for the engine's thread only: see `call`.

        Raises:
            NotReady: not loaded.
        """
        if self._captioner is None:
            raise NotReady(str(self.failure) if self.failure else "the model is being loaded")
        return self._captioner

    @property
    def admitted(self) -> int:
        """Number of accepted requests."""
        return self._admitted

    def admit(self) -> Ticket:
        """Admits one more request.

        Raises:
            Busy: there is none.
            NotReady: the model is not loaded, or the server is stopping.
        """
        _ = self.captioner
        with self._news:
            if self._stopping:
                raise NotReady("the server is stopping")
            if self._admitted >= self._most:
                raise Busy(f"{self._admitted} requests are waiting already", self._retry_after())
            self._admitted += 1
        return Ticket(self)

    def ask(self, request: Request, digest: bytes = b"") -> ServerJob:
        """Queues a request; the job's outcome is a `CaptionResult`, or an InputError raised.

        Args:
            digest: see `ServerJob.digest`.
        """
        return self._add(ServerJob(request=request, digest=digest))

    def stream(
        self, request: Request, on_update: Callable[[CaptionUpdate], None], digest: bytes = b""
    ) -> ServerJob:
        """Queues a request whose answers are shown while they grow; the outcome is None."""
        return self._add(ServerJob(request=request, digest=digest, on_update=on_update))

    def call(self, work: Work) -> ServerJob:
        """Queues any other work with the model; the outcome is its return value. It is called with
        the engine and with `ServerJob.check`."""
        return self._add(ServerJob(work=work))

    # --- on the engine's thread --------------------------------------------------------------

    def encoded(self, image: Any, digest: bytes) -> Any:
        """The image after the encoders, from the cache if it was asked about before; as it is if
        the captioner does not encode ahead. Only for work on the engine's thread."""
        if "encode" not in self.captioner.capabilities:
            return image
        found = self._cache.get(digest)
        if self._watcher is not None:
            self._watcher.cached(found is not None)
        if found is None:
            found = encode(self.captioner, image)
            self._cache.put(digest, found)
        return found

    # -----------------------------------------------------------------------------------------

    def _retry_after(self) -> int:
        # a request takes so long with so many at work, hence so long until a batch of them is done
        share = self._batch / max(self._admitted, self._batch)
        return max(1, min(60, math.ceil(self._seconds * share)))

    def _leave(self, seconds: float) -> None:
        with self._news:
            self._admitted -= 1
            self._seconds += 0.1 * (seconds - self._seconds)

    def _add(self, job: ServerJob) -> ServerJob:
        with self._news:
            if self._stopping:
                raise NotReady("the server is stopping")
            self._waiting.append(job)
            self._news.notify_all()
        return job

    def _run(self) -> None:
        try:
            self._captioner = self._load()
        # whatever it is, those who wait and the process's owner must hear of it
        except Exception as error:
            known = isinstance(error, FineCaptionError)
            if not known:
                log.exception("the model cannot be loaded")
            self.failure = (
                error
                if isinstance(error, FineCaptionError)
                else FineCaptionError(f"the model cannot be loaded ({error})")
            )
            if self._on_failure is not None:
                self._on_failure()
            return
        log.info("the model is ready: %s", self._captioner.name)
        while True:
            batch = self._next()
            start = time.monotonic()
            if batch:
                self._do(batch)
            elif not self._streams:
                return  # stopping, and all is done
            # as long as the batch took: one step a batch would make streams wait for ever
            end = 2 * time.monotonic() - start
            self._step_streams()
            while self._streams and batch and time.monotonic() < end:
                self._step_streams()

    def _next(self) -> list[ServerJob]:
        """The next jobs that go together; empty: only the streams have work, or none at all."""
        with self._news:
            while True:
                for job in [job for job in self._waiting if job.cancelled]:
                    self._waiting.remove(job)
                    job.finish(Cancelled())
                first = self._first()
                if first is not None:
                    break
                if self._streams or self._stopping:
                    return []
                self._news.wait()
            if first.request is None or first.on_update is not None:
                self._waiting.remove(first)
                return [first]
            end = time.monotonic() + (0 if self._streams else self._batch_wait)
            while True:
                alike = self._alike(first)
                left = end - time.monotonic()
                if len(alike) >= self._batch or left <= 0 or self._stopping:
                    break
                self._news.wait(left)
            for job in alike:
                self._waiting.remove(job)
            return alike

    def _first(self) -> ServerJob | None:
        """The oldest job that can be begun: streams wait for a free place."""
        full = len(self._streams) >= self._most_streams
        return next((job for job in self._waiting if job.on_update is None or not full), None)

    def _alike(self, first: ServerJob) -> list[ServerJob]:
        alike = [
            job
            for job in self._waiting
            if job.request is not None
            and first.request is not None
            and job.on_update is None
            and job.request.decoding == first.request.decoding
        ]
        return alike[: self._batch]

    def _do(self, batch: list[ServerJob]) -> None:
        start = time.monotonic()
        first = batch[0]
        if first.work is not None:
            self._attempt(first, first.work)
        elif first.on_update is not None:
            self._begin_stream(first)
        else:
            self._answer(batch)
            if self._watcher is not None:
                self._watcher.batch(len(batch), time.monotonic() - start)

    def _attempt(self, job: ServerJob, work: Work) -> None:
        try:
            job.finish(work(self, job.check))
        # the job's owner gets it; the thread must live on for the others
        except Exception as error:
            job.finish(error)

    def _begin_stream(self, job: ServerJob) -> None:
        request = job.request
        assert request is not None

        def begin() -> Iterator[CaptionUpdate]:
            encoded = self.encoded(request.image, job.digest)
            yield from updates(self.captioner, replace(request, image=encoded))

        self._streams.append((job, begin()))

    def _step_streams(self) -> None:
        left = []
        for job, coming in self._streams:
            if job.cancelled:
                coming.close()  # type: ignore[attr-defined]  # a generator, made above
                job.finish(Cancelled())
                continue
            try:
                update = next(coming)
                assert job.on_update is not None
                job.on_update(update)
                left.append((job, coming))
            except StopIteration:
                job.finish(None)
            # as in _attempt
            except Exception as error:
                job.finish(error)
        self._streams = left

    def _answer(self, batch: list[ServerJob]) -> None:
        try:
            results = self._caption(batch)
        except Cancelled as error:
            results = [error] * len(batch)
        # anything but unusable input, which comes in place of a result: one of them breaks the
        # call, so each is tried alone
        except Exception as error:
            if len(batch) > 1:
                log.warning("a batch of %d failed (%r); each is tried alone", len(batch), error)
                for job in batch:
                    self._answer([job])
                return
            results = [error]
        for job, result in zip(batch, results, strict=True):
            job.finish(result)

    def _caption(self, batch: list[ServerJob]) -> list[CaptionResult | InputError | Exception]:
        def check(done: int, total: int) -> None:
            if all(job.cancelled for job in batch):
                raise Cancelled

        requests = []
        for job in batch:
            request = job.request
            assert request is not None
            # images that come a second time are kept; new ones go through the encoders together
            if self._cache.seen(job.digest):
                request = replace(request, image=self.encoded(request.image, job.digest))
            requests.append(request)
        return list(self.captioner.caption_batch(requests, progress=check))
