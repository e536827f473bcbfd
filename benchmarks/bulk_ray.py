"""The same job by the local engine and over a Ray cluster whose worker is killed meanwhile.

    python benchmarks/bulk_ray.py [--pictures 60]

A cluster of two workers on this machine. When the first records are there, one of the two actors is
killed with SIGKILL by its process id. The records must be those of the local engine, as sets, but
for paths that no one chose. Prints a table and writes benchmarks/results/ray.json. Needs [dist].
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from bulk import draw_pictures

from finecaption.bulk import BatchSummary, Layout, RunSettings, caption_bulk, open_jobs
from finecaption.bulk.cluster import Cluster, on_cluster
from finecaption.bulk.pipeline import Batching
from finecaption.captioners import ModelSpec
from finecaption.request import Questions

ROOT = Path(__file__).parents[1]


def actors() -> list[int]:
    """Process ids of the living actors below this process; Ray names them by their class."""
    parents: dict[int, int] = {}
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit():
                number = int(entry.name)
                status = (entry / "stat").read_text()
                parents[number] = int(status.rpartition(")")[2].split()[1])
                if (entry / "cmdline").read_bytes().startswith(b"ray::MapWorker"):
                    found.append(number)
        except OSError:  # it has ended meanwhile
            continue

    def ours(number: int) -> bool:
        while number > 1 and number != os.getpid():
            number = parents.get(number, 0)
        return number == os.getpid()

    return [number for number in found if ours(number)]


def records(path: Path) -> set[str]:
    """The lines of a file, each once; their number is checked."""
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == len(set(lines)), "a record is there twice"
    return set(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--block", type=int, default=5)
    parser.add_argument("--model", default="finecaption-mini")
    parser.add_argument("--no-kill", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/ray.json")
    args = parser.parse_args()
    settings = RunSettings(Questions(("Category Name", "Color"), whole=True))
    batching = Batching(5, 20, 1)
    spec = ModelSpec(args.model, "cpu")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=200 << 20,
        log_to_driver=False,
    )
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        draw_pictures(root / "pictures", args.pictures, 512)
        (root / "pictures" / "broken.jpg").write_bytes(b"no picture")
        jobs = open_jobs([str(root / "pictures")])
        local = caption_bulk(
            jobs, Layout.of(root / "local.jsonl"), settings, spec, batching=batching
        )
        cluster = Cluster(workers=2, block=args.block)
        killed: list[dict[str, Any]] = []

        def told(summary: BatchSummary) -> None:
            if killed or args.no_kill or not summary.described:
                return
            living = actors()
            os.kill(living[0], signal.SIGKILL)
            killed.append({"described_before": summary.described, "of": len(living)})
            print(f"killed worker {living[0]}, one of {len(living)}", flush=True)

        begun = time.perf_counter()
        spread = caption_bulk(
            jobs,
            Layout.of(root / "ray.jsonl"),
            settings,
            spec,
            told=told,
            run_jobs=on_cluster(spec, settings, batching, cluster),
        )
        seconds = time.perf_counter() - begun
        here, there = records(root / "local.jsonl"), records(root / "ray.jsonl")
    ray.shutdown()
    print(f"{'':<8}{'described':>10}{'failed':>8}{'regions':>9}{'seconds':>9}")
    for name, summary in (("local", local), ("ray", spread)):
        print(
            f"{name:<8}{summary.described:>10}{summary.failed:>8}{summary.regions:>9}"
            f"{summary.seconds:>9.1f}"
        )
    print(f"records only local: {len(here - there)}, only over Ray: {len(there - here)}")
    record = {
        "pictures": args.pictures,
        "workers": 2,
        "block": args.block,
        "killed": killed,
        "local": {"described": local.described, "failed": local.failed, "seconds": local.seconds},
        "ray": {
            "described": spread.described,
            "failed": spread.failed,
            "seconds": spread.seconds,
            "seconds_with_start": seconds,
        },
        "only_local": len(here - there),
        "only_ray": len(there - here),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "ray": ray.__version__,
            "python": platform.python_version(),
        },
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    assert here == there and spread.failed == local.failed == 1
    assert args.no_kill or killed, "no worker was killed: give more --pictures"


if __name__ == "__main__":
    main()
