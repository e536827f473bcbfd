"""What the server makes of requests that its OpenAPI allows, and of such as it does not.

    python benchmarks/serve_fuzz.py [--examples 300] [--out benchmarks/results/serve_fuzz.json]

schemathesis generates requests from the OpenAPI, valid ones and broken ones, `--examples` an
operation, and sends them to `finecaption serve`; then come the hostile bodies of
tests/server/hostile.py. Statuses are counted: from 500 on, the server is at fault (503 and 504
included, as nothing here is to be overloaded).
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from finecaption.io.atomic import write_json

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]


def summary(name: str, statuses: Counter[int], seconds: float) -> dict[str, Any]:
    """A row of the table."""
    return {
        "name": name,
        "requests": sum(statuses.values()),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "server_errors": sum(count for status, count in statuses.items() if status >= 500),
        "seconds": round(seconds, 1),
    }


def fuzz(url: str, examples: int) -> list[dict[str, Any]]:
    """schemathesis on every operation of the OpenAPI at `url`."""
    rows = []
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    with httpx.Client(base_url=url, timeout=120):
        for found in schema.get_all_operations():
            operation = found.ok()
            statuses: Counter[int] = Counter()
            start = time.monotonic()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                try:
                    strategy = operation.as_strategy(generation_mode=mode)
                except Exception as error:  # operations without anything to break have no such mode
                    print(f"{operation.label}: no {mode.value} requests ({error})")
                    continue
                run = _sender(strategy, url, statuses, max(1, examples // 2))
                try:
                    run()
                # hypothesis ends a run early where there is nothing, or nothing more, to generate
                except Exception as error:
                    print(f"{operation.label}, {mode.value}: ended early ({type(error).__name__})")
            rows.append(summary(operation.label, statuses, time.monotonic() - start))
            print(rows[-1])
    return rows


def _sender(strategy: Any, url: str, statuses: Counter[int], examples: int) -> Any:
    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def send(case: Any) -> None:
        statuses[case.call(base_url=url, timeout=120).status_code] += 1

    return send


def throw(url: str) -> dict[str, Any]:
    """The hostile bodies."""
    hostile = importlib.import_module("tests.server.hostile")
    statuses: Counter[int] = Counter()
    start = time.monotonic()
    with httpx.Client(base_url=url, timeout=120) as client:
        for one in hostile.bodies():
            headers = {"content-type": "application/json"}
            statuses[client.post(one.path, content=one.body, headers=headers).status_code] += 1
        assert client.get("/readyz").status_code == 200
    return summary("hostile bodies", statuses, time.monotonic() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/serve_fuzz.json")
    chosen = parser.parse_args()
    server = importlib.import_module("serve_load").Server(max_pixels=1_000_000)
    server.start()
    try:
        rows = fuzz(server.url, chosen.examples)
        hostile = throw(server.url)
        memory = round(server.memory())
    finally:
        server.end()
    record = {
        "examples": chosen.examples,
        "operations": rows,
        "hostile": hostile,
        "server_errors": sum(row["server_errors"] for row in (*rows, hostile)),
        "memory_mb": memory,
        "schemathesis": schemathesis.__version__,
    }
    write_json(chosen.out, record)
    for row in (*rows, hostile):
        print(f"{row['name']:30} {row['requests']:6} {row['statuses']}")
    print(f"answers from 500 on: {record['server_errors']}; memory {memory} MB")


if __name__ == "__main__":
    main()
