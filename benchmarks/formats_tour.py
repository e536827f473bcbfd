"""A sample of every data set format, and what convert, validate, stats and view make of it.

    python benchmarks/formats_tour.py [--scenes 2] [--out out/formats]

The samples are drawn scenes, written in each published layout: files, folders, keys and mask
encodings as the publishers have them, texts of the drawn world. Writes the samples, the pages and
benchmarks/results/formats_tour.json; fails if a format is left out or a command does not end as it
should.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

from formats_layouts import LAYOUTS, Scene, draw, make

from finecaption.cli import main as finecaption
from finecaption.data.sources import SOURCE_NAMES

ROOT = Path(__file__).resolve().parents[1]


# The layouts: each writes below `to` and says what --from reads


def run(*words: object) -> str:
    """A command in this process; its output.

    Raises:
        SystemExit: it did not end with 0.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = finecaption(["data", *map(str, words)])
    if code:
        raise SystemExit(f"finecaption data {' '.join(map(str, words))}: {code}\n{err.getvalue()}")
    return out.getvalue()


def tour(scenes: list[Scene], out: Path) -> list[dict[str, Any]]:
    """The four commands on each format: a row each."""
    assert set(LAYOUTS) == set(SOURCE_NAMES), "a format is left out"
    rows = []
    for name in LAYOUTS:
        path, more = make(name, scenes, out)
        given = [path, "--from", name, *more]
        shutil.rmtree(out / "stores" / name, ignore_errors=True)
        run("validate", *given)
        run("convert", *given, "--to", "parquet", "--embed", "--out", out / "stores" / name)
        told = json.loads(run("stats", *given, "--json", "--out", out / f"{name}.stats.html"))
        again = json.loads(run("stats", out / "stores" / name, "--json"))
        assert again["samples"] == told["samples"] and again["regions"] == told["regions"], name
        run("view", *given, "--out", out / f"{name}.view.html")
        rows.append({
            "format": name, "pictures": told["pictures"], "regions": told["regions"],
            "samples": told["samples"], "attributes": len(told["attributes"]),
            "tasks": " ".join(told["tasks"]),
            "mask_box_iou": told["mask_box_iou"].get("mean"),
        })  # fmt: skip
    return rows


def main() -> None:
    """Runs all, prints a table, writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scenes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/formats"))
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/results/formats_tour.json")
    options = parser.parse_args()
    scenes = draw(options.out / "synth", options.scenes)
    rows = tour(scenes, options.out)
    print(f"{'format':16}{'pictures':>9}{'regions':>9}{'samples':>9}{'attributes':>11}"
          f"{'mask/box IoU':>14}  tasks")  # fmt: skip
    for row in rows:
        iou = "-" if row["mask_box_iou"] is None else f"{row['mask_box_iou']:.3f}"
        print(f"{row['format']:16}{row['pictures']:9}{row['regions']:9}{row['samples']:9}"
              f"{row['attributes']:11}{iou:>14}  {row['tasks']}")  # fmt: skip
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"scenes": len(scenes), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
