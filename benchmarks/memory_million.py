"""Resident memory while a million generated regions are written to a store and read back.

    python benchmarks/memory_million.py [--regions 1000000]

Regions are made one at a time (a text and a mask each, five a picture, pictures by path), written,
then read in one shuffled epoch, each mask's code touched. The resident set is noted all the while.
Growth counts from the first tenth of each part, when libraries are loaded and buffers are full.
Fails above 200 MB. Writes benchmarks/results/memory_million.json and
docs/data/memory-million.svg.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.data import store
from finecaption.io import masks
from finecaption.types import RegionSample

ROOT = Path(__file__).resolve().parents[1]
LIMIT_MB = 200
PER_PICTURE = 5
POINTS = 200  # on the curve


def resident_mb() -> float:
    """Of this process, in MB (10^6 bytes)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def regions(count: int) -> Iterator[RegionSample]:
    """That many samples, each another one."""
    rng = np.random.default_rng(0)
    shapes = []
    for _ in range(97):
        mask = np.zeros((480, 640), bool)
        for _ in range(3):
            x, y = rng.integers(0, 500), rng.integers(0, 350)
            mask[y : y + rng.integers(9, 120), x : x + rng.integers(9, 130)] = True
        shapes.append(masks.encode_rle(mask))
    for number in range(count):
        picture = number // PER_PICTURE
        yield RegionSample(
            image=f"images/{picture % 1000:03d}/{picture:08d}.jpg",
            size=(640, 480),
            task="aarc",
            attribute="Color",
            text=f"Region {number} of the picture is of shade {number % 4093} and no other.",
            mask=shapes[number % len(shapes)],
            image_id=f"{picture:08d}",
            region_id=str(number % PER_PICTURE + 1),
            split="train",
            source="generated",
        )


class Curve:
    """The resident set by number of regions."""

    def __init__(self, count: int) -> None:
        self.every = max(1, count // POINTS)
        self.points: list[tuple[int, float]] = []

    def note(self, number: int) -> None:
        if number % self.every == 0:
            self.points.append((number, resident_mb()))

    def growth(self) -> float:
        """MB from the first tenth to the highest point after it."""
        tenth = max(1, len(self.points) // 10)
        base = max(mb for _, mb in self.points[:tenth])
        return max(mb for _, mb in self.points) - base


def run(count: int, folder: Path) -> dict[str, Any]:
    """Writes and reads; the curves."""
    write, read = Curve(count), Curve(count)

    def noted() -> Iterator[RegionSample]:
        for number, sample in enumerate(regions(count), 1):
            write.note(number)
            yield sample

    start = time.perf_counter()
    info = store.write(noted(), folder)
    written = time.perf_counter() - start
    opened = store.open(folder)
    start = time.perf_counter()
    seen = characters = 0
    for seen, item in enumerate(opened.items(seed=1, buffer=4096), 1):  # noqa: B007 # used after
        characters += len(item.row.regions[item.questions[0].region][1] or "")
        read.note(seen)
    took = time.perf_counter() - start
    assert seen == count == info.samples and characters
    size = sum(shard.size for shard in info.shards)
    return {
        "regions": count,
        "shards": len(info.shards),
        "megabytes": size / 1e6,
        "write": {"seconds": written, "growth_mb": write.growth(), "curve": write.points},
        "read": {"seconds": took, "growth_mb": read.growth(), "curve": read.points},
    }


def plot(result: dict[str, Any]) -> str:
    """Both curves as SVG."""
    width, height, left, right, top, bottom = 640, 300, 56, 110, 34, 46
    curves = {name: result[name]["curve"] for name in ("write", "read")}
    most = max(mb for points in curves.values() for _, mb in points)
    most = 50 * (int(most // 50) + 1)
    count = result["regions"]

    def x(number: float) -> float:
        return left + (width - left - right) * number / count

    def y(mb: float) -> float:
        return height - bottom - (height - top - bottom) * mb / most

    parts = [
        f'<text x="{left}" y="18" font-weight="600">Resident memory, {count:,} regions '
        f"(parquet)</text>"
    ]
    for mb in range(0, most + 1, 50):
        parts.append(
            f'<line x1="{left}" x2="{width - right}" y1="{y(mb):.1f}" y2="{y(mb):.1f}" '
            f'stroke="#e3e0d8"/><text x="{left - 6}" y="{y(mb) + 4:.1f}" text-anchor="end" '
            f'fill="#6a727d">{mb}</text>'
        )
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(
            f'<text x="{x(count * share):.1f}" y="{height - bottom + 18}" text-anchor="middle" '
            f'fill="#6a727d">{count * share:,.0f}</text>'
        )
    parts.append(
        f'<text x="{(left + width - right) / 2}" y="{height - 8}" text-anchor="middle" '
        f'fill="#6a727d">regions; MB upwards</text>'
    )
    ends = {name: points[-1][1] for name, points in curves.items()}
    near = abs(y(ends["write"]) - y(ends["read"])) < 14
    for name, colour in (("write", "#1b6ef3"), ("read", "#d7263d")):
        points = " ".join(f"{x(n):.1f},{y(mb):.1f}" for n, mb in curves[name])
        shift = (-7 if ends[name] == max(ends.values()) else 7) if near else 0
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
            f'<text x="{width - right + 8}" y="{y(ends[name]) + 4 + shift:.1f}" fill="{colour}">'
            f"{name}, +{result[name]['growth_mb']:.0f} MB</text>"
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, DejaVu Sans, sans-serif" font-size="12" fill="#20242c">'
        f'<rect width="{width}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def main() -> None:
    """Runs, prints, writes; exits with 1 above the limit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--regions", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/memory_million.json")
    parser.add_argument("--plot", type=Path, default=ROOT / "docs/data/memory-million.svg")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run(options.regions, Path(folder) / "store")
    for path, text in ((options.out, json.dumps(result) + "\n"), (options.plot, plot(result))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in ("write", "read"):
        told = result[name]
        print(
            f"{name}: {told['seconds']:.0f} s, {told['curve'][-1][1]:.0f} MB at the end, growth "
            f"{told['growth_mb']:.0f} MB"
        )
    worst = max(result[name]["growth_mb"] for name in ("write", "read"))
    raise SystemExit(worst > LIMIT_MB)


if __name__ == "__main__":
    main()
