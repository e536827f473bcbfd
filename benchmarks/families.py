"""Every family, and ours, describes one region of one picture, each on a tiny checkpoint.

    python benchmarks/families.py [--picture examples/room.png] [--box X0,Y0,X1,Y1]

The checkpoints have random weights, so what they say means nothing; what is shown is that every
family is found by its config, given the region in its own format, and answers, with no network.
Writes benchmarks/results/families.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from finecaption import Region, load_image
from finecaption.captioners import open_captioner
from finecaption.captioners.checkpoint import TransformersCaptioner
from finecaption.captioners.questions import Question
from finecaption.io.geometry import parse_box
from finecaption.request import Request
from finecaption.results import CaptionResult

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
tiny: Any = importlib.import_module("tests.captioners.tiny")


def rows(picture: str, box: str) -> list[dict[str, Any]]:
    """A row a family, and one for the shipped model."""
    image = load_image(picture)
    region = Region.from_box(parse_box(box, "--box"), image.size)
    request = Request(image, [region], ["Color"])
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for family in (*tiny.tiny_families(), "finecaption-mini"):
            ours = family == "finecaption-mini"
            name = family if ours else str(tiny.write_tiny(family, Path(folder) / family))
            captioner = open_captioner(name, device="cpu", max_new_tokens=16)
            (result,) = captioner.caption_batch([request])
            assert isinstance(result, CaptionResult)
            told = result.regions[0].captions["Color"]
            asked = "(mask) Describe this region: Color."
            if isinstance(captioner, TransformersCaptioner):
                asked = captioner.prompt(Question(image, region, "aarc", "Color")).question
            found.append(
                {
                    "family": family,
                    "region": captioner.identity["region"],
                    "asked": asked,
                    "said": told,
                }
            )
    return found


def main() -> None:
    """Prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", default=str(ROOT / "examples" / "room.png"))
    parser.add_argument("--box", default="326,262,458,338")
    given = parser.parse_args()
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
    from transformers.utils import logging

    logging.disable_progress_bar()
    found = rows(given.picture, given.box)
    table = Table("family", show_lines=True)
    for title in ("what it is asked", "what it says (random weights, but the last)"):
        table.add_column(title, overflow="fold")
    for row in found:
        table.add_row(row["family"], Text(row["asked"]), Text(row["said"]))
    Console(width=120).print(table)
    out = ROOT / "benchmarks" / "results" / "families.json"
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
