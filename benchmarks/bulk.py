"""Many pictures end to end, beside a plain loop with the same weights in the same run.

    python benchmarks/bulk.py [--pictures 48] [--side 1600] [--batch 16]

The loop takes one picture at a time: open it and its masks, ask `FineCaption.caption`, write the
line, next. The bulk run is `finecaption.bulk.caption_bulk`, as `finecaption caption FOLDER --out`
runs it: pictures opened and records written beside the model, several pictures in a batch. Both
have the model loaded and have described two pictures before the clock starts. Pictures are drawn
scenes, enlarged to JPEG files of the size of a small photograph, with masks beside them; the
questions are two attributes. Answers must be the same, picture by picture.

What is not the model's is measured apart, since one process does it for a whole cluster: how many
records a second are written, and how many pictures a second are passed over when a run is resumed.
Prints a table and writes benchmarks/results/bulk.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from finecaption.bulk import Layout, RunSettings, caption_bulk, open_jobs
from finecaption.bulk.jobs import Bad, BatchJob
from finecaption.bulk.pipeline import Batching, Outcome
from finecaption.bulk.sources import Jobs
from finecaption.captioner import FineCaption
from finecaption.io.masks import decode_rle, resize_mask
from finecaption.request import Questions
from finecaption_synth.dataset import render_split

RESULTS = Path(__file__).parent / "results"
ATTRIBUTES = ("Category Name", "Color")
SHARE_GOAL = 0.85


def draw_pictures(folder: Path, count: int, side: int, regions: int = 2) -> None:
    """`folder/00/000000.jpg` and so on, with one mask a region beside each picture.

    Args:
        side: of the pictures, in pixels.
        regions: at most so many a picture, the largest.
    """
    with tempfile.TemporaryDirectory() as scratch:
        for _ in render_split("val", count, 7, scratch, workers=1):
            pass
        found: dict[str, list[Any]] = {}
        with (Path(scratch) / "annotations.jsonl").open(encoding="utf-8") as stream:
            for record in map(json.loads, stream):
                if record["region_id"] and record["part_of"] is None:
                    found.setdefault(record["image"], []).append(decode_rle(record["mask"]))
        for number, (image, masks) in enumerate(sorted(found.items())):
            place = folder / f"{number % 4:02}" / f"{number:06}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(Path(scratch) / image) as picture:
                picture.resize((side, side), Image.Resampling.LANCZOS).save(place, quality=90)
            masks.sort(key=lambda mask: -int(mask.sum()))
            for region, mask in enumerate(masks[:regions], 1):
                large = Image.fromarray(resize_mask(mask, (side, side)))
                large.save(place.with_suffix(f".{region}.mask.png"))


class Loaded:
    """A model that is loaded already, where a run wants one by its name."""

    def __init__(self, captioner: FineCaption) -> None:
        self.captioner = captioner

    @property
    def identity(self) -> dict[str, Any]:
        return {"name": self.captioner.name}

    def open(self) -> FineCaption:
        return self.captioner


def plain_loop(captioner: FineCaption, folder: Path, out: Path) -> Iterator[float]:
    """One picture at a time; yields the seconds that the model took for each."""
    with out.open("w", encoding="utf-8") as stream:
        for job in open_jobs([str(folder)]):
            assert isinstance(job, BatchJob)
            masks = [region.form for region in job.regions]
            started = time.perf_counter()
            result = captioner.caption(job.image, regions=masks, attributes=ATTRIBUTES)
            took = time.perf_counter() - started
            stream.write(json.dumps({"id": job.id, **result.to_dict()}) + "\n")
            stream.flush()
            yield took


def answers(path: Path) -> dict[str, list[dict[str, str]]]:
    """id -> the answers of each region."""
    with path.open(encoding="utf-8") as stream:
        records = [json.loads(line) for line in stream]
    return {r["id"]: [region["captions"] for region in r["regions"]] for r in records}


def driver_rates(folder: Path, record: dict[str, Any], count: int) -> dict[str, float]:
    """What the process that lists and writes can do without a model, in pictures a second.

    Args:
        record: an ordinary one; all are like it but for their ids.
    """
    jobs = Jobs(
        "made up",
        lambda: (BatchJob(f"{n:09}.jpg", f"{n:09}.jpg") for n in range(count)),
        lambda: count,
    )

    def answered(todo: Iterable[BatchJob | Bad]) -> Iterator[list[Outcome]]:
        todo = iter(todo)
        while batch := list(itertools.islice(todo, 64)):
            yield [Outcome(job.id, "", made={**record, "id": job.id}) for job in batch]

    def run(resume: bool) -> float:
        started = time.perf_counter()
        caption_bulk(
            jobs, layout, RunSettings(), Nothing(), resume=resume, run_jobs=answered
        )  # fmt: skip
        return count / (time.perf_counter() - started)

    layout = Layout.of(folder / "driver.jsonl")
    return {"written_per_second": run(False), "passed_over_per_second": run(True)}


class Nothing:
    """Stands for a model that is never opened."""

    @property
    def identity(self) -> dict[str, Any]:
        return {}

    def open(self) -> FineCaption:
        raise AssertionError("no model is needed")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--side", type=int, default=1600)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--opening", type=int, default=4, help="threads that open pictures")
    parser.add_argument("--records", type=int, default=50_000, help="written without a model")
    parser.add_argument("--model", default="finecaption-mini")
    parser.add_argument("--device")
    parser.add_argument("--out", type=Path, default=RESULTS / "bulk.json")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        draw_pictures(root / "pictures", args.pictures, args.side)
        draw_pictures(root / "warm", 2, args.side)
        captioner = FineCaption.from_pretrained(args.model, args.device)
        settings = RunSettings(Questions(tuple(ATTRIBUTES)))
        batching = Batching(args.batch, 4 * args.batch, args.opening)

        def bulk(name: str) -> Any:
            layout = Layout.of(root / f"{name}.jsonl")
            jobs = open_jobs([str(root / name)])
            return caption_bulk(jobs, layout, settings, Loaded(captioner), batching=batching)

        list(plain_loop(captioner, root / "warm", root / "warm-loop.jsonl"))
        bulk("warm")
        started = time.perf_counter()
        model_seconds = sum(plain_loop(captioner, root / "pictures", root / "loop.jsonl"))
        loop = time.perf_counter() - started
        summary = bulk("pictures")
        same = answers(root / "loop.jsonl") == answers(root / "pictures.jsonl")
        lines = (root / "pictures.jsonl").read_bytes().splitlines()
        record_bytes = sum(map(len, lines)) / len(lines)
        driver = driver_rates(root, json.loads(lines[0]), args.records)

    share = summary.clock.model / summary.seconds
    count = args.pictures
    print(f"{count} pictures of {args.side} x {args.side}, {summary.regions} regions, 2 questions")
    print(f"{'':<12}{'pictures/s':>12}{'regions/s':>12}{'seconds':>10}")
    for name, seconds in (("plain loop", loop), ("bulk", summary.seconds)):
        rate, regions = count / seconds, summary.regions / seconds
        print(f"{name:<12}{rate:>12.2f}{regions:>12.2f}{seconds:>10.1f}")
    print(f"{loop / summary.seconds:.2f} times as fast; answers the same: {same}")
    print(f"the model computes {share:.1%} of the time (goal {SHARE_GOAL:.0%})")
    print(f"waited for pictures: {summary.clock.waited:.2f} s in {summary.clock.batches} batches")
    written, passed = driver["written_per_second"], driver["passed_over_per_second"]
    print(
        f"a record has {record_bytes:.0f} bytes; without a model, {written:.0f} a second are ",
        end="",
    )
    print(f"written, {passed:.0f} passed over on resuming")
    record = {
        "model": args.model,
        "pictures": count,
        "side": args.side,
        "regions": summary.regions,
        "questions": len(ATTRIBUTES),
        "batch": args.batch,
        "plain_loop": {
            "pictures_per_second": count / loop,
            "seconds": loop,
            "opening_and_model_seconds": model_seconds,
        },
        "bulk": {
            "pictures_per_second": count / summary.seconds,
            "regions_per_second": summary.regions / summary.seconds,
            "seconds": summary.seconds,
            "waited_seconds": summary.clock.waited,
        },
        "ratio": loop / summary.seconds,
        "same_answers": same,
        "share_of_time_the_model_computes": share,
        "share_goal": SHARE_GOAL,
        "record_bytes": record_bytes,
        "driver": driver,
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "torch_threads": torch.get_num_threads(),
            "device": str(captioner.model.device),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    assert summary.described == count, f"{summary.described} of {count} pictures described"


if __name__ == "__main__":
    main()
