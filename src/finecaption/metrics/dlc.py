"""DLC-Bench (Lian et al. 2025): detailed descriptions of regions, judged by questions on the text.

A text judge reads a description and answers multiple-choice questions on it. Positive questions
ask whether a detail is there and right, negative ones whether something is said that is not so,
and one question a region asks whether the thing was recognized at all: if not, no other question
of that region can score above 0. The figure is the mean of the positive and the negative score.
Prompts, reading of replies and marks follow evaluation/eval_model_outputs.py of
NVlabs/describe-anything, so that its published judge outputs give its published figures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finecaption.errors import InputError
from finecaption.metrics.judge import Judge, JudgeError

PUBLISHED_JUDGE = "meta-llama/Meta-Llama-3.1-8B-Instruct"
_LABELS = "abcde"

# The benchmark's own words: a judge asked otherwise gives other figures.
PROMPT = """\
Answer the multiple-choice question based on the text description of an object in an image. You \
need to follow these rules:
1. Do not output any reasoning. Do not perform correction. Please output exactly one answer from \
the choices for each question. Do not repeat the question.
2. There is no need for exact matching. Please choose the closest option based on the description.

The description is:
{caption}

From the description above, please answer the following question with one of the choices:
{question}
"""


@dataclass(frozen=True)
class DlcQuestion:
    """One question on a description.

    Attributes:
        kind: "recognition", "positive" or "negative".
        text: the question.
        choices: the texts to choose from.
        marks: of each choice; of recognition, 1 for the right one and 0.
    """

    kind: str
    text: str
    choices: tuple[str, ...]
    marks: tuple[float, ...]

    def prompt(self, caption: str) -> str:
        """What the judge is asked."""
        lines = [self.text]
        lines += [f"{_LABELS[i].upper()}. {c}" for i, c in enumerate(self.choices)]
        return PROMPT.format(caption=caption, question="\n".join(lines).strip())


@dataclass(frozen=True)
class RegionScore:
    """Marks of one region: means in -1..1 (negative None: no such question), recognized or not."""

    positive: float
    negative: float | None
    recognised: bool


@dataclass(frozen=True)
class DlcScores:
    """Figures of the benchmark.

    Attributes:
        positive, negative: means over regions, in -1..1 (papers print them times 100).
        mean: of the two; the benchmark's figure.
        recognised: share of regions that were recognized.
        regions: region -> its marks.
        judge: the judge's identity; empty for marks that were read from a file.
    """

    positive: float
    negative: float
    mean: float
    recognised: float
    regions: dict[str, RegionScore]
    judge: dict[str, Any]


# --- questions ---------------------------------------------------------------------------------


def recognition_question(name: str) -> DlcQuestion:
    """The question whether the thing was recognized, for a class name of the benchmark."""
    # holds for the benchmark's hundred names; the library that it asks takes "wine glass" so too
    plural = name == "wine glass" or (name.endswith("s") and name != "bus")
    article = "an" if name[:1].lower() in "aeiou" else "a"
    what = (
        f"the objects in the description are {name} or objects"
        if plural
        else f"the object in the description is {article} {name} or an object"
    )
    text = (
        f"Is it likely that {what} of a similar type? Again, It does not have to be an exact match."
    )
    return DlcQuestion("recognition", text, ("Yes", "No"), (1, 0))


def load_questions(
    questions: str | os.PathLike[str], names: str | os.PathLike[str]
) -> dict[str, list[DlcQuestion]]:
    """Region -> its questions, recognition first, from qa.json and class_names.json.

    Raises:
        InputError: a file cannot be read, a region has no class name, or a question is malformed.
    """
    asked, called = _read(questions), _read(names)
    out = {}
    for region, rows in asked.items():
        if not isinstance(called.get(region), str):
            raise InputError(f"{os.fspath(names)}: has no name for region {region}")
        where = f"{os.fspath(questions)}, region {region}"
        out[region] = [
            recognition_question(called[region]),
            *(_question(row, f"{where}, question {i}") for i, row in enumerate(rows)),
        ]
    return out


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        data = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{os.fspath(path)}: cannot be read as JSON ({error})") from error
    if not isinstance(data, dict):
        raise InputError(f"{os.fspath(path)}: must hold an object, region -> its entry")
    return data


def _question(row: Any, where: str) -> DlcQuestion:
    try:
        kind, text = row["type"], row["question"]
        choices = tuple(str(choice) for choice, _ in row["choices"])
        given = [mark for _, mark in row["choices"]]
        if kind == "recognition":
            marks = tuple(float(mark == "correct") for mark in given)
        elif kind in ("positive", "negative"):
            marks = tuple(float(mark) for mark in given)
        else:
            raise ValueError(f"unknown type {kind!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: is no question of DLC-Bench ({error!r})") from error
    if not 1 <= len(choices) <= len(_LABELS):
        raise InputError(f"{where}: has {len(choices)} choices; 1 to {len(_LABELS)} are understood")
    return DlcQuestion(kind, text, choices, marks)


# --- replies -------------------------------------------------------------------------------------


def read_choice(reply: str, choices: Sequence[str]) -> int | None:
    """Which choice a reply takes; None where it takes none.

    In this order: the choice, its label, or both, alone; the one choice that the reply contains;
    a label and a stop at its beginning; of several choices contained, the last (of two that begin
    at one place, the longer); the longest choice that contains the reply; a label alone on the
    first line.
    """
    said = reply.strip().lower()
    options = [choice.strip().lower() for choice in choices]
    if not said:
        return None
    for i, option in enumerate(options):
        if said in (option, _LABELS[i], f"{_LABELS[i]}. {option}"):
            return i
    inside = [(said.index(o), len(o), i) for i, o in enumerate(options) if o in said]
    if len(inside) == 1:
        return inside[0][2]
    label = _LABELS.find(said[0])
    label = label if 0 <= label < len(options) else -1
    if label >= 0 and said[1:2] == ".":
        return label
    if inside:
        return max(inside, key=lambda found: found[:2])[2]
    around = [(len(o), -i) for i, o in enumerate(options) if said in o]
    if around:
        return -max(around)[1]
    if label >= 0 and said[1:2] in ("", "\n"):
        return label
    return None


def score_region(questions: Sequence[DlcQuestion], replies: Sequence[str]) -> RegionScore:
    """Marks of a region from the judge's replies; a reply that takes no choice gets 0.

    Raises:
        InputError: replies and questions do not match, there is no recognition question or no
            positive one.
        JudgeError: it cannot be read whether the thing was recognized.
    """
    if len(replies) != len(questions):
        raise InputError(f"dlc: {len(replies)} replies for {len(questions)} questions")
    recognised: bool | None = None
    for question, reply in zip(questions, replies, strict=True):
        if question.kind == "recognition":
            taken = read_choice(reply, question.choices)
            if taken is None:
                raise JudgeError(f"dlc: {reply[:100]!r} does not tell whether it is recognised")
            recognised = question.marks[taken] > 0
    if recognised is None:
        raise InputError("dlc: a region has no recognition question")
    marks: dict[str, list[float]] = {"positive": [], "negative": []}
    for question, reply in zip(questions, replies, strict=True):
        if question.kind == "recognition":
            continue
        taken = read_choice(reply, question.choices)
        mark = 0.0 if taken is None else question.marks[taken]
        marks[question.kind].append(mark if recognised else min(0.0, mark))
    positive, negative = marks["positive"], marks["negative"]
    if not positive:
        raise InputError("dlc: a region has no positive question")
    return RegionScore(
        sum(positive) / len(positive),
        sum(negative) / len(negative) if negative else None,
        recognised,
    )


def summarise(
    regions: Mapping[str, RegionScore], judge: Mapping[str, Any] | None = None
) -> DlcScores:
    """Means over regions; the negative one over those that have negative questions.

    Raises:
        InputError: no region, or none with a negative question.
    """
    negative = [r.negative for r in regions.values() if r.negative is not None]
    if not negative:
        raise InputError("dlc: no region with negative questions; is this the benchmark?")
    of_positive = sum(r.positive for r in regions.values()) / len(regions)
    of_negative = sum(negative) / len(negative)
    return DlcScores(
        of_positive,
        of_negative,
        (of_positive + of_negative) / 2,
        sum(r.recognised for r in regions.values()) / len(regions),
        dict(regions),
        dict(judge or {}),
    )


def dlc_bench(
    captions: Mapping[str, str],
    questions: Mapping[str, Sequence[DlcQuestion]],
    judge: Judge,
) -> DlcScores:
    """Judges a description of every region of the benchmark.

    Args:
        captions: region (annotation id) -> description.
        questions: as load_questions gives them.

    Raises:
        InputError: a region has no description.
        JudgeError: the judge fails.
    """
    lacking = [region for region in questions if region not in captions]
    if lacking:
        raise InputError(
            f"dlc: {len(lacking)} regions have no description, first {lacking[0]}; describe all, "
            'or give "" to count them as not recognized'
        )
    flat = [(region, question) for region, own in questions.items() for question in own]
    told = iter(judge.ask([q.prompt(captions[region]) for region, q in flat]))
    regions = {
        region: score_region(own, [next(told) for _ in own]) for region, own in questions.items()
    }
    return summarise(regions, judge.identity)


def rescore(path: str | os.PathLike[str]) -> DlcScores:
    """Figures from judge outputs that someone published: a `*_eval.json` of the benchmark.

    The judge's replies are read and marked again; marks and means in the file are not used.

    Raises:
        InputError: the file cannot be read, or is no such file.
    """
    regions = {}
    for region, entry in _read(path).items():
        if not isinstance(entry, dict):
            continue  # the means
        where = f"{os.fspath(path)}, region {region}"
        try:
            rows = {0: entry["details_recognition"][0]}
            for row in (*entry["details_positives"], *entry["details_negatives"]):
                rows[int(row["question_index"]) + 1] = row
            replies = entry["response"]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise InputError(f"{where}: is no judge output of DLC-Bench ({error!r})") from error
        order = sorted(rows)
        if order != list(range(len(replies))):
            raise InputError(f"{where}: {len(replies)} replies for {len(order)} questions")
        questions = [_question(rows[i], f"{where}, question {i}") for i in order]
        regions[region] = score_region(questions, replies)
    return summarise(regions)
