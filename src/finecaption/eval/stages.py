"""Several scores.json in one table: what each stage of training brought."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.errors import InputError
from finecaption.eval.records import read_json
from finecaption.eval.table import interval, markdown, percent
from finecaption.io.atomic import write_text


def find_scores(root: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Every scores.json below a folder, by its folder's path from there, in natural order.

    Raises:
        InputError: there is none, or one cannot be read.
    """
    base = Path(root)
    found = {p.parent.relative_to(base).as_posix(): p for p in base.rglob("scores.json")}
    if not found:
        raise InputError(f"stages: no scores.json below {root}; evaluate into subfolders of it")
    return {name: _checked(found[name]) for name in sorted(found, key=_natural)}


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """ "stage-2" before "stage-10"."""
    parts = re.split(r"(\d+)", name)
    return [(p.isdigit(), int(p) if p.isdigit() else 0, p) for p in parts if p]


def _checked(path: Path) -> dict[str, Any]:
    scores = read_json(path)
    if not isinstance(scores, dict) or not isinstance(scores.get("attributes"), dict):
        raise InputError(f"{path}: is not a scores.json of `finecaption eval`")
    return scores


def stage_table(columns: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: attributes, then the other figures; a column for each scores.json.

    Percent, but clicks in IoU and counts as they are; a dash where a figure is absent.
    """
    asked = [n for n in ATTRIBUTE_NAMES if any(n in s["attributes"] for s in columns.values())]
    rows = [
        [n, *(percent(s["attributes"].get(n, {}).get("accuracy")) for s in columns.values())]
        for n in asked
    ]
    rows.append(["Mean over attributes", *(percent(s["mean_accuracy"]) for s in columns.values())])
    rows.append(["95 % interval", *(interval(s["mean_interval"]) for s in columns.values())])
    for label, key in (
        ("Near-duplicate boxes named right", "twins"),
        ("Inapplicable questions rejected", "abstention"),
    ):
        rows.append(
            [label, *(percent((s.get(key) or {}).get("accuracy")) for s in columns.values())]
        )
    for label, key in (("One click, wholes (IoU)", "wholes"), ("One click, parts (IoU)", "parts")):
        rows.append([label, *(_one_click(s, key) for s in columns.values())])
    for label, key in (
        ("Regions", "regions"),
        ("Images", "pictures"),
        ("Questions", "questions"),
    ):
        rows.append([label, *(str(s.get(key, "–")) for s in columns.values())])
    return ["", *columns], rows


def _one_click(scores: Mapping[str, Any], key: str) -> str:
    group = (scores.get("clicks") or {}).get(key)
    return f"{group['mean_iou']['1']:.3f}" if group else "–"


def stage_report(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table as Markdown."""
    return markdown(header, rows, left=(0,))


def write_stages(root: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Writes stages.md from every scores.json below a folder; returns its path.

    Args:
        out: the folder that stages.md goes to (default: root).
    """
    folder = Path(out if out is not None else root)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "stages.md"
    write_text(path, stage_report(*stage_table(find_scores(root))))
    return path
