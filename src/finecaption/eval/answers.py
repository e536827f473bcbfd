"""The single answers of a run with their metrics, for tables, reports and comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from finecaption.eval.records import Record
from finecaption.eval.truth import known_truth
from finecaption.metrics.captions import CaptionScorer, CaptionScores
from finecaption.metrics.text import Pair
from finecaption.types import TASKS, Task

Key = tuple[str, int, str, str]


@dataclass
class ScoredAnswer:
    """One answer.

    Attributes:
        picture, index: its image's name and place.
        region_id: 0 for the whole image.
        task, attribute: what was asked; attribute "" but for aarc.
        text: the answer.
        references: texts that are right.
        share: of the facets of the truth, how many are stated right; None without such a truth.
        figures: column of finecaption.metrics.captions -> this caption's own figure.
    """

    picture: str
    index: int
    region_id: int
    task: Task
    attribute: str
    text: str
    references: tuple[str, ...]
    share: float | None = None
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """The key that distinguishes it from the run's other answers."""
        return f"{self.index}/{self.picture}", self.region_id, self.task, self.attribute

    @property
    def figure(self) -> float | None:
        """The value that it is ranked by: the accuracy, or else ROUGE-L."""
        return self.share if self.share is not None else self.figures.get("ROUGE-L")

    def to_dict(self) -> Record:
        """A line of answers.jsonl."""
        return {
            "picture": self.picture,
            "index": self.index,
            "region_id": self.region_id,
            "task": self.task,
            "attribute": self.attribute,
            "text": self.text,
            "references": list(self.references),
            "share": self.share,
            "figures": {k: round(v, 6) for k, v in self.figures.items()},
        }

    @classmethod
    def from_dict(cls, record: Record) -> ScoredAnswer:
        """Inverse of to_dict."""
        return cls(**{**record, "references": tuple(record["references"])})


def answers_of(records: Iterable[Record], wholes: Iterable[Record] = ()) -> list[ScoredAnswer]:
    """The answers of predictions and whole images, in order, with accuracy but without metrics."""
    out = []
    for record in records:
        own = (record["picture"], record["index"], record["region_id"])
        for name, text in record["answers"].items():
            said = tuple(record.get("references", {}).get(name, ()))
            out.append(ScoredAnswer(*own, "aarc", name, text, said, _share(name, text, record)))
        if record.get("dense") is not None:
            said = tuple(record.get("dense_references", ()))
            out.append(ScoredAnswer(*own, "rdc", "", record["dense"], said))
    for record in wholes:
        said = tuple(record["references"])
        out.append(
            ScoredAnswer(record["picture"], record["index"], 0, "cgic", "", record["answer"], said)
        )
    return out


def _share(attribute: str, text: str, record: Record) -> float | None:
    facets = record["truth"].get(attribute)
    if not facets:
        return None
    right = known_truth().score(attribute, text, {k: tuple(v) for k, v in facets.items()})
    return sum(right.values()) / len(right)


def add_figures(
    answers: Sequence[ScoredAnswer], scorer: CaptionScorer
) -> dict[Task, CaptionScores]:
    """Adds the metrics of every answer that has references; returns those of each task's set."""
    sets = {t: [a for a in answers if a.task == t and a.references] for t in TASKS}
    sets = {task: own for task, own in sets.items() if own}
    if len(sets) > 1:
        scorer.warm()
    out: dict[Task, CaptionScores] = {}
    for task, own in sets.items():
        found = scorer.score([Pair(a.text, a.references) for a in own])
        for column, each in found.captions.items():
            for answer, value in zip(own, each.tolist(), strict=True):
                answer.figures[column] = value
        out[task] = found
    return out


def mean_figures(answers: Sequence[ScoredAnswer]) -> dict[str, float]:
    """Metric -> its mean over the captions."""
    out: dict[str, list[float]] = {}
    for answer in answers:
        for column, value in answer.figures.items():
            out.setdefault(column, []).append(value)
    return {column: sum(values) / len(values) for column, values in out.items()}


def read_answers(records: Iterable[Record]) -> list[ScoredAnswer]:
    """From the lines of answers.jsonl."""
    return [ScoredAnswer.from_dict(r) for r in records]
