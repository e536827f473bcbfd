"""The memory of accepted requests: bodies, parsed JSON, images, masks and answers, in bytes.

Everything that a request makes the server hold is counted here before it is made, so that many
requests together cannot take more than one limit says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from finecaption.errors import InputError
from finecaption.server.jobs import Busy

IMAGE_BYTES = 3
"""Of a pixel of an RGB image."""
VALUE_BYTES = 100
"""Of a value in parsed JSON: an empty list takes 56 bytes and an object's entry some 100 (CPython,
64 bits), besides the pointer to it."""


class Memory:
    """A number of bytes that all requests share.

    Attributes:
        limit: in bytes.
        retry_after: says in how many seconds there may be room again.
    """

    def __init__(self, limit: int, retry_after: Callable[[], int] = lambda: 1) -> None:
        self.limit = limit
        self.retry_after = retry_after
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes that are taken now."""
        return self._held

    def take(self, size: int, *, refuse: bool = True) -> None:
        """Counts `size` bytes more.

        Args:
            size: in bytes.
            refuse: whether there must be room; if not, the next ones to ask find less of it.

        Raises:
            Busy: there is no room now.
            InputError: there would be none in an idle server either.
        """
        with self._lock:
            if refuse and size > self.limit:
                raise InputError(
                    f"the request needs {size:,} bytes of memory, and the server has "
                    f"{self.limit:,} for all of them: send fewer regions at once, or a smaller "
                    "image"
                )
            if refuse and self._held + size > self.limit:
                raise Busy(
                    f"requests that hold {self._held:,} bytes are waiting already",
                    self.retry_after(),
                )
            self._held += size

    def give(self, size: int) -> None:
        """Takes `size` bytes out of the count."""
        with self._lock:
            self._held -= size


class Held:
    """What one request holds; a context manager that gives it back."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._size = 0
        self._open = True

    def add(self, size: int, *, refuse: bool = True) -> None:
        """Counts `size` bytes more; arguments and errors as `Memory.take`."""
        self._memory.take(size, refuse=refuse)
        self._size += size
        if not self._open:  # closed meanwhile, by a request that was given up
            self.close()

    def close(self) -> None:
        """Gives everything back; more than once does no harm."""
        self._open = False
        size, self._size = self._size, 0
        self._memory.give(size)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
