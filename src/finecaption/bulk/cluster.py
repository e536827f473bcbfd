"""Runs over a Ray cluster: the driver lists images and writes results, actors hold the model.

Every machine must see the images under the same paths. A worker that is lost is replaced, and
what it had in hand is done again: answers come back a block at a time, or not at all.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from finecaption.bulk.engine import Spec
from finecaption.bulk.jobs import Bad, BatchJob, key_of
from finecaption.bulk.pipeline import Batching, Outcome, PhaseClock, outcomes
from finecaption.bulk.settings import RunSettings
from finecaption.errors import FineCaptionError, InputError
from finecaption.io import strict_json

WINDOW = 500_000
"""Images that the driver hands to Ray at a time; actors start anew after so many."""

BLOCK = 64
"""Images that a worker is given at a time, and loses if it dies."""


@dataclass(frozen=True)
class Cluster:
    """How the work is distributed."""

    workers: int = 2
    cpus: float = 1
    """Of each worker."""
    gpus: float = 0
    address: str | None = None
    """Of a running cluster; None: the one that RAY_ADDRESS names or that this machine belongs to,
    or else a new one on this machine."""
    window: int = WINDOW
    block: int = BLOCK


class Worker:
    """An actor that holds a model and answers blocks of jobs."""

    def __init__(self, model: Spec, settings: RunSettings, batching: Batching) -> None:
        self._captioner = model.open()
        self._settings, self._batching = settings, batching

    def answers(self, jobs: Iterable[BatchJob | Bad]) -> list[str]:
        """A JSON object for each job: id, place, error, left_out, and record, which is null if
        there is an error."""
        out = []
        for batch in outcomes(jobs, self._captioner, self._settings, self._batching, PhaseClock()):
            for outcome in batch:
                record = None if outcome.error else outcome.record()
                out.append(
                    strict_json.dumps(
                        {
                            "id": outcome.id,
                            "place": outcome.place,
                            "error": outcome.error,
                            "left_out": outcome.left_out,
                            "record": record,
                        }
                    )
                )
        return out

    def __call__(self, block: Any) -> Any:
        """A pyarrow table of pickled jobs -> one of answers."""
        import pyarrow

        # pickled by this run's own driver
        jobs = [pickle.loads(data) for data in block["job"].to_pylist()]
        return pyarrow.table({"answer": self.answers(jobs)})


def on_cluster(
    model: Spec, settings: RunSettings, batching: Batching, cluster: Cluster
) -> Callable[[Iterator[BatchJob | Bad]], Iterator[list[Outcome]]]:
    """Replaces the local model in `run.caption_bulk`; outcomes arrive in any order.

    Raises:
        InputError: Ray is not installed, or there is no such cluster.
    """
    if cluster.workers < 1:
        raise InputError(f"--workers: must be at least 1; got {cluster.workers}")
    ray = _connect(cluster.address)

    def run(jobs: Iterator[BatchJob | Bad]) -> Iterator[list[Outcome]]:
        while window := list(itertools.islice(jobs, cluster.window)):
            yield from _window(ray, window, model, settings, batching, cluster)

    return run


def _connect(address: str | None) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the coming behavior
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError(
            '--engine ray: Ray is not installed; give: pip install "finecaption[dist]"'
        ) from error
    if not ray.is_initialized():
        try:
            # a cluster's own dashboard is its own matter
            more: dict[str, Any] = {} if address else {"include_dashboard": False}
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **more)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(
                f"--address {address}: there is no such Ray cluster ({error})"
            ) from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray


def _window(
    ray: Any,
    window: list[BatchJob | Bad],
    model: Spec,
    settings: RunSettings,
    batching: Batching,
    cluster: Cluster,
) -> Iterator[list[Outcome]]:
    rows = [{"job": pickle.dumps(job)} for job in window]
    blocks = -(-len(rows) // cluster.block)
    # actors that die are restarted, and their blocks done again, without end: Ray Data's own way
    answers = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
        Worker,
        fn_constructor_args=(model, settings, batching),
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=min(cluster.workers, blocks)),
        num_cpus=cluster.cpus,
        num_gpus=cluster.gpus or None,
    )
    seen: set[int] = set()
    try:
        for table in answers.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield [o for o in map(_outcome, table["answer"].to_pylist()) if _new(o, seen)]
    except ray.exceptions.RayError as error:
        raise FineCaptionError(
            f"the cluster gave up ({_first_line(error)}); what is written is kept: go on with "
            "--resume"
        ) from error
    lost = len({key_of(job.id, job.place) for job in window} - seen)
    if lost:
        raise FineCaptionError(
            f"the cluster lost {lost:,} of {len(window):,} images; go on with --resume"
        )


def _outcome(text: str) -> Outcome:
    answer = json.loads(text)
    return Outcome(
        answer["id"], answer["place"], answer["error"], answer["left_out"], made=answer["record"]
    )


def _new(outcome: Outcome, seen: set[int]) -> bool:
    """Whether an answer is new: a block that was repeated may arrive twice."""
    key = key_of(outcome.id, outcome.place)
    fresh = key not in seen
    seen.add(key)
    return fresh


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
