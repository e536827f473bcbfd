"""A piece of work for the engine, and its outcome."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from finecaption.request import Request
    from finecaption.results import CaptionUpdate


class Busy(Exception):
    """The queue is full."""

    def __init__(self, what: str, retry_after: int) -> None:
        """`retry_after` in seconds."""
        super().__init__(what)
        self.retry_after = retry_after


class NotReady(Exception):
    """The model is still being loaded, cannot be loaded, or the server is stopping."""


class Cancelled(Exception):
    """The client disconnected or the request was canceled."""


Work: TypeAlias = Callable[[Any, Callable[[], None]], Any]
"""(the `batching.Engine`, a check that raises Cancelled) -> the outcome."""


@dataclass(eq=False)
class ServerJob:
    """One piece of work and its outcome."""

    done: Future[Any] = field(default_factory=Future)
    request: Request | None = None
    digest: bytes = b""
    """Of the image's pixels: the same digest, the same image. Empty: unknown."""
    on_update: Callable[[CaptionUpdate], None] | None = None
    """Given: a stream; called with each update, on the engine's thread."""
    work: Work | None = None
    """Given: anything else that needs the model."""
    cancelled: bool = False

    def cancel(self) -> None:
        """Cancels the work: dropped if it waits, ended early if possible."""
        self.cancelled = True

    def check(self) -> None:
        """Raises Cancelled if the work has been canceled; long work calls this regularly."""
        if self.cancelled:
            raise Cancelled

    def finish(self, outcome: Any) -> None:
        # whoever waited may have given up at this very moment
        with contextlib.suppress(InvalidStateError):
            if isinstance(outcome, BaseException):
                self.done.set_exception(outcome)
            else:
                self.done.set_result(outcome)
