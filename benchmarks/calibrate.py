"""Fits a model's confidence, and shows how far it can be relied on.

    python benchmarks/calibrate.py [--model finecaption-mini] [--regions 1200] [--write]

Asks the model what `finecaption eval` asks, of regions of synth:val (to fit to), synth:test and
synth:test-unseen (to judge by). With --write the fitted maps go into the model's folder as
calibration.json. Prints the tables of docs/confidence.md, writes benchmarks/results/calibrate.json
and docs/confidence/*.svg. Answers are kept in --out: an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from plotting import BLUE, GREY, ORANGE, open_pyplot
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.captioner import FineCaption
from finecaption.eval.opening import open_source
from finecaption.eval.records import RunFolder, read_records
from finecaption.eval.steps import Step, predictions, run_step
from finecaption.inference.batch_decoder import answers
from finecaption.io.atomic import write_json
from finecaption.io.checkpoint import resolve_model
from finecaption.request import Request, instruction_for
from finecaption.results import CaptionResult, caption_of
from finecaption.trust.calibration import Calibration, calibration_error
from finecaption_synth import vocabulary as voc
from finecaption_synth.language import is_abstention, is_not_applicable, score

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs" / "confidence"
FIT, HELD_OUT = "synth:val", ("synth:test", "synth:test-unseen")
ANSWER_TOKENS = 64  # as in finecaption eval
BATCH = 4  # pictures
BINS = 10  # of the plot and of the errors of single attributes; errors over all use 15
EDGES = (0.0, 0.5, 0.8, 0.95, 1.0)  # of the table of abstentions
KEEP = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95)


class Mark(NamedTuple):
    """One answer, marked."""

    name: str
    logprob: float
    tokens: int
    right: bool
    due: bool
    """Whether to abstain is right: the attribute cannot be seen, or cannot apply."""
    abstained: bool


class Recorder:
    """The captioner that finecaption.eval asks; keeps log-probability and length of each answer."""

    capabilities: frozenset[Any] = frozenset()

    def __init__(self, captioner: FineCaption) -> None:
        self.captioner, self.name = captioner, captioner.name
        self.identity = captioner.identity
        self.last: list[list[Any]] = []

    def caption_batch(self, requests: Sequence[Request], *, progress: Any = None) -> list[Any]:
        processor = self.captioner.processor
        images = list({id(r.image): r.image for r in requests}.values())
        place = {id(image): at for at, image in enumerate(images)}
        inputs = processor.image_processor(
            images,
            [r.regions[0].mask for r in requests],
            [place[id(r.image)] for r in requests],
            return_tensors="pt",
        )
        names = [r.questions.region_names for r in requests]
        questions = [[instruction_for(name) for name in own] for own in names]
        self.last = answers(
            self.captioner.model, processor, inputs, questions, max_new_tokens=ANSWER_TOKENS
        )
        return [
            CaptionResult((caption_of(r.regions[0], own, [one.text for one in row]),))
            for r, own, row in zip(requests, names, self.last, strict=True)
        ]


def asking(step: Step, recorder: Recorder) -> Step:
    """The step, its records with the log-probability and number of tokens of each answer."""

    def make(batch: Sequence[Any]) -> list[dict[str, Any]]:
        records = step.make(batch)
        for record, row in zip(records, recorder.last, strict=True):
            trick = record["trick"]
            names = [*record["truth"], *([trick["attribute"]] if trick else [])]
            record["sure"] = {
                name: [round(one.logprob, 6), one.tokens]
                for name, one in zip(names, row, strict=True)
            }
        return records

    return Step(step.name, step.stream, step.count, make)


def collect(
    captioner: FineCaption, digest: str, data: str, limit: int, out: Path, told: Callable[..., None]
) -> list[Mark]:
    """Marked answers to every question on `limit` regions of a source."""
    source = open_source(data, 0)
    folder = RunFolder(
        out / data.replace(":", "-"), {"data": data, "limit": limit, "model": digest}
    )
    recorder = Recorder(captioner)
    step = asking(predictions(source, recorder), recorder)
    run_step(step, folder, limit, BATCH, lambda _, done, total: told(done, total))
    return [mark for r in read_records(folder.records(step.name).path) for mark in marks(r)]


def marks(record: dict[str, Any]) -> list[Mark]:
    """The answers of one record."""
    out = []
    for name, facets in record["truth"].items():
        text = record["answers"][name]
        right = all(score(name, text, {k: tuple(v) for k, v in facets.items()}).values())
        due = all(tuple(values) == (voc.HIDDEN,) for values in facets.values())
        out.append(Mark(name, *record["sure"][name], right, due, is_abstention(text)))
    trick = record["trick"]
    if trick:
        name, text = trick["attribute"], trick["answer"]
        right = is_not_applicable(text)
        out.append(Mark(name, *record["sure"][name], right, True, is_abstention(text)))
    return out


@dataclass(frozen=True)
class Judged:
    """Marked answers and two figures of each: the raw one, and the calibrated one."""

    marks: list[Mark]
    raw: np.ndarray
    given: np.ndarray

    @classmethod
    def by(cls, calibration: Calibration, found: list[Mark]) -> Judged:
        given = [calibration.probability(m.name, m.logprob, m.tokens) for m in found]
        assert None not in given
        raw = np.exp([m.logprob for m in found])  # the mean token's probability
        return cls(found, raw, np.asarray(given, float))

    @property
    def right(self) -> np.ndarray:
        return np.asarray([m.right for m in self.marks], float)

    def part(self, keep: Sequence[bool]) -> Judged:
        places = np.flatnonzero(keep)
        return Judged([self.marks[i] for i in places], self.raw[places], self.given[places])


def loss(probabilities: np.ndarray, right: np.ndarray) -> float:
    """Mean negative log-likelihood, nats."""
    p = np.clip(probabilities, 1e-4, 1 - 1e-4)
    return float(-(right * np.log(p) + (1 - right) * np.log(1 - p)).mean())


def ranks_right(probabilities: np.ndarray, right: np.ndarray) -> float:
    """Area under the ROC curve: how often a right answer has more than a wrong one."""
    order = np.argsort(probabilities, kind="stable")
    rank = np.empty(len(order))
    rank[order] = np.arange(len(order))
    good = int(right.sum())
    bad = len(right) - good
    if not good or not bad:
        return math.nan
    return float((rank[right > 0].sum() - good * (good - 1) / 2) / (good * bad))


def figures(judged: Judged) -> dict[str, Any]:
    """What the first table shows of one source."""
    right = judged.right
    out: dict[str, Any] = {"answers": len(right), "right": float(right.mean())}
    for name, values in (("before", judged.raw), ("after", judged.given)):
        out[name] = {
            "ece": calibration_error(values.tolist(), right.astype(bool).tolist()),
            "brier": float(((values - right) ** 2).mean()),
            "loss": loss(values, right),
            "auc": ranks_right(values, right),
        }
    return out


def by_attribute(judged: Judged) -> dict[str, Any]:
    """The same by attribute, in their order."""
    out = {}
    for name in ATTRIBUTE_NAMES:
        own = judged.part([m.name == name for m in judged.marks])
        if own.marks:
            right = own.right.astype(bool).tolist()
            out[name] = {
                "answers": len(right),
                "right": float(own.right.mean()),
                "confidence": float(own.given.mean()),
                "ece_before": calibration_error(own.raw.tolist(), right, BINS),
                "ece_after": calibration_error(own.given.tolist(), right, BINS),
            }
    return out


def keeping(judged: Judged) -> list[dict[str, float]]:
    """What is left, and how much of it is right, if answers below a confidence are withheld."""
    out = []
    for least in KEEP:
        kept = judged.given >= least
        share = float(judged.right[kept].mean()) if kept.any() else math.nan
        out.append({"least": least, "kept": float(kept.mean()), "right": share})
    return out


def abstentions(judged: Judged) -> dict[str, Any]:
    """Of "cannot be seen" and "does not apply": how often said when due, and right when said."""
    due = judged.part([m.due for m in judged.marks])
    said = judged.part([m.abstained for m in judged.marks])
    bins = []
    for low, high in zip(EDGES, EDGES[1:], strict=False):
        inside = (said.given >= low) & ((said.given < high) | (high == 1.0))
        count = int(inside.sum())
        bins.append(
            {
                "from": low,
                "to": high,
                "answers": count,
                "right": float(said.right[inside].mean()) if count else None,
                "confidence": float(said.given[inside].mean()) if count else None,
            }
        )
    return {
        "due": len(due.marks),
        "said_when_due": float(np.mean([m.abstained for m in due.marks])),
        "said": len(said.marks),
        "right_when_said": float(said.right.mean()),
        "by_confidence": bins,
    }


def tables(results: dict[str, Any]) -> str:
    """Markdown."""
    lines = ["| data | answers | right | ECE before | after | loss before | after | AUC before "
             "| after |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for data, row in results["data"].items():
        pairs = [
            f"{row[when][key]:.3f}"
            for key in ("ece", "loss", "auc")
            for when in ("before", "after")
        ]
        lines.append(f"| {data} | {row['answers']} | {row['right']:.1%} | {' | '.join(pairs)} |")
    lines += ["", "| attribute | answers | right | mean confidence | ECE before | after |",
              "| --- | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for name, row in results["attributes"].items():
        lines.append(
            f"| {name} | {row['answers']} | {row['right']:.1%} | {row['confidence']:.1%} "
            f"| {row['ece_before']:.3f} | {row['ece_after']:.3f} |"
        )
    lines += ["", "| confidence at least | answers kept | right | kept, unseen | right, unseen |",
              "| ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for one, other in zip(*(results["keeping"][data] for data in HELD_OUT), strict=True):
        lines.append(
            f"| {one['least']:.2f} | {one['kept']:.1%} | {one['right']:.1%} "
            f"| {other['kept']:.1%} | {other['right']:.1%} |"
        )
    for data in HELD_OUT:
        found = results["abstention"][data]
        lines += [
            "",
            f"{data}: {found['due']} questions have no visible answer; the model says so of "
            f"{found['said_when_due']:.1%}. Of its {found['said']} abstentions "
            f"{found['right_when_said']:.1%} are right.",
            "",
            "| confidence of the abstention | abstentions | right | mean confidence |",
            "| --- | ---: | ---: | ---: |",
        ]
        for row in found["by_confidence"]:
            marks = [
                "-" if row[key] is None else f"{row[key]:.1%}" for key in ("right", "confidence")
            ]
            span = f"{row['from']:.2f} to {row['to']:.2f}"
            lines.append(f"| {span} | {row['answers']} | {' | '.join(marks)} |")
    return "\n".join(lines)


def plot(judged: dict[str, Judged], folder: Path) -> None:
    """reliability.svg: share right against confidence; keeping.svg: accuracy against coverage."""
    from matplotlib.ticker import PercentFormatter

    pyplot = open_pyplot()
    folder.mkdir(parents=True, exist_ok=True)
    figure, axes = pyplot.subplots(
        2, 2, figsize=(8, 5.4), sharex=True, height_ratios=(4, 1), layout="constrained"
    )
    for column, data in enumerate(HELD_OUT):
        top, bottom = axes[:, column]
        top.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1, linestyle="--")
        own = judged[data]
        for values, colour, label in (
            (own.raw, GREY, "before: mean token probability"),
            (own.given, BLUE, "after: calibrated confidence"),
        ):
            place = np.minimum((values * BINS).astype(int), BINS - 1)
            there = [b for b in range(BINS) if (place == b).sum() >= 10]
            x = [values[place == b].mean() for b in there]
            y = np.array([own.right[place == b].mean() for b in there])
            n = np.array([(place == b).sum() for b in there])
            wide = 1.96 * np.sqrt(y * (1 - y) / n)
            ece = calibration_error(values.tolist(), own.right.astype(bool).tolist())
            top.errorbar(
                x, y, yerr=wide, color=colour, marker="o", markersize=4.5, linewidth=1.6,
                elinewidth=1, label=f"{label}\n(calibration error {ece:.3f})",
            )  # fmt: skip
        top.set_title(f"{data}: {len(own.marks):,} answers".replace(",", "\u202f"), fontsize=10)
        top.set_ylim(0, 1)
        top.legend(frameon=False, fontsize=8.5, loc="upper left")
        counts = np.histogram(own.given, BINS, (0, 1))[0] / len(own.marks)
        bottom.bar(np.arange(BINS) / BINS, counts, 1 / BINS, align="edge", color=BLUE,
                   edgecolor="white")  # fmt: skip
        bottom.set_xlim(0, 1)
        bottom.set_xlabel("confidence")
    axes[0, 0].set_ylabel("share of answers that are right")
    axes[1, 0].set_ylabel("answers")
    highest = max(axis.get_ylim()[1] for axis in axes[1])
    for axis in axes[1]:
        axis.set_ylim(0, highest)
        axis.yaxis.set_major_formatter(PercentFormatter(1, 0))
    figure.savefig(folder / "reliability.svg", metadata={"Date": None})
    pyplot.close(figure)

    figure, axis = pyplot.subplots(figsize=(5.2, 3.4), layout="constrained")
    for data, colour in zip(HELD_OUT, (BLUE, ORANGE), strict=True):
        own = judged[data]
        order = np.argsort(-own.given, kind="stable")
        right = np.cumsum(own.right[order]) / np.arange(1, len(order) + 1)
        kept = np.arange(1, len(order) + 1) / len(order)
        axis.plot(kept[50:], right[50:], color=colour, linewidth=1.8, label=data)
    axis.set(xlabel="share of answers kept, the most confident first", ylabel="share right",
             xlim=(0, 1), ylim=(0.6, 1.0))  # fmt: skip
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(PercentFormatter(1, 0))
    axis.grid(axis="y", color="#e5e5e5", linewidth=0.8)
    axis.legend(frameon=False)
    figure.savefig(folder / "keeping.svg", metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="finecaption-mini")
    parser.add_argument("--regions", type=int, default=1200, help="of synth:val, to fit to")
    parser.add_argument("--held-out", type=int, default=500, help="of each other source")
    parser.add_argument("--out", type=Path, default=Path("out/calibrate"))
    parser.add_argument("--write", action="store_true", help="calibration.json into the model")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the plots go")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "calibrate.json")
    wanted = parser.parse_args()

    folder = resolve_model(wanted.model)
    weights = hashlib.sha256()
    for file in sorted(folder.glob("model*.safetensors")):
        weights.update(file.read_bytes())
    digest = weights.hexdigest()
    captioner = FineCaption.from_pretrained(folder)
    found = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        for data in (FIT, *HELD_OUT):
            limit = wanted.regions if data == FIT else wanted.held_out
            task = bar.add_task(data, total=limit)
            found[data] = collect(
                captioner, digest, data, limit, wanted.out,
                lambda done, total, task=task: bar.update(task, completed=done, total=total),
            )  # fmt: skip
            bar.update(task, completed=limit)
    own = found[FIT]
    about = {
        "data": FIT,
        "regions": wanted.regions,
        "answers": len(own),
        "decoding": "greedy",
        "right": "every facet that the truth has of the attribute is stated, and stated right",
        "weights_sha256": digest,
    }
    calibration = Calibration.fit(
        [m.name for m in own],
        [m.logprob for m in own],
        [m.tokens for m in own],
        [m.right for m in own],
        about,
    )
    if wanted.write:
        print(f"wrote {calibration.save(folder).name} for {folder.name}\n")
    judged = {data: Judged.by(calibration, found[data]) for data in found}
    results = {
        "model": folder.name,
        "fitted_on": about,
        "data": {data: figures(one) for data, one in judged.items()},
        "attributes": by_attribute(judged[HELD_OUT[0]]),
        "keeping": {data: keeping(judged[data]) for data in HELD_OUT},
        "abstention": {data: abstentions(judged[data]) for data in HELD_OUT},
        "machine": platform.machine(),
    }
    plot(judged, wanted.docs)
    wanted.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(wanted.json, json.loads(json.dumps(results)))
    print(tables(results))


if __name__ == "__main__":
    main()
