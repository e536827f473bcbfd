"""The data of an evaluation: images, region masks and ground truth, in order.

Data with truth in values (``synth:SPLIT[:SEED]``, or a rendered folder) comes from the package that
registers it (`eval.truth`); any other dataset has references instead of truth.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from finecaption.io import masks
from finecaption.io.geometry import box_iou

Facets = dict[str, tuple[str, ...]]  # facet of an attribute -> accepted values
TWIN_IOU = 0.6  # two wholes whose boxes overlap so much are twins: a box does not tell which

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class EvalRegion:
    """A region to be asked about.

    Attributes:
        region_id: its number in the image.
        category: its true category or part name.
        part_of: region id of the whole, for a part.
        unseen: whether its combination was kept from training.
        mask: bool (H, W).
        truth: attribute -> facet -> accepted values.
        references: attribute -> sentences that are right.
        dense: paragraphs that are right.
    """

    region_id: int
    category: str
    part_of: int | None
    unseen: bool
    mask: np.ndarray
    truth: dict[str, Facets]
    references: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dense: tuple[str, ...] = ()

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The mask's xyxy box, x1 and y1 exclusive."""
        return masks.box_from_mask(self.mask)


@dataclass(frozen=True)
class EvalImage:
    """An image: its place in the source's order, its name, uint8 (H, W, 3) RGB, its regions.

    `whole` are paragraphs on all of it that are right; `path` is its file, if it has one.
    """

    index: int
    name: str
    image: np.ndarray
    regions: tuple[EvalRegion, ...]
    whole: tuple[str, ...] = ()
    path: str | None = None


def twin_pairs(picture: EvalImage) -> list[tuple[EvalRegion, EvalRegion, float]]:
    """Pairs of whole objects whose boxes have an IoU of TWIN_IOU or more, with that IoU.

    Pairs of one category and one color are left out: no caption tells these apart.
    """
    wholes = [r for r in picture.regions if r.part_of is None]
    out = []
    for a, b in itertools.combinations(wholes, 2):
        overlap = box_iou(a.box, b.box)
        told = any(a.truth.get(n) != b.truth.get(n) for n in ("Category Name", "Color"))
        if overlap >= TWIN_IOU and told:
            out.append((a, b, overlap))
    return out


def only_twins(picture: EvalImage) -> EvalImage:
    """The image with those regions alone that have a twin."""
    kept = {r.region_id for a, b, _ in twin_pairs(picture) for r in (a, b)}
    return replace(picture, regions=tuple(r for r in picture.regions if r.region_id in kept))


class EvalSource(Protocol):
    """Images in a fixed order.

    Attributes:
        identity: what makes two sources the same data, as plain JSON values, and "name" for
            reports.
        unseen_only: whether regions of combinations that training showed are left out.
        drawn: whether the truth is known in values, as that of the synthetic world is.
    """

    @property
    def identity(self) -> dict[str, Any]: ...

    @property
    def unseen_only(self) -> bool: ...

    @property
    def drawn(self) -> bool: ...

    def pictures(self, start: int = 0) -> Iterator[EvalImage]:
        """Images with at least one region, from this index on."""
        ...

    def twins(self, start: int = 0) -> Iterator[EvalImage]:
        """Images with twins, from this index on, with those regions alone."""
        ...


def ahead(function: Callable[[Job], Result], jobs: Iterable[Job], workers: int) -> Iterator[Result]:
    """`map` in other processes, a few jobs ahead of the reader, in order.

    Args:
        workers: processes; 0 computes here, on demand.
    """
    if workers < 1:
        yield from map(function, jobs)
        return
    # spawn: a fork of a process in which torch runs threads may hang
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_follow_the_reader)
    queue: deque[Future[Result]] = deque()
    remaining = iter(jobs)
    try:
        while True:
            queue.extend(
                pool.submit(function, job)
                for job in itertools.islice(remaining, 4 * workers + 4 - len(queue))
            )
            if not queue:
                return
            yield queue.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _follow_the_reader() -> None:
    """In a worker: leaves interrupts to the reader, and ends when it is killed.

    Of itself a worker would wait for its next job for ever, since it holds the queue's other end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reader = multiprocessing.parent_process()
    if reader is not None:
        threading.Thread(target=_end_with, args=(reader,), daemon=True).start()


def _end_with(process: Any) -> None:
    process.join()
    os._exit(1)
