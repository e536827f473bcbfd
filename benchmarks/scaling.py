"""Time and memory by regions, questions, size of the picture, processes and number of pictures.

    python benchmarks/scaling.py                       # all parts
    python benchmarks/scaling.py --parts size memory   # some; the others stay as they were measured

Everything goes through FineCaption, from a picture's file or pixels to texts. Times are the
processor's, of one thread, best of several: other work on the machine does not disturb them; only
the part about processes is timed on the wall. Memory is what a call takes on top of what the
process had, at its highest (Linux with glibc). Writes
benchmarks/results/scaling.json and the plots docs/speed/scaling.svg and docs/speed/memory.svg.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "examples" / "room.png"
PLOTS = ROOT / "docs" / "speed"
REGIONS = (1, 2, 4, 8, 16, 32, 64)
QUESTIONS = (1, 2, 4, 8, 12, 18)
MEGAPIXELS = (0.3, 1, 3, 8, 12, 25, 50)
PARTS = ("regions", "questions", "size", "processes", "memory")
PART_REGIONS, PART_QUESTIONS = 4, 6  # where another number varies
BATCH = 4  # pictures at once in the parts about many


def ellipses(count: int, size: tuple[int, int]) -> list[Any]:
    """Regions spread over a picture of (width, height)."""
    from finecaption.types import Region

    width, height = size
    columns = max(1, round((count * width / height) ** 0.5))
    rows = -(-count // columns)
    y, x = np.ogrid[0:height, 0:width]
    found = []
    for i in range(count):
        middle = ((i % columns + 0.5) * width / columns, (i // columns + 0.5) * height / rows)
        across = ((x - middle[0]) * 2 * columns / width) ** 2
        found.append(Region(across + ((y - middle[1]) * 2 * rows / height) ** 2 <= 1))
    return found


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


def measured(function: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Processor seconds; the most memory on top of what was there, in MB (10^6 bytes)."""
    function()
    seconds = []
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what earlier calls freed goes back
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = _status("VmRSS")
    for _ in range(repeats):
        began = time.process_time()
        function()
        seconds.append(time.process_time() - began)
    return {"seconds": min(seconds), "mb": max(0.0, _status("VmHWM") - before)}


def by_regions(captioner: Any, names: Sequence[str], repeats: int) -> list[dict[str, float]]:
    image = Image.open(PICTURE).convert("RGB")
    rows = []
    for count in REGIONS:
        regions = ellipses(count, image.size)
        asked = names[:PART_QUESTIONS]
        row = measured(
            lambda r=regions, a=asked: captioner.caption(image, regions=r, attributes=a), repeats
        )
        rows.append({"regions": count, "answers": count * len(asked), **row})
    return rows


def by_questions(captioner: Any, names: Sequence[str], repeats: int) -> list[dict[str, float]]:
    image = Image.open(PICTURE).convert("RGB")
    regions = ellipses(PART_REGIONS, image.size)
    rows = []
    for count in QUESTIONS:
        row = measured(
            lambda a=names[:count]: captioner.caption(image, regions=regions, attributes=a),
            repeats,
        )
        rows.append({"questions": count, "answers": count * len(regions), **row})
    return rows


def by_size(captioner: Any, names: Sequence[str], repeats: int) -> list[dict[str, float]]:
    """A JPEG file of each size, with masks of its size."""
    source = Image.open(PICTURE).convert("RGB")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for mega in MEGAPIXELS:
            scale = (mega * 1e6 / (source.width * source.height)) ** 0.5
            size = (round(source.width * scale), round(source.height * scale))
            file = Path(folder) / f"{mega}.jpg"
            source.resize(size).save(file, quality=90)
            regions = ellipses(PART_REGIONS, size)
            row = measured(
                lambda f=file, r=regions: captioner.caption(
                    f, regions=r, attributes=names[:PART_QUESTIONS]
                ),
                min(repeats, 3),
            )
            rows.append({"megapixels": mega, **row})
    return rows


