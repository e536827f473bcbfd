"""A scored run as reports read it, and the examples that they show."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finecaption.eval.answers import ScoredAnswer, read_answers
from finecaption.eval.records import Record, read_json, read_records
from finecaption.eval.run import ANSWERS

TASK_NAMES = {
    "aarc": "one attribute of a region",
    "rdc": "a region in detail",
    "cgic": "the whole image",
}
EXAMPLES = 6  # of each kind


@dataclass(frozen=True)
class EvaluatedRun:
    """A scored run as a report reads it.

    Attributes:
        folder: of the run.
        scores: scores.json.
        answers: of answers.jsonl.
        places: (index, region_id) -> record of predictions, or of wholes under region 0.
    """

    folder: Path
    scores: Record
    answers: list[ScoredAnswer]
    places: dict[tuple[int, int], Record]


def open_run(folder: str | os.PathLike[str]) -> EvaluatedRun:
    """Reads a scored run.

    Raises:
        InputError: it has not been scored.
    """
    root = Path(folder)
    places: dict[tuple[int, int], Record] = {}
    for name, number in (("predictions", None), ("wholes", 0)):
        path = root / f"{name}.jsonl"
        for record in read_records(path) if path.exists() else ():
            place = record["region_id"] if number is None else number
            places[record["index"], place] = record
    answers = read_answers(read_records(root / ANSWERS))
    return EvaluatedRun(root, read_json(root / "scores.json"), answers, places)


@dataclass(frozen=True)
class Example:
    """A region (or image) with some of its answers.

    Attributes:
        place: its record.
        figure: mean of its answers' figures, 0..1.
        lines: (what was asked, answer, what is right, whether it is right; None: unknown).
    """

    place: Record
    figure: float | None
    lines: tuple[tuple[str, str, str, bool | None], ...]


_LINES = 4  # answers shown of a region


def best_and_worst(run: EvaluatedRun, count: int = EXAMPLES) -> tuple[list[Example], list[Example]]:
    """The regions with the highest and lowest mean value, one per image, of 3 answers or more.

    Ties fall to the region with more answers, then to the earlier one.
    """
    regions: dict[tuple[int, int], list[ScoredAnswer]] = {}
    for answer in run.answers:
        if answer.task == "aarc" and answer.figure is not None:
            regions.setdefault((answer.index, answer.region_id), []).append(answer)
    several = [(k, v) for k, v in regions.items() if len(v) >= 3] or list(regions.items())
    ranked = [
        (sum(float(a.figure or 0) for a in own) / len(own), -len(own), place)
        for place, own in several
    ]
    best = _one_a_picture(sorted(ranked, key=lambda r: (-r[0], r[1], r[2])), count)
    worst = _one_a_picture(sorted(ranked), count)
    taken = {row[2] for row in best}
    return (
        [_example(run, place, regions[place], mean, True) for mean, _, place in best],
        [
            _example(run, place, regions[place], mean, False)
            for mean, _, place in worst
            if place not in taken
        ],
    )


Ranked = tuple[float, int, tuple[int, int]]


def _one_a_picture(ranked: Sequence[Ranked], count: int) -> list[Ranked]:
    seen: set[int] = set()
    out: list[Ranked] = []
    for row in ranked:
        if row[2][0] not in seen and len(out) < count:
            seen.add(row[2][0])
            out.append(row)
    return out


def _example(
    run: EvaluatedRun, place: tuple[int, int], own: Sequence[ScoredAnswer], mean: float, best: bool
) -> Example:
    order = sorted(own, key=lambda a: -(a.figure or 0) if best else (a.figure or 0))
    return Example(run.places[place], mean, tuple(line(a) for a in order[:_LINES]))


def line(answer: ScoredAnswer) -> tuple[str, str, str, bool | None]:
    """A line of Example."""
    asked = answer.attribute or TASK_NAMES[answer.task]
    right = None if answer.share is None else answer.share == 1
    return asked, answer.text, answer.references[0] if answer.references else "", right


def contradictions(run: EvaluatedRun, count: int = EXAMPLES) -> list[Example]:
    """Regions whose paragraph contradicts a single answer, one per image."""
    found = (run.scores.get("conflicts") or {}).get("examples", [])
    seen: set[int] = set()
    facets: dict[tuple[str, str], int] = {}
    out: list[Example] = []
    for own in found:
        key = (own["attribute"], own["facet"])
        if own["index"] in seen or facets.get(key, 0) >= 2 or len(out) >= count:
            continue
        seen.add(own["index"])
        facets[key] = facets.get(key, 0) + 1
        record = run.places[own["index"], own["region_id"]]
        truth = " or ".join(own["truth"])
        alone, at_once = (all(v in own["truth"] for v in own[k]) for k in ("alone", "at_once"))
        out.append(
            Example(
                record,
                None,
                (
                    (own["attribute"], record["answers"][own["attribute"]], truth, alone),
                    (f"in detail ({own['facet']})", record["dense"], truth, at_once),
                ),
            )
        )
    return out
