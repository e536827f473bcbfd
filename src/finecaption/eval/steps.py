"""The steps that ask the model: pictures -> records, resumable at any kill.

A step reads pictures in batches, and a batch's records are on the disk before the next one is
asked. Batches always begin at the same pictures, so a run that was killed and resumed writes the
same file as one that was not.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from finecaption.eval.data import EvalPicture, EvalRegion, Source, twin_pairs
from finecaption.eval.interior import interior_point, next_click
from finecaption.eval.questions import trick_question
from finecaption.eval.records import Record, RunFolder
from finecaption.geometry import Point
from finecaption.masks import mask_iou

CLICKS = 5  # clicks a region; the table shows 1, 3 and 5
TOLD_APART = ("Category Name", "Color")  # what twins are asked

Progress = Callable[[str, int, int], None]  # step, records so far, records wanted


@dataclass(frozen=True)
class PictureQuestions:
    """Questions on regions of one picture.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        masks: a bool (H, W) a region.
        attributes: the names asked of each region, of finecaption.attributes.
    """

    image: np.ndarray
    masks: tuple[np.ndarray, ...]
    attributes: tuple[tuple[str, ...], ...]


class Answerer(Protocol):
    """What is evaluated: a captioner, behind its one question."""

    def answer(self, batch: Sequence[PictureQuestions]) -> list[list[list[str]]]:
        """The answers, by picture, region and attribute, in the order asked."""
        ...


class Clicker(Protocol):
    """What turns clicks into a mask."""

    def embed(self, image: np.ndarray) -> Any:
        """Whatever can be computed of a picture, uint8 (H, W, 3), before the first click."""
        ...

    def mask(self, embedded: Any, points: Sequence[Point]) -> np.ndarray:
        """bool (H, W) for the clicks so far, of which the first is positive."""
        ...


@dataclass(frozen=True)
class Step:
    """A step: what it reads, how many records a picture makes, and how they are made."""

    name: str
    stream: Callable[[int], Iterator[EvalPicture]]
    count: Callable[[EvalPicture], int]
    make: Callable[[Sequence[EvalPicture]], list[Record]]


def run_step(
    step: Step, folder: RunFolder, limit: int, batch: int, progress: Progress | None = None
) -> int:
    """Runs a step to its end, from where it was left.

    Args:
        limit: the most records.
        batch: pictures asked at once.

    Returns:
        How many records were made now (fewer than the file holds if it was resumed).
    """
    if folder.done(step.name):
        return 0
    file = folder.records(step.name)
    kept, first = file.resume(batch)
    total = len(kept)
    begun, began = total, time.monotonic()
    pictures = step.stream(0 if first is None else first)
    try:
        while total < limit:
            taken: list[EvalPicture] = []
            coming = 0
            for picture in itertools.islice(pictures, batch):
                taken.append(picture)
                coming += step.count(picture)
                if total + coming >= limit:
                    break
            if not taken:
                break
            records = step.make(taken)[: limit - total]
            file.append(records)
            total += len(records)
            if progress is not None:
                progress(step.name, total, limit)
    finally:
        close = getattr(pictures, "close", None)  # ends the processes that draw ahead
        if close is not None:
            close()
    if not file.path.exists():
        file.append([])
    made, seconds = total - begun, time.monotonic() - began
    about = {"records": total, "made_last": made, "seconds_last": round(seconds, 2)}
    folder.finish(step.name, about)
    return made


def _truth(region: EvalRegion, names: Sequence[str]) -> Record:
    return {n: {f: list(v) for f, v in region.truth[n].items()} for n in names}


def _trick(picture: EvalPicture, region: EvalRegion) -> str | None:
    return trick_question(region.category, picture.name, region.region_id)


def _questions(picture: EvalPicture) -> PictureQuestions:
    names = []
    for region in picture.regions:
        trick = _trick(picture, region)
        names.append((*region.truth, trick) if trick else tuple(region.truth))
    return PictureQuestions(picture.image, tuple(r.mask for r in picture.regions), tuple(names))


def _prediction(picture: EvalPicture, region: EvalRegion, told: dict[str, str]) -> Record:
    trick = _trick(picture, region)
    return {
        "picture": picture.name,
        "index": picture.index,
        "region_id": region.region_id,
        "category": region.category,
        "part_of": region.part_of,
        "unseen": region.unseen,
        "box": list(region.box),
        "truth": _truth(region, list(region.truth)),
        "answers": {name: told[name] for name in region.truth},
        "trick": {"attribute": trick, "answer": told[trick]} if trick else None,
    }


def predictions(source: Source, answerer: Answerer) -> Step:
    """Asks of each region every attribute of its truth, and one that cannot apply.

    A record a region: picture, index, region_id, category, part_of, unseen, box (xyxy), truth
    (attribute -> facet -> accepted values), answers (attribute -> text), trick (attribute, answer;
    null for people).
    """

    def make(batch: Sequence[EvalPicture]) -> list[Record]:
        asked = [_questions(picture) for picture in batch]
        return [
            _prediction(picture, region, dict(zip(names, texts, strict=True)))
            for picture, questions, answers in zip(
                batch, asked, answerer.answer(asked), strict=True
            )
            for region, names, texts in zip(
                picture.regions, questions.attributes, answers, strict=True
            )
        ]

    return Step("predictions", source.pictures, lambda p: len(p.regions), make)


def twins(source: Source, answerer: Answerer) -> Step:
    """Asks the category and the colour of both regions of each pair of twins (data.twin_pairs).

    A record a pair: picture, index, iou (of the boxes), regions: two of region_id, category,
    unseen, truth, answers.
    """

    def make(batch: Sequence[EvalPicture]) -> list[Record]:
        asked = [
            PictureQuestions(
                p.image, tuple(r.mask for r in p.regions), (TOLD_APART,) * len(p.regions)
            )
            for p in batch
        ]
        out = []
        for picture, answers in zip(batch, answerer.answer(asked), strict=True):
            told = {
                region.region_id: {
                    "region_id": region.region_id,
                    "category": region.category,
                    "unseen": region.unseen,
                    "truth": _truth(region, TOLD_APART),
                    "answers": dict(zip(TOLD_APART, texts, strict=True)),
                }
                for region, texts in zip(picture.regions, answers, strict=True)
            }
            for a, b, overlap in twin_pairs(picture):
                out.append(
                    {
                        "picture": picture.name,
                        "index": picture.index,
                        "iou": round(overlap, 4),
                        "regions": [told[a.region_id], told[b.region_id]],
                    }
                )
        return out

    return Step("twins", source.twins, lambda p: len(twin_pairs(p)), make)


def clicks(source: Source, clicker: Clicker) -> Step:
    """Clicks on each region until CLICKS clicks, and measures the mask after each.

    The first click is on the most interior point of the visible mask, each later one on the most
    interior point of the worse error (interior.next_click). A record a region: picture, index,
    region_id, category, part_of, unseen, iou (CLICKS numbers; once the mask is exact, no further
    click is made and its IoU stands).
    """

    def make(batch: Sequence[EvalPicture]) -> list[Record]:
        out = []
        for picture in batch:
            embedded = clicker.embed(picture.image)
            for region in picture.regions:
                out.append(
                    {
                        "picture": picture.name,
                        "index": picture.index,
                        "region_id": region.region_id,
                        "category": region.category,
                        "part_of": region.part_of,
                        "unseen": region.unseen,
                        "iou": _click_through(clicker, embedded, region.mask),
                    }
                )
        return out

    return Step("clicks", source.pictures, lambda p: len(p.regions), make)


def _click_through(clicker: Clicker, embedded: Any, mask: np.ndarray) -> list[float]:
    x, y, _ = interior_point(mask)
    points = [Point(x, y)]
    out: list[float] = []
    while len(out) < CLICKS:
        found = np.asarray(clicker.mask(embedded, points), bool)
        out.append(round(mask_iou(found, mask), 4))
        click = next_click(mask, found)
        if click is None:
            out += [out[-1]] * (CLICKS - len(out))
        else:
            points.append(Point(*click))
    return out
