"""A whole evaluation: the steps in order, each from its file to the next."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import finecaption
from finecaption.captioners import ModelSpec
from finecaption.errors import InputError
from finecaption.eval import steps
from finecaption.eval.benchmark import benchmark
from finecaption.eval.data import EvalSource
from finecaption.eval.records import Record, RunFolder, read_json, read_records
from finecaption.eval.score import scores
from finecaption.eval.shards import merge, shard_folder
from finecaption.eval.steps import ALONE, Shard
from finecaption.eval.table import report
from finecaption.io import strict_json
from finecaption.io.atomic import write_json, write_text
from finecaption.metrics.captions import CaptionScorer
from finecaption.protocol import Capability, Captioner, Progress
from finecaption.request import Request
from finecaption.results import CaptionResult
from finecaption.types import TASKS, Task

DRAWN_LIMIT = 500  # regions of a source without end
ANSWER_TOKENS = 160  # cap on an answer; the longest paragraph about a synthetic region has 70
ANSWERS = "answers.jsonl"


class Model(Protocol):
    """What is evaluated: `finecaption.captioners.ModelSpec` or the like. It is opened when the
    first question is asked."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """See `finecaption.protocol.Captioner`."""
        ...

    @property
    def clicks(self) -> bool:
        """Whether it has a click segmenter."""
        ...

    def open(self) -> Captioner: ...


def model_to_evaluate(name: str, device: str | None = None) -> ModelSpec:
    """The model of that name, with the cap on an answer that evaluation uses for our own models.

    Raises:
        InputError: there is none.
    """
    spec = ModelSpec(name, device)
    return replace(spec, max_new_tokens=ANSWER_TOKENS) if spec.ours else spec


def surroundings(captioner: Any) -> Record:
    """Versions and hardware, for the manifest."""
    return {
        "versions": {
            "finecaption": finecaption.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "transformers", "numpy")},
        },
        "hardware": {
            "device": getattr(captioner, "device", "see the captioner"),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
        },
    }


def check_tasks(names: Collection[str]) -> tuple[Task, ...]:
    """Tasks by name, each once, in the order of types.TASKS.

    Raises:
        InputError: an unknown one, or none.
    """
    unknown = sorted(set(names) - set(TASKS))
    if unknown or not names:
        raise InputError(f"tasks: {', '.join(unknown) or 'none'}; choose of {', '.join(TASKS)}")
    return tuple(task for task in TASKS if task in names)


def predict(
    model: Model,
    source: EvalSource,
    out: str | os.PathLike[str],
    *,
    tasks: Collection[str] = TASKS,
    limit: int | None = None,
    twins: int | None = None,
    clicks: int | None = None,
    batch: int = 8,
    progress: steps.Progress | None = None,
    shard: Shard = ALONE,
) -> bool:
    """Asks the model everything; goes on where a run was left.

    Args:
        model: what is asked.
        source: the images.
        out: the folder; it gets run.json and predictions.jsonl (tasks aarc and rdc), wholes.jsonl
            (cgic), twins.jsonl and clicks.jsonl.
        tasks: of types.TASKS.
        limit: regions (images, for cgic, are those that these regions are in); None: all of a
            dataset, DRAWN_LIMIT of the synthetic world.
        twins: pairs of twins, which are looked for in the source's images from the first on; 0:
            only those among the regions. None: 200 of the synthetic world where attributes are
            asked.
        clicks: regions to click on; 0, or a model without a segmenter: none. None: as many as
            `limit` of the synthetic world, none of a dataset.
        batch: images asked at once.
        shard: the part that is answered here.

    Returns:
        Whether all is answered; with several shards, the last to end puts them together.

    Raises:
        InputError: a number out of range, or the folder holds another run.
    """
    wanted = check_tasks(tasks)
    if limit is None and source.drawn:
        limit = DRAWN_LIMIT
    if twins is None:
        twins = 200 if source.drawn and "aarc" in wanted else 0
    if clicks is None:
        clicks = (limit or 0) if source.drawn and "aarc" in wanted else 0
    for name, value, least in (
        ("limit", limit if limit is not None else 1, 1),
        ("twins", twins, 0),
        ("clicks", clicks, 0),
        ("batch", batch, 1),
    ):
        if value < least:
            raise InputError(f"{name}: is {value}; it must be at least {least}")
    if not model.clicks:
        clicks = 0
    settings = {
        "model": dict(model.identity),
        "data": source.identity,
        "unseen_only": source.unseen_only,
        "tasks": list(wanted),
        "limit": limit,
        "twins": twins,
        "clicks": clicks,
    }
    root = Path(out)
    opened = _OpenedLater(model)
    folder = RunFolder(shard_folder(root, shard), settings, lambda: surroundings(opened.captioner))

    def run(step: steps.Step, most: int | None) -> None:
        steps.run_step(step, folder, most, batch, progress, shard)

    if set(wanted) & {"aarc", "rdc"}:
        run(steps.predictions(source, opened, wanted), limit)
    if "cgic" in wanted:
        # the images whose regions were asked about; without regions, as many as the limit says
        about = folder.manifest["done"].get("predictions")
        last = about["last_index"] if about and about["records"] else None
        run(steps.wholes(source, opened, last), limit if last is None else None)
    if twins:
        run(steps.twins(source, opened), twins)
    if clicks and not folder.done("clicks"):
        run(steps.clicks(source, opened.captioner.segmenter), clicks)
    return shard.of == 1 or merge(root, shard, _steps(settings))


class _OpenedLater:
    """A captioner that is opened when it is first asked."""

    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def name(self) -> str:
        return str(self.identity["name"])

    @property
    def identity(self) -> Mapping[str, Any]:
        return self._model.identity

    @cached_property
    def captioner(self) -> Any:
        return self._model.open()

    def caption_batch(
        self, requests: Sequence[Request], *, progress: Progress | None = None
    ) -> list[CaptionResult | InputError]:
        found: list[CaptionResult | InputError] = self.captioner.caption_batch(
            requests, progress=progress
        )
        return found


def rescore(out: str | os.PathLike[str], scorer: CaptionScorer | None = None) -> dict[str, Any]:
    """Scores the records of a folder; no model is needed. Writes scores.json, answers.jsonl (every
    answer with its own figures) and table.md.

    Args:
        scorer: of captions against references; None leaves these figures out.

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
    predictions = found.get("predictions", [])
    unseen_only = settings["unseen_only"]
    result = scores(predictions, found.get("twins"), found.get("clicks"), unseen_only)
    more, answers = benchmark(predictions, found.get("wholes", []), scorer, unseen_only)
    result |= more
    result["settings"] = settings
    result |= {k: v for k, v in folder.manifest.items() if k not in ("settings", "done")}
    result["steps"] = folder.manifest["done"]
    lines = (strict_json.dumps(a.to_dict(), ensure_ascii=False) + "\n" for a in answers)
    write_text(folder.path / ANSWERS, "".join(lines))
    write_json(folder.path / "scores.json", result)
    retable(out)
    return result


def _steps(settings: Record) -> list[str]:
    tasks = settings.get("tasks", ["aarc"])
    asked = [("predictions", {"aarc", "rdc"}), ("wholes", {"cgic"})]
    out = [name for name, those in asked if those & set(tasks)]
    return [*out, *(s for s in ("twins", "clicks") if settings[s])]


def retable(out: str | os.PathLike[str]) -> Path:
    """Writes table.md from scores.json; returns its path."""
    path = Path(out) / "table.md"
    write_text(path, report(read_json(Path(out) / "scores.json")))
    return path


def evaluate(
    model: Model,
    source: EvalSource,
    out: str | os.PathLike[str],
    *,
    scorer: CaptionScorer | None = None,
    **asked: Any,
) -> dict[str, Any]:
    """Predicts, scores and tabulates into a folder; goes on where a run was left.

    Args:
        model, source, out, asked: as of `predict`.
        scorer: as of `rescore`.

    Returns:
        What scores.json holds.

    Raises:
        InputError: as of `predict`.
    """
    predict(model, source, out, **asked)
    return rescore(out, scorer)
