"""A whole evaluation: the steps in order, each from its file to the next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from finecaption.errors import InputError
from finecaption.eval import steps
from finecaption.eval.data import Source
from finecaption.eval.records import (
    Record,
    RunFolder,
    read_json,
    read_records,
    write_atomically,
    write_json,
)
from finecaption.eval.score import scores
from finecaption.eval.table import report


class Subject(Protocol):
    """What is evaluated. Nothing is loaded before it is asked for.

    Attributes:
        identity: what makes two subjects the same, as plain JSON values, with "name" for reports.
        clicks: whether it has a click segmenter.
    """

    @property
    def identity(self) -> Record: ...

    @property
    def clicks(self) -> bool: ...

    def about(self) -> Record:
        """Versions and hardware, for the manifest."""
        ...

    def answerer(self) -> steps.Answerer: ...

    def clicker(self) -> steps.Clicker: ...


def evaluate(
    subject: Subject,
    source: Source,
    out: str | os.PathLike[str],
    *,
    limit: int = 500,
    twins: int = 200,
    clicks: int | None = None,
    batch: int = 8,
    progress: steps.Progress | None = None,
) -> dict[str, Any]:
    """Predicts, scores and tabulates into a folder; goes on where a run was left.

    Args:
        subject: the model.
        source: the pictures.
        out: the folder; it gets run.json, predictions.jsonl, twins.jsonl, clicks.jsonl,
            scores.json and table.md.
        limit: regions.
        twins: pairs of twins, which are looked for in the source's pictures from the first on; 0:
            only those among the regions.
        clicks: regions to click on (default: `limit`); 0, or a model without a segmenter: none.
        batch: pictures asked at once.

    Returns:
        What scores.json holds.

    Raises:
        InputError: a number out of range, or the folder holds another run.
    """
    clicks = limit if clicks is None else clicks
    for name, value, least in (
        ("limit", limit, 1), ("twins", twins, 0), ("clicks", clicks, 0), ("batch", batch, 1),
    ):  # fmt: skip
        if value < least:
            raise InputError(f"{name}: is {value}; it must be at least {least}")
    if not subject.clicks:
        clicks = 0
    settings = {
        "model": subject.identity,
        "data": source.identity,
        "unseen_only": source.unseen_only,
        "limit": limit,
        "twins": twins,
        "clicks": clicks,
    }
    folder = RunFolder(out, settings, subject.about)
    answerer = _Late(subject)
    steps.run_step(steps.predictions(source, answerer), folder, limit, batch, progress)
    if twins:
        steps.run_step(steps.twins(source, answerer), folder, twins, batch, progress)
    if clicks and not folder.done("clicks"):
        clicker = subject.clicker()
        steps.run_step(steps.clicks(source, clicker), folder, clicks, batch, progress)
    return rescore(out)


class _Late:
    """Loads the model when the first question is asked."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._answerer: steps.Answerer | None = None

    def answer(self, batch: Any) -> list[list[list[str]]]:
        if self._answerer is None:
            self._answerer = self._subject.answerer()
        return self._answerer.answer(batch)


def rescore(out: str | os.PathLike[str]) -> dict[str, Any]:
    """Scores the records of a folder and writes scores.json and table.md; no model is needed.

    Raises:
        InputError: the folder holds no evaluation, or its predictions are not complete.
    """
    folder = RunFolder.existing(out)
    settings = folder.settings
    unfinished = [s for s in _steps(settings) if not folder.done(s)]
    if unfinished:
        raise InputError(
            f"out: {out} is not finished ({', '.join(unfinished)}); run the same evaluation again "
            "and it goes on where it was left"
        )
    found = {s: read_records(folder.records(s).path) for s in _steps(settings)}
    result = scores(
        found["predictions"], found.get("twins"), found.get("clicks"), settings["unseen_only"]
    )
    result["settings"] = settings
    result |= {k: v for k, v in folder.manifest.items() if k not in ("settings", "done")}
    write_json(folder.path / "scores.json", result)
    retable(out)
    return result


def _steps(settings: Record) -> list[str]:
    return ["predictions", *(s for s in ("twins", "clicks") if settings[s])]


def retable(out: str | os.PathLike[str]) -> Path:
    """Writes table.md from scores.json; returns its path."""
    path = Path(out) / "table.md"
    write_atomically(path, report(read_json(Path(out) / "scores.json")))
    return path