def pictures(count: int) -> list[tuple[np.ndarray, list[Any]]]:
    """Crops of the example, each with a region."""
    whole = np.asarray(Image.open(PICTURE).convert("RGB"))
    side = min(whole.shape[:2]) // 2
    random = np.random.default_rng(0)
    regions = ellipses(1, (side, side))
    found = []
    for _ in range(count):
        top, left = (int(random.integers(0, n - side)) for n in whole.shape[:2])
        found.append((whole[top : top + side, left : left + side], regions))
    return found


def caption_all(
    captioner: Any, given: Sequence[Any], names: Sequence[str], note: Callable[[int], None]
) -> None:
    """Batches of pictures, some questions on a region each."""
    from finecaption.request import Request

    for start in range(0, len(given), BATCH):
        requests = [Request(p, r, tuple(names)) for p, r in given[start : start + BATCH]]
        captioner.caption_batch(requests)
        note(start + len(requests))


def worker(count: int) -> None:
    """One process of the part "processes": ready, go, done."""
    from finecaption import FineCaption
    from finecaption.attributes import ATTRIBUTE_NAMES

    captioner = FineCaption.from_pretrained()
    names = ATTRIBUTE_NAMES[:PART_QUESTIONS]
    given = pictures(count)
    caption_all(captioner, given[:BATCH], names, lambda done: None)
    print("ready", flush=True)
    sys.stdin.readline()
    caption_all(captioner, given, names, lambda done: None)
    print("done", flush=True)


