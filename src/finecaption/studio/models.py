"""The models that a visitor can choose from, each on its own thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from finecaption.errors import InputError

if TYPE_CHECKING:
    from finecaption.protocol import Captioner
    from finecaption.server.service import Service

T = TypeVar("T")


class Models:
    """The server's own model, on the server's engine, and further ones, loaded on first use."""

    def __init__(
        self,
        service: Service,
        own: str,
        others: Sequence[str] = (),
        device: str | None = None,
    ) -> None:
        """
        Args:
            service: of the application; does the work of `own`.
            own: the name of the server's model.
            others: further ones, by any name of `finecaption.captioners.open_captioner`.
            device: for those.

        Raises:
            InputError: two of them have one name, or there is no such model.
        """
        from finecaption.captioners import ModelSpec

        self._service = service
        specs = [ModelSpec(one, device) for one in others]
        for spec in specs:
            spec.check()
        self.names = [own, *(spec.label for spec in specs)]
        if len(set(self.names)) < len(self.names):
            raise InputError(
                f"--model: two of them are called alike ({', '.join(self.names)}); rename a folder"
            )
        self._specs = dict(zip(self.names[1:], specs, strict=True))
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._loaded: dict[str, Captioner] = {}

    def run(self, name: str, work: Callable[[Captioner], T]) -> Future[T]:
        """Queues work with a model; works of one model run one after the other.

        Raises:
            InputError: there is no such model here.
        """
        if name not in self.names:
            raise InputError(f"model: there is no {name[:80]!r} here; choose {self.names[0]!r}")
        if name == self.names[0]:
            return self._service.run(work)
        if name not in self._threads:
            self._threads[name] = ThreadPoolExecutor(1, thread_name_prefix=f"studio-{name}")
        return self._threads[name].submit(lambda: work(self._captioner(name)))

    def _captioner(self, name: str) -> Captioner:
        if name not in self._loaded:  # only its own thread gets here
            self._loaded[name] = self._specs[name].open()
        return self._loaded[name]

    def close(self) -> None:
        """Ends the further models' threads once their work is done."""
        for thread in self._threads.values():
            thread.shutdown(cancel_futures=True)


__all__ = ["Models"]
