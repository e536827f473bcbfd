"""A whole run: the remaining jobs go through the model, and a thread writes the results."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.bulk.engine import Spec
from finecaption.bulk.jobs import Bad, BatchJob, Passed
from finecaption.bulk.journal import DiskErrors, Journal
from finecaption.bulk.layout import Layout
from finecaption.bulk.pipeline import Batching, Outcome, PhaseClock, outcomes
from finecaption.bulk.settings import RunSettings
from finecaption.bulk.sidecars import Sidecars
from finecaption.bulk.sources import Jobs, PassedOver
from finecaption.errors import FineCaptionError, InputError
from finecaption.io.atomic import write_bytes
from finecaption.io.record_log import to_line

log = logging.getLogger(__name__)

ON_EXISTING = ("skip", "overwrite", "append")

_WAITING = 4  # batches between the model and the writer


@dataclass
class BatchSummary:
    """The progress of a run and, at the end, its result."""

    total: int | None = None
    """Images of the source, once they are counted."""
    passed: int = 0
    """Described before, and passed over."""
    described: int = 0
    failed: int = 0
    left_out: int = 0
    """Images that have regions, of which none can be used: not described, nor failed."""
    passed_over: PassedOver = field(default_factory=PassedOver)
    """What the source passes over: it is no image or region to be described."""
    regions: int = 0
    """Described; a paragraph on a whole image counts as one."""
    seconds: float = 0.0
    """From the first image to the last record, without loading the model."""
    clock: PhaseClock = field(default_factory=PhaseClock)
    omitted: int = 0
    """Images that the HTML page has no room for."""


class _Writer(threading.Thread):
    """Writes batches of outcomes; its first error is raised when the next batch is put."""

    def __init__(
        self, journal: Journal, sidecars: Sidecars | None, errors: Errors, summary: BatchSummary
    ) -> None:
        super().__init__(name="write", daemon=True)
        self._journal, self._sidecars, self._errors = journal, sidecars, errors
        self._summary = summary
        self._queue: queue.Queue[list[Outcome] | None] = queue.Queue(_WAITING)
        self._broken: BaseException | None = None

    def put(self, batch: list[Outcome]) -> None:
        """Puts a batch into the queue; waits if the disk is slower than the model."""
        while self._broken is None:
            try:
                self._queue.put(batch, timeout=0.2)
                return
            except queue.Full:
                continue
        self.check()

    def check(self) -> None:
        """Raises the first error, if there is one."""
        if self._broken is not None:
            raise self._broken

    def finish(self) -> None:
        """Waits until all is written."""
        while self.is_alive():
            try:
                self._queue.put(None, timeout=0.2)
                break
            except queue.Full:
                continue
        self.join()

    def run(self) -> None:
        try:
            while (batch := self._queue.get()) is not None:
                self._write(batch)
        except BaseException as error:  # it is raised in the main thread
            self._broken = error

    def _write(self, batch: list[Outcome]) -> None:
        lines, made, good = [], [], 0
        regions = 0
        try:
            for outcome in batch:
                if not outcome.error:
                    record = outcome.record()
                    if self._sidecars is not None:
                        try:
                            made += self._sidecars.prepare(record, outcome.picture)
                        except InputError as error:
                            outcome.error = str(error)
                if outcome.error:
                    self._errors.add(outcome)
                    if outcome.left_out:
                        self._summary.left_out += 1
                    else:
                        self._summary.failed += 1
                    continue
                lines.append(to_line(record))
                good += 1
                regions += len(record["regions"]) + (record["global"] is not None)
            if self._sidecars is not None:
                self._sidecars.sync(made)
            self._journal.append(lines)
        except FineCaptionError:
            for part, _ in made:
                part.unlink(missing_ok=True)
            raise
        if self._sidecars is not None:
            self._sidecars.publish(made)
        self._summary.described += good
        self._summary.regions += regions


class Errors:
    """Failed images of this output, one line each; lines of other outputs in the file are kept."""

    def __init__(self, path: Path, out: str) -> None:
        self.path, self.out = path, out
        self._begin()

    def _begin(self) -> None:
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_bytes().splitlines(keepends=True):
            try:
                if line.endswith(b"\n") and json.loads(line)["out"] != self.out:
                    kept.append(line)
            except (ValueError, KeyError, TypeError):
                kept.append(line)  # not ours
        with DiskErrors(self.path):
            if kept:
                write_bytes(self.path, b"".join(kept))
            else:
                self.path.unlink()

    def add(self, outcome: Outcome) -> None:
        """Adds a line."""
        record: dict[str, Any] = {
            "id": outcome.id,
            "place": outcome.place,
            "error": outcome.error,
            "out": self.out,
        }
        if outcome.left_out:
            record["left_out"] = True
        with DiskErrors(self.path), self.path.open("ab") as stream:
            stream.write(to_line(record))


def caption_bulk(
    jobs: Jobs,
    layout: Layout,
    settings: RunSettings,
    model: Spec,
    *,
    resume: bool = False,
    on_existing: str | None = None,
    batching: Batching | None = None,
    errors: Path | None = None,
    told: Callable[[BatchSummary], None] | None = None,
    run_jobs: Callable[[Iterator[BatchJob | Bad]], Iterable[list[Outcome]]] | None = None,
) -> BatchSummary:
    """Describes every image of a source.

    Killed at any moment, the same call with `resume` goes on: images with a record are passed
    over, others and those that failed are done.

    Args:
        jobs: see `sources.open_jobs`.
        layout: where everything is written.
        settings: what is asked about every image.
        model: is opened when all else is known to be right.
        resume: go on with the run that the output is of; without an output, begin.
        on_existing: what becomes of an output that is there: "skip" keeps its records, passes
            over their images, whatever settings they were made with; "overwrite" begins anew;
            "append" adds records, also of images that have one. None: it is refused.
        batching: how many images at once.
        errors: file of what failed (default: `layout.errors`).
        told: called after each batch.
        run_jobs: what takes the place of the model of this process (see `cluster`).

    Raises:
        InputError: the output is there already, or is of other settings; no such model.
        FineCaptionError: the disk is full; the model fails for everything.
    """
    if resume and on_existing is not None:
        raise InputError("--resume and --on-existing: give one of them")
    if on_existing is not None and on_existing not in ON_EXISTING:
        raise InputError(
            f"--on-existing: must be one of {', '.join(ON_EXISTING)}; got {on_existing!r}"
        )
    known = {"source": jobs.name, "model": dict(model.identity), **settings.to_dict()}
    known["sidecars"] = [form for form in ("txt", "png") if form in layout.formats]
    journal = Journal(layout.journal, layout.run)
    try:
        sidecars = None
        if layout.has_sidecars:
            sidecars = Sidecars(layout.sidecars, layout.formats)
        _begin(journal, sidecars, known, resume, on_existing)
        done = journal.done()
        failed = Errors(errors or layout.errors, layout.out.name)
        summary = BatchSummary()
        _count(jobs, summary)
        only_sidecars = set(layout.formats) <= {"txt", "png"} and journal.mode == "skip"
        left = _left(jobs, done, summary, sidecars if only_sidecars else None)
        first = next(left, None)
        if first is not None:
            again = _chain(first, left)
            how = run_jobs or _here(model, settings, batching, summary)
            _go(how(again), journal, sidecars, failed, summary, told)
        _finish(layout, journal, summary)
        return summary
    finally:
        journal.close()


def _begin(
    journal: Journal,
    sidecars: Sidecars | None,
    settings: Mapping[str, Any],
    resume: bool,
    on_existing: str | None,
) -> None:
    there = not journal.empty
    if there and not resume and on_existing is None:
        raise InputError(
            f"{journal.path}: is there already; give --resume to go on with that run, or "
            "--on-existing skip, overwrite or append, or another --out"
        )
    if resume and there:
        journal.resume(settings)
    if sidecars is not None and there:
        made = sidecars.replay(journal.of_run(), mend=resume)
        if made:
            log.warning("%d files of this run were missing or empty, and were made again", made)
    if not (resume and there):
        journal.begin(settings, on_existing or "new")
    if sidecars is not None:
        anew = not resume and journal.mode in ("overwrite", "append")
        sidecars.begin(journal.mode, anew)


def _here(
    model: Spec, settings: RunSettings, batching: Batching | None, summary: BatchSummary
) -> Callable[[Iterator[BatchJob | Bad]], Iterator[list[Outcome]]]:
    captioner = model.open()
    return lambda jobs: outcomes(jobs, captioner, settings, batching, summary.clock)


def _left(
    jobs: Jobs, done: np.ndarray, summary: BatchSummary, sidecars: Sidecars | None
) -> Iterator[BatchJob | Bad]:
    """The jobs that are not done yet."""
    for job in jobs.start():
        if isinstance(job, Passed):
            summary.passed_over.add(job)
            continue
        if isinstance(job, BatchJob):
            key = np.uint64(job.key)
            place = int(np.searchsorted(done, key))
            there = place < len(done) and done[place] == key
            if there or (sidecars is not None and sidecars.there(job)):
                summary.passed += 1
                continue
        yield job


def _chain(first: BatchJob | Bad, rest: Iterator[BatchJob | Bad]) -> Iterator[BatchJob | Bad]:
    yield first
    yield from rest


def _count(jobs: Jobs, summary: BatchSummary) -> None:
    """Counts the images while the run proceeds."""

    def count() -> None:
        summary.total = jobs.count()

    threading.Thread(target=count, name="count", daemon=True).start()


def _go(
    batches: Iterable[list[Outcome]],
    journal: Journal,
    sidecars: Sidecars | None,
    failed: Errors,
    summary: BatchSummary,
    told: Callable[[BatchSummary], None] | None,
) -> None:
    started = time.perf_counter()
    writer = _Writer(journal, sidecars, failed, summary)
    writer.start()
    try:
        for batch in batches:
            writer.put(batch)
            summary.seconds = time.perf_counter() - started
            if told is not None:
                told(summary)
    finally:  # what was said is written, whatever stops the run
        writer.finish()
        summary.seconds = time.perf_counter() - started
    writer.check()
    if told is not None:
        told(summary)


def _finish(layout: Layout, journal: Journal, summary: BatchSummary) -> None:
    """Writes the files that are made from all records."""

    def read() -> Iterator[dict[str, Any]]:
        return iter(journal)

    if "csv" in layout.formats:
        from finecaption.bulk.tables import write_csv

        write_csv(layout.file("csv"), read)
    if "coco" in layout.formats:
        from finecaption.bulk.tables import write_coco

        write_coco(layout.file("coco"), read)
    if "html" in layout.formats:
        from finecaption.bulk.page import write_html

        summary.omitted = write_html(layout.file("html"), read, layout.stem)
