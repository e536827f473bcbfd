"""Writes the results into README.md and docs/model-card.md from scores.json files.

    python docs/results.py TEST/scores.json UNSEEN/scores.json

Both files have a pair of markers, `<!-- results:begin -->` and `<!-- results:end -->`; what stands
between them is replaced.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.eval.table import interval, markdown, percent
from finecaption.pages import rewrite_section

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/model-card.md")
HEADER = ("Attribute", "test, %", "95 %", "questions", "test-unseen, %", "95 %", "questions")


def _figures(scores: dict[str, Any]) -> list[str]:
    if not scores:
        return ["–"] * 3
    return [percent(scores["accuracy"]), interval(scores["interval"]), str(scores["count"])]


def _mean(scores: dict[str, Any]) -> list[str]:
    return [
        percent(scores["mean_accuracy"]), interval(scores["mean_interval"]),
        str(scores["questions"]),
    ]  # fmt: skip


def table(test: dict[str, Any], unseen: dict[str, Any]) -> str:
    """The figures of two scores.json as Markdown."""
    rows = []
    for name in ATTRIBUTE_NAMES:
        own = [s["attributes"].get(name, {}) for s in (test, unseen)]
        if any(own):
            rows.append([name, *(cell for s in own for cell in _figures(s))])
    rows.append(["**Mean over attributes**", *_mean(test), *_mean(unseen)])
    lines = [markdown(HEADER, rows, left=(0,))]
    lines += [
        f"- {which}: {text}"
        for which, scores in (("test", test), ("test-unseen", unseen))
        for text in _other(scores)
    ]
    return "\n".join(lines)


def _other(scores: dict[str, Any]) -> list[str]:
    out = []
    if twins := scores.get("twins"):
        out.append(
            f"of two things with nearly one box, the right one is named for "
            f"{percent(twins['accuracy'])} % of {twins['count']} regions"
        )
    if clicks := (scores.get("clicks") or {}).get("all"):
        told = ", ".join(f"{v:.3f} after {k}" for k, v in clicks["mean_iou"].items())
        out.append(f"mean IoU of the mask from clicks: {told} ({clicks['count']} regions)")
    if tricks := scores.get("abstention"):
        out.append(
            f"questions that cannot apply are answered so in {percent(tricks['accuracy'])} % of "
            f"{tricks['count']}"
        )
    return out


def main(test: str, unseen: str, root: Path = ROOT) -> None:
    """Rewrites the pages."""
    text = table(*(json.loads(Path(p).read_text("utf-8")) for p in (test, unseen)))
    for name in PAGES:
        rewrite_section(root / name, "results", text)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
