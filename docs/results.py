"""Writes the results into README.md and docs/model-card.md from scores.json files.

    python docs/results.py TEST/scores.json UNSEEN/scores.json

README.md gets a summary, docs/model-card.md the accuracy of every attribute. Both files have a pair
of markers, `<!-- results:begin -->` and `<!-- results:end -->`; the text between them is replaced.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.eval.table import interval, markdown, percent
from finecaption_synth.markdown import rewrite_section

ROOT = Path(__file__).resolve().parents[1]
HEADER = ("Attribute", "test, %", "95 %", "questions", "test-unseen, %", "95 %", "questions")


# key of scores.json -> row, and what was counted
_OF_VALUE = {
    "agreement": ("All answers on a region agree on noun and pronoun", "regions"),
    "contradictions": ("Single answer and paragraph contradict each other", "facets"),
    "objects": ("Objects named that are not in the image", "mentions"),
    "coverage": ("Salient objects that the caption of the whole image names", "objects"),
    "calibration": ("Expected calibration error of the confidence", "answers"),
}


def _attribute_cells(scores: dict[str, Any]) -> list[str]:
    if not scores:
        return ["–"] * 3
    return [percent(scores["accuracy"]), interval(scores["interval"]), str(scores["count"])]


def _mean_cells(scores: dict[str, Any]) -> list[str]:
    return [
        percent(scores["mean_accuracy"]), interval(scores["mean_interval"]),
        str(scores["questions"]),
    ]  # fmt: skip


def table(test: dict[str, Any], unseen: dict[str, Any]) -> str:
    """The accuracy of every attribute in two scores.json, as a Markdown table."""
    rows = []
    for name in ATTRIBUTE_NAMES:
        own = [s["attributes"].get(name, {}) for s in (test, unseen)]
        if any(own):
            rows.append([name, *(cell for s in own for cell in _attribute_cells(s))])
    rows.append(["**Mean over attributes**", *_mean_cells(test), *_mean_cells(unseen)])
    return markdown(HEADER, rows, left=(0,))


def summary(test: dict[str, Any], unseen: dict[str, Any]) -> str:
    """What two scores.json measured, one row a measure, as a Markdown table."""
    columns = [_measures(scores) for scores in (test, unseen)]
    rows = [[name, *(column.get(name, "–") for column in columns)] for name in columns[0]]
    return markdown(("", "test", "test-unseen"), rows, left=(0,))


def _measures(scores: dict[str, Any]) -> dict[str, str]:
    """Name of a measure -> its value in words; measures that were not taken are absent."""
    mean, limits = percent(scores["mean_accuracy"]), interval(scores["mean_interval"])
    out = {
        "Accuracy, mean over the attributes": f"{mean} % (95 %: {limits})",
    }
    if twins := scores.get("twins"):
        out["Two objects with nearly the same box: the mask decides which one is named"] = (
            f"{percent(twins['accuracy'])} % of {twins['count']} regions"
        )
    if abstention := scores.get("abstention"):
        out["Questions that cannot apply, such as the hair of a car, are rejected"] = (
            f"{percent(abstention['accuracy'])} % of {abstention['count']}"
        )
    for key, (name, unit) in _OF_VALUE.items():
        found = scores.get(key)
        if found and found["value"] is not None:
            out[name] = f"{percent(found['value'])} % of {found['count']} {unit}"
    if clicks := (scores.get("clicks") or {}).get("all"):
        means = ", ".join(f"{v:.3f} after {k}" for k, v in clicks["mean_iou"].items())
        out["Mean IoU of the mask from clicks"] = f"{means} ({clicks['count']} regions)"
    return out


def main(test: str, unseen: str, root: Path = ROOT) -> None:
    """Rewrites both pages.

    Raises:
        InputError: a page lacks its markers.
    """
    scores = [json.loads(Path(path).read_text("utf-8")) for path in (test, unseen)]
    rewrite_section(root / "README.md", "results", summary(*scores))
    rewrite_section(
        root / "docs/model-card.md", "results", f"{table(*scores)}\n\n{summary(*scores)}"
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
