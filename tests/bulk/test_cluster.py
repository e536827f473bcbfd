"""The actor of the Ray engine, without a cluster; benchmarks/bulk_ray.py has one."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from types import ModuleType

import pyarrow
import pytest

from finecaption.bulk import Layout, RunSettings, caption_bulk, open_jobs
from finecaption.bulk.cluster import Cluster, Worker, _new, _outcome, on_cluster
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