def by_processes(count: int) -> list[dict[str, float]]:
    """The same pictures shared among 1 or 2 processes of 1 thread, and one of 2 threads."""
    rows = []
    for processes, threads in ((1, 1), (1, 2), (2, 1)):
        command = [sys.executable, __file__, "--worker", str(count // processes)]
        setting = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        running = [
            subprocess.Popen(
                command, env=setting, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(processes)
        ]
        for process in running:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        began = time.perf_counter()
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in running:
            assert process.stdout is not None and process.stdout.readline() == "done\n"
        seconds = time.perf_counter() - began
        for process in running:
            process.communicate()
        rows.append({"processes": processes, "threads": threads, "pictures": count,
                     "pictures_per_second": count / seconds})  # fmt: skip
    return rows


def by_pictures(captioner: Any, names: Sequence[str], count: int) -> dict[str, Any]:
    """Resident memory while many pictures pass."""
    points: list[tuple[int, float]] = []
    every = max(BATCH, count // 100 // BATCH * BATCH)
    base = pictures(64)

    def note(done: int) -> None:
        points.append((done, _status("VmRSS")))

    done = 0
    while done < count:
        part = [base[(done + i) % len(base)] for i in range(every)]
        caption_all(captioner, part, names[:3], lambda n: None)
        done += every
        note(done)
    return {"pictures": done, **growth(points), "points": points}


def growth(points: Sequence[tuple[int, float]]) -> dict[str, float]:
    """Of a curve of memory: from the median of its first quarter to that of its last, and its
    lowest and highest, in MB."""
    values = [mb for _, mb in points]
    quarter = max(1, len(values) // 4)
    first, last = statistics.median(values[:quarter]), statistics.median(values[-quarter:])
    return {"growth_mb": last - first, "lowest_mb": min(values), "highest_mb": max(values)}


def plot(result: dict[str, Any]) -> None:
    """docs/speed/scaling.svg and memory.svg."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    plt.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "finecaption", "font.family": "sans-serif",
        "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
        "axes.grid": True, "grid.color": "#e3e0d8", "axes.edgecolor": "#7d8590",
        "axes.axisbelow": True, "figure.facecolor": "white",
    })  # fmt: skip
    blue, amber = "#1f77ff", "#e0a100"
    PLOTS.mkdir(parents=True, exist_ok=True)
    figure, panels = plt.subplots(2, 2, figsize=(8.4, 6.0), layout="constrained")
    lines = (
        ("regions", "regions", f"Regions of one picture, {PART_QUESTIONS} questions each"),
        ("questions", "questions", f"Questions on each of {PART_REGIONS} regions"),
        ("size", "megapixels",
         f"Megapixels (JPEG file, {PART_REGIONS} regions, {PART_QUESTIONS} questions)"),
    )  # fmt: skip
    for axes, (part, name, title) in zip(panels.flat, lines, strict=False):
        rows = result.get(part, [])
        x = [row[name] for row in rows]
        axes.plot(x, [row["seconds"] for row in rows], "o-", color=blue, ms=4)
        axes.set(title=title, xlabel=name, ylim=(0, None), xlim=(0, None))
        axes.set_ylabel("processor seconds", color=blue)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        other = axes.twinx()
        other.plot(x, [row["mb"] for row in rows], "s--", color=amber, ms=4)
        other.set_ylabel("MB on top", color="#8a6400")
        other.set_ylim(0, max([50, *(1.15 * row["mb"] for row in rows)]))
        other.grid(False)
    axes = panels[1, 1]
    rows = result.get("processes", [])
    labels = [f"{r['processes']} x {r['threads']} thread{'s' * (r['threads'] > 1)}" for r in rows]
    bars = axes.bar(labels, [row["pictures_per_second"] for row in rows], color=blue, width=0.55)
    axes.bar_label(bars, fmt="%.1f", padding=2)
    axes.set(title=f"Processes (1 region, {PART_QUESTIONS} questions a picture)",
             ylabel="pictures a second")  # fmt: skip
    axes.margins(y=0.12)
    axes.grid(axis="x", visible=False)
    figure.savefig(PLOTS / "scaling.svg", metadata={"Date": None})
    plt.close(figure)
    if "memory" in result:
        figure, axes = plt.subplots(figsize=(7.0, 2.8), layout="constrained")
        memory = result["memory"]
        axes.plot(*zip(*memory["points"], strict=True), color=blue)
        axes.set(title=f"Resident memory while {memory['pictures']:,} pictures pass",
                 xlabel="pictures", ylabel="MB", xlim=(0, None),
                 ylim=(0, 1.25 * max(mb for _, mb in memory["points"])))  # fmt: skip
        figure.savefig(PLOTS / "memory.svg", metadata={"Date": None})
        plt.close(figure)


def show(result: dict[str, Any]) -> None:
    for part, name in (("regions", "regions"), ("questions", "questions"), ("size", "megapixels")):
        for row in result.get(part, []):
            print(f"{name:>10} {row[name]:>5} {row['seconds']:>8.3f} s {row['mb']:>7.0f} MB")
    for row in result.get("processes", []):
        print(f"{row['processes']} processes of {row['threads']} threads: "
              f"{row['pictures_per_second']:.2f} pictures/s")  # fmt: skip
    if "memory" in result:
        memory = result["memory"]
        print(f"{memory['pictures']} pictures: memory grew by {memory['growth_mb']:.1f} MB, "
              f"between {memory['lowest_mb']:.0f} and {memory['highest_mb']:.0f} MB")  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints, draws."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--model", default="finecaption-mini")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=1000, help="of the part memory")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/results/scaling.json")
    parser.add_argument("--no-plots", action="store_true")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker:
        worker(args.worker)
        return 0
    result = json.loads(args.json.read_text()) if args.json.is_file() else {}

    import torch

    from finecaption import FineCaption
    from finecaption.attributes import ATTRIBUTE_NAMES

    torch.set_num_threads(1)
    captioner = FineCaption.from_pretrained(args.model)
    for part in args.parts:
        if part == "regions":
            result[part] = by_regions(captioner, ATTRIBUTE_NAMES, args.repeats)
        elif part == "questions":
            result[part] = by_questions(captioner, ATTRIBUTE_NAMES, args.repeats)
        elif part == "size":
            result[part] = by_size(captioner, ATTRIBUTE_NAMES, args.repeats)
        elif part == "processes":
            result[part] = by_processes(32)
        else:
            result[part] = by_pictures(captioner, ATTRIBUTE_NAMES, args.pictures)
    result["about"] = {
        "model": Path(args.model).name, "device": captioner.model.device.type,
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "threads": torch.get_num_threads(), "torch": torch.__version__,
    }  # fmt: skip
    show(result)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(result, indent=1) + "\n")
    if not args.no_plots:
        plot(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
