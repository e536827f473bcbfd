"""The annotation run: jobs -> questions -> answers -> a CompositionCap file with provenance.

A record a picture, as `data.writers.compositioncap` has it, and in it::

    "provenance": {"captioner": {...}, "prompts": "1", "regions": "mask files",
                   "tool": "finecaption 0.1.0"}
    entities[k]["provenance"]: {"Color": {"at": "2026-01-31T12:00:00Z", "tries": 1}, ...}

`at` is when the answer was given (a cached one keeps its time). An attribute that the captioner
says does not apply has no text, and `"applies": false` there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import finecaption
from finecaption.data.lines import JSON_LIST, Lines
from finecaption.data.problems import Problem
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.compressed_masks import encode_base64_gzip
from finecaption.io.images import load_image
from finecaption_annotate.annotate.cache import Cache, cache_key
from finecaption_annotate.annotate.captioners import Annotator, Ask, CaptionerError
from finecaption_annotate.annotate.jobs import AnnotationJob
from finecaption_annotate.annotate.prompts import PROMPTS_VERSION


@dataclass
class AnnotationSummary:
    """What a run did."""

    pictures: int = 0
    asked: int = 0
    """Questions that went to the captioner."""
    cached: int = 0
    """Questions that the cache answered."""
    not_applicable: int = 0
    problems: list[Problem] = field(default_factory=list)
    """Pictures that were left out."""


@dataclass
class _Question:
    entity: int
    """Place among the job's regions; -1: the picture."""
    ask: Ask
    key: str
    answer: dict[str, Any] | None = None


def annotate(
    jobs: Iterable[AnnotationJob],
    captioner: Annotator,
    out: str | os.PathLike[str],
    *,
    attributes: Sequence[str] = (),
    dense: bool = False,
    whole: bool = False,
    cache: str | os.PathLike[str] | None = None,
    skip_bad: bool = False,
    done: Callable[[AnnotationJob], None] | None = None,
) -> AnnotationSummary:
    """Annotates every job and writes one file.

    Killed at any moment, the same call goes on: pictures that are done are not asked again, nor
    are questions whose answers are cached.

    Args:
        jobs: each picture once.
        captioner: answers.
        out: .json file in CompositionCap's shape; pictures relative to it.
        attributes: asked of each region.
        dense: also a paragraph on each region.
        whole: also a paragraph on the picture.
        cache: file of answers (default: `OUT.cache` beside it); several runs can share one.
        skip_bad: leave out a picture that the captioner cannot answer for, and note it.
        done: called after each picture.

    Raises:
        InputError: nothing is asked, the output exists or was begun with other settings.
        CaptionerError: the captioner gave up, unless `skip_bad`.
    """
    if not (attributes or dense or whole):
        raise InputError("nothing is asked: give attributes, dense or whole")
    path = Path(out)
    plan = {
        "captioner": captioner.identity,
        "prompts": PROMPTS_VERSION,
        "attributes": list(attributes),
        "dense": dense,
        "whole": whole,
    }
    lines = Lines(path, plan)
    summary = AnnotationSummary()
    ready = {record["image"] for record in lines}
    answers = Cache(cache if cache is not None else path.with_name(f"{path.name}.cache"))
    try:
        for job in jobs:
            image = Path(os.path.relpath(job.image, path.parent)).as_posix()
            if image not in ready:
                try:
                    record = _one(job, image, captioner, plan, answers, summary)
                except (CaptionerError, InputError) as error:
                    if not skip_bad:
                        raise
                    summary.problems.append(Problem(job.image, "", "", str(error)))
                    continue
                lines.add(record)
                ready.add(image)
            summary.pictures += 1
            if done is not None:
                done(job)
    finally:
        lines.close()
        answers.close()
    lines.finish(JSON_LIST)
    return summary


def _one(
    job: AnnotationJob,
    image: str,
    captioner: Annotator,
    plan: dict[str, Any],
    cache: Cache,
    summary: AnnotationSummary,
) -> dict[str, Any]:
    questions = _questions(job, plan)
    open_ones = []
    for question in questions:
        question.answer = cache.get(question.key)
        if question.answer is None:
            open_ones.append(question)
        else:
            summary.cached += 1
    if open_ones:
        picture = load_image(job.image)
        for number, said in captioner.answer(picture, [q.ask for q in open_ones]):
            question = open_ones[number]
            question.answer = {"text": said.text, "at": _now(), "tries": said.tries}
            cache.put(question.key, question.answer)
            summary.asked += 1
    return _record(job, image, questions, plan, summary)


def _questions(job: AnnotationJob, plan: dict[str, Any]) -> list[_Question]:
    digest = hashlib.sha256(Path(job.image).read_bytes()).hexdigest()

    def question(entity: int, ask: Ask, counts: str) -> _Question:
        key = cache_key(plan["captioner"], plan["prompts"], digest, counts, ask.name)
        return _Question(entity, ask, key)

    found = []
    for entity, (_, rle) in enumerate(job.regions):
        mask = masks.decode_rle(rle, job.size)
        asks = [Ask(mask, "aarc", name) for name in plan["attributes"]]
        if plan["dense"]:
            asks.append(Ask(mask, "rdc"))
        found += [question(entity, ask, str(rle["counts"])) for ask in asks]
    if plan["whole"]:
        found.append(question(-1, Ask(None, "cgic"), ""))
    return found


def _record(
    job: AnnotationJob,
    image: str,
    questions: list[_Question],
    plan: dict[str, Any],
    summary: AnnotationSummary,
) -> dict[str, Any]:
    entities: list[dict[str, Any]] = [
        {
            "entity_id": name,
            "mask": encode_base64_gzip(masks.decode_rle(rle, job.size)),
            "attributes": {},
            "provenance": {},
        }
        for name, rle in job.regions
    ]
    record: dict[str, Any] = {
        "image": image,
        "image_id": job.image_id,
        "height": job.size[1],
        "width": job.size[0],
        "split": job.split,
        "source": job.source,
        "licence": job.licence,
        "provenance": {
            "captioner": plan["captioner"],
            "prompts": plan["prompts"],
            "regions": job.made,
            "tool": f"finecaption {finecaption.__version__}",
        },
    }
    for question in questions:
        answer = question.answer or {}
        given = {name: answer[name] for name in ("at", "tries")}
        if answer["text"] is None:
            summary.not_applicable += 1
            given["applies"] = False
        if question.entity < 0:
            record["provenance"]["global_caption"] = given
            record["global_caption"] = answer["text"]
            continue
        entity = entities[question.entity]
        entity["provenance"][question.ask.name] = given
        if question.ask.task == "rdc":
            entity["dense_caption"] = answer["text"]
        elif answer["text"] is not None:
            entity["attributes"][question.ask.name] = answer["text"]
    return {**record, "entities": entities}


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
