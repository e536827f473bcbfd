"""Load, kills and stops in short; benchmarks/serve_load.py has the long run of the same code."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import signal
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from .conftest import PATIENCE, Live, data_uri, in_thread, png, until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("serve_load", ROOT / "benchmarks/serve_load.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["serve_load"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def work(live: Live, bench: ModuleType) -> list[Any]:
    """Questions on crops of the examples, with the captioner's own answers."""
    pieces = []
    for name in ("park", "room", "street"):
        picture = Image.open(ROOT / f"examples/{name}.png").convert("RGB")
        marked = picture.copy()
        alpha = Image.new("L", picture.size, 0)
        alpha.paste(255, (160, 240, 330, 460))
        marked.putalpha(alpha)

        def ask(captioner: Any, picture: Any = picture, alpha: Any = alpha) -> Any:
            return captioner.caption(picture, mask=alpha, attributes=["Color", "Category Name"])

        said = live.service.run(ask).result(PATIENCE).regions[0].captions
        pieces += [bench.piece(data_uri(png(marked)), text, said[text]) for text in said]
    return pieces


def test_eight_clients(live: Live, bench: ModuleType, work: list[Any]) -> None:
    tally, wall = asyncio.run(bench.load(live.url, work, 8, 3.0))
    summary = tally.summary(wall)
    assert summary["wrong"] == summary["broken_connections"] == 0, tally.wrong
    assert summary["other_statuses"] == {} and summary["answered"] >= 8
    # a stream's client has its last bytes a moment before the server lets go of its place
    until(lambda: live.service.engine.admitted == 0)
    batches = live.get("/metrics").text
    assert 'finecaption_batch_requests_bucket{le="1.0"}' in batches
    assert summary["requests"] == summary["answered"] + summary["refused_429"]


def test_kill_and_stop(bench: ModuleType, work: list[Any]) -> None:
    """SIGKILL under load, a new start on the port, right answers; SIGTERM finishes what runs."""
    server = bench.Server(queue=8)
    server.start()
    try:
        tally, enough = bench.Tally(), threading.Event()

        def ask(work: list[Any], clients: int, again: bool) -> None:
            asyncio.run(bench.load(server.url, work, clients, 2 * PATIENCE, again=again,
                                   tally=tally, enough=enough.is_set))  # fmt: skip

        loaded = in_thread(ask, work, 4, True)
        until(lambda: len(tally.seconds) >= 2)
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
        server.start()
        wanted = len(tally.seconds) + 4
        until(lambda: len(tally.seconds) >= wanted)
        enough.set()
        loaded.result(PATIENCE)
        assert tally.broken > 0 and not tally.wrong
        assert set(tally.statuses) <= {200, 429, 503}

        tally, enough = bench.Tally(), threading.Event()
        last = in_thread(ask, work[:1], 6, False)
        until(lambda: len(tally.seconds) >= 6)
        server.process.send_signal(signal.SIGTERM)
        enough.set()
        last.result(PATIENCE)
        # uvicorn finishes, then lets the signal end the process
        assert server.process.wait(PATIENCE) in (0, -signal.SIGTERM)
        assert not tally.wrong and set(tally.statuses) == {200}
    finally:
        if server.process.poll() is None:
            server.end(signal.SIGKILL)


# --- the published figures -------------------------------------------------------------------


def test_figures_in_the_guide_are_those_of_the_run() -> None:
    results = json.loads((ROOT / "benchmarks/results/serve_load.json").read_text("utf-8"))
    text = (ROOT / "docs/serve.md").read_text("utf-8")
    for name, row in (("batched", results["load"]["batched"]),
                      ("one at a time", results["load"]["one_at_a_time"])):  # fmt: skip
        late = row["latency_seconds"]
        cells = [name, row["answered"], f"{row['answers_per_second']:.1f}", f"{late['p50']:.2f}",
                 f"{late['p90']:.2f}", f"{late['p99']:.2f}", row["refused_429"], row["wrong"],
                 row["memory_mb"]["max"]]  # fmt: skip
        assert f"| {' | '.join(map(str, cells))} |" in text
        assert row["wrong"] == row["broken_connections"] == 0 and not row["other_statuses"]
    assert f"{results['load']['ratio']:.2f} times" in text
    kills = results["kills"]
    assert kills["wrong"] == 0 and f"{kills['answered']} answers" in text
    fuzz = json.loads((ROOT / "benchmarks/results/serve_fuzz.json").read_text("utf-8"))
    assert fuzz["server_errors"] == 0
    for row in (*fuzz["operations"], fuzz["hostile"]):
        assert re.search(rf"\| {re.escape(row['name'])} \| {row['requests']} \|", text), row["name"]
