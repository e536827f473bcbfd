"""The actor of the Ray engine, without a cluster; benchmarks/bulk_ray.py has one."""

from __future__ import annotations

import json
import logging
import pickle
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow
import pytest

from finecaption.bulk import Layout, RunSettings, caption_bulk, open_jobs
from finecaption.bulk.cluster import Cluster, Worker, _connect, _new, _outcome, on_cluster
from finecaption.bulk.pipeline import Batching
from finecaption.errors import InputError
from finecaption.request import Questions


def test_a_worker_answers_as_the_local_engine(
    stub: ModuleType, tmp_path: Path, pictures: Path, good: list[str], bad: list[str]
) -> None:
    settings, batching = RunSettings(Questions(("Color",), whole=True)), Batching(2, 8, 2)
    jobs = open_jobs([str(pictures)])
    worker = Worker(stub.StubSpec(), settings, batching)
    block = pyarrow.table({"job": [pickle.dumps(job) for job in jobs]})
    answers = [_outcome(text) for text in worker(block)["answer"].to_pylist()]
    caption_bulk(jobs, Layout.of(tmp_path / "c.jsonl"), settings, stub.StubSpec())
    local = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text("utf-8").splitlines()]
    assert [outcome.record() for outcome in answers if not outcome.error] == local
    assert sorted(outcome.id for outcome in answers if outcome.error) == bad


def test_an_answer_that_comes_twice_counts_once() -> None:
    text = json.dumps({"id": "a", "place": "", "error": "e", "left_out": False, "record": None})
    other = json.dumps(
        {"id": "a", "place": "line 2", "error": "e", "left_out": False, "record": None}
    )
    seen: set[int] = set()
    assert [_new(_outcome(t), seen) for t in (text, text, other, other)] == [
        True, False, True, False,
    ]  # fmt: skip


def test_workers_are_needed(stub: ModuleType) -> None:
    with pytest.raises(InputError, match="--workers"):
        on_cluster(stub.StubSpec(), RunSettings(), Batching(), Cluster(workers=0))


def test_without_ray_the_extra_is_named(stub: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"finecaption\[dist\]"):
        on_cluster(stub.StubSpec(), RunSettings(), Batching(), Cluster())


@pytest.mark.parametrize(
    ("address", "options"), [(None, {"include_dashboard": False}), ("ray://a:1", {})]
)
@pytest.mark.parametrize("running", [True, False])
def test_a_cluster_is_joined_once_and_is_quiet(
    monkeypatch: pytest.MonkeyPatch, address: str | None, options: dict[str, Any], running: bool
) -> None:
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        monkeypatch.setenv(name, "0")  # restored after the test
    context = SimpleNamespace(enable_progress_bars=True, print_on_execution_start=True)
    joined: list[tuple[Any, dict[str, Any]]] = []
    ray: Any = ModuleType("ray")
    ray.data = ModuleType("ray.data")
    ray.data.DataContext = SimpleNamespace(get_current=lambda: context)
    ray.is_initialized = lambda: running
    ray.init = lambda where, **more: joined.append((where, more))
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.data", ray.data)
    assert _connect(address) is ray
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    assert joined == ([] if running else [(address, {**quiet, **options})])
    assert not context.enable_progress_bars and not context.print_on_execution_start


def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        monkeypatch.setenv(name, "0")

    def refuse(*given: Any, **more: Any) -> None:
        raise ConnectionError("nobody listens")

    ray: Any = ModuleType("ray")
    ray.data, ray.is_initialized, ray.init = ModuleType("ray.data"), lambda: False, refuse
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.data", ray.data)
    with pytest.raises(InputError, match="--address a: there is no such Ray cluster .nobody"):
        _connect("a")
