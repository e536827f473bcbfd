"""The steps that ask the model: images -> records, resumable at any kill.

A step reads images in batches, and a batch's records are on the disk before the next one is
asked. Batches always begin at the same images, so a run that was killed and resumed writes the
same file as one that was not.
"""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from finecaption.attributes import custom_attribute
from finecaption.errors import InputError
from finecaption.eval.data import EvalImage, EvalRegion, EvalSource, twin_pairs
from finecaption.eval.interior import interior_point, next_click
from finecaption.eval.records import Record, RunFolder
from finecaption.eval.truth import known_truth
from finecaption.io import masks
from finecaption.io.geometry import Point
from finecaption.io.masks import mask_iou
from finecaption.protocol import Captioner
from finecaption.request import DENSE, WHOLE, Request
from finecaption.types import Region, Task

CLICKS = 5  # clicks per region; the table shows 1, 3 and 5
TOLD_APART = ("Category Name", "Color")  # what twins are asked

Progress = Callable[[str, int, "int | None"], None]  # step, records so far, records wanted


class Clickable(Protocol):
    """What turns clicks into a mask: `finecaption.segmentation.click.Segmenter` or the like."""

    def encode(self, image: np.ndarray) -> Any:
        """Whatever can be computed about an image, uint8 (H, W, 3), before the first click."""
        ...

    def predict(self, encoded: Any, points: Sequence[Point]) -> Any:
        """An object with `mask`, bool (H, W), for the clicks so far; the first is positive."""
        ...


@dataclass(frozen=True)
class Step:
    """A step: what it reads, how many records an image makes, and how they are made."""

    name: str
    stream: Callable[[int], Iterator[EvalImage]]
    count: Callable[[EvalImage], int]
    make: Callable[[Sequence[EvalImage]], list[Record]]


@dataclass(frozen=True)
class Shard:
    """The part of a run that this process answers: batches `number`, `number + of`, ...

    Every shard reads all images, so that the limit falls where it would fall without shards,
    and asks about its own.
    """

    number: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if self.of < 1 or not 0 <= self.number < self.of:
            raise InputError(f"shard: {self.number}/{self.of} is none; give I/N with I in 0..N-1")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From "I/N", I from 0.

        Raises:
            InputError: it is not of that form, or out of range.
        """
        found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        if found is None:
            raise InputError(f'shard: "{text}" is not I/N, such as 0/4')
        return cls(int(found[1]), int(found[2]))


ALONE = Shard()
ATTRIBUTES_ALONE: tuple[Task, ...] = ("aarc",)


def run_step(
    step: Step,
    folder: RunFolder,
    limit: int | None,
    batch: int,
    progress: Progress | None = None,
    shard: Shard = ALONE,
) -> int:
    """Runs a step to its end, from where it was left.

    Args:
        limit: the most records, over all shards; None: all there are.
        batch: images asked at once.
        shard: which batches are asked here.

    Returns:
        How many records were made now (fewer than the file holds if it was resumed).
    """
    if folder.done(step.name):
        return 0
    file = folder.records(step.name)
    alone = shard.of == 1
    # a shard counts what the others answer, and so goes through the images from the first on
    kept, first = file.resume(batch) if alone else (file.sound(), 0)
    total, answered = (len(kept), len(kept)) if alone else (0, 0)
    last = kept[-1]["index"] if kept else None
    made, began = 0, time.monotonic()
    pictures = step.stream(first or 0)
    most = math.inf if limit is None else limit
    number = 0
    try:
        while total < most:
            taken: list[EvalImage] = []
            coming = 0
            for picture in itertools.islice(pictures, batch):
                taken.append(picture)
                coming += step.count(picture)
                if total + coming >= most:
                    break
            if not taken:
                break
            coming = int(min(coming, most - total))
            if number % shard.of == shard.number and coming:
                own = {p.index for p in taken}
                found = kept[answered : answered + coming]
                if not alone and len(found) == coming and all(r["index"] in own for r in found):
                    answered += coming
                else:
                    if not alone and answered < len(kept):  # what a kill has left of a batch
                        kept = kept[:answered]
                        file.keep(answered)
                    records = step.make(taken)[:coming]
                    file.append(records)
                    made += len(records)
            number += 1
            last = taken[-1].index
            total += coming
            if progress is not None:
                progress(step.name, total, limit)
    finally:
        close = getattr(pictures, "close", None)  # ends the processes that draw ahead
        if close is not None:
            close()
    if not file.path.exists():
        file.append([])
    seconds = time.monotonic() - began
    about = {
        "records": len(kept) + made,
        "last_index": last,
        "made_last": made,
        "seconds_last": round(seconds, 2),
    }
    folder.finish(step.name, about)
    return made


def _truth(region: EvalRegion, names: Sequence[str]) -> Record:
    return {n: {f: list(v) for f, v in region.truth[n].items()} for n in names}


def _trick(picture: EvalImage, region: EvalRegion) -> str | None:
    if not region.truth:  # whether a question applies is known of the synthetic world alone
        return None
    return known_truth().trick_question(region.category, picture.name, region.region_id)


def _names(region: EvalRegion) -> tuple[str, ...]:
    """The attributes that can be scored: those of the truth, or of the references."""
    return tuple(region.truth) or tuple(region.references)


def _asked(picture: EvalImage, region: EvalRegion, tasks: Collection[Task]) -> tuple[str, ...]:
    """The attributes asked about a region: those that can be scored, and one that cannot apply."""
    own = _names(region) if "aarc" in tasks else ()
    trick = _trick(picture, region)
    return (*own, trick) if trick and own else own


def _request(
    picture: EvalImage, mask: np.ndarray, names: Sequence[str], dense: bool = False
) -> Request:
    return Request(picture.image, [Region(mask)], list(map(custom_attribute, names)), dense)


class Told(NamedTuple):
    """The answers to one request about one region or one whole image."""

    texts: Mapping[str, str] = MappingProxyType({})
    """Name -> answer."""
    confidence: Mapping[str, float] = MappingProxyType({})
    """Name -> probability, of those that the captioner is calibrated for."""


def _answers(captioner: Captioner, requests: Sequence[Request]) -> list[Told]:
    found = []
    for result in captioner.caption_batch(requests):
        if isinstance(result, InputError):
            raise result
        sure = result.regions[0].confidence if result.regions else {}
        found.append(Told({name: text for _, name, text in result.answers()}, sure))
    return found


def _place(picture: EvalImage, region: EvalRegion) -> Record:
    """Where a region is, for breakdowns and for showing it."""
    return {
        "box": list(region.box),
        "mask": masks.encode_rle(region.mask),
        "box_iou": round(masks.box_mask_iou(region.mask), 4),
        "image": picture.path,
    }


def _prediction(
    picture: EvalImage, region: EvalRegion, told: Told, tasks: Collection[Task]
) -> Record:
    trick = _trick(picture, region)
    own = _names(region) if "aarc" in tasks else ()
    said = {name: told.texts[custom_attribute(name).name] for name in own}
    sure = {name: told.confidence.get(custom_attribute(name).name) for name in own}
    known = {name: round(value, 6) for name, value in sure.items() if value is not None}
    return {
        "picture": picture.name,
        "index": picture.index,
        "region_id": region.region_id,
        "category": region.category,
        "part_of": region.part_of,
        "unseen": region.unseen,
        **_place(picture, region),
        "truth": _truth(region, list(region.truth)),
        "answers": said,
        "references": {n: list(region.references[n]) for n in own if n in region.references},
        "dense": told.texts[DENSE] if "rdc" in tasks else None,
        "dense_references": list(region.dense) if "rdc" in tasks else [],
        "trick": {"attribute": trick, "answer": told.texts[trick]} if trick and own else None,
        **({"confidence": known} if known else {}),
    }


def predictions(
    source: EvalSource, captioner: Captioner, tasks: Collection[Task] = ATTRIBUTES_ALONE
) -> Step:
    """Asks of each region every attribute that can be scored, and one that cannot apply.

    One record per region: picture (the image's name), index, region_id, category, part_of, unseen,
    box (xyxy), mask (COCO RLE), box_iou (of mask and box), image (file or null), truth (attribute
    -> facet -> accepted values), answers (attribute -> text), references (attribute -> texts),
    dense and dense_references (of task rdc), trick (attribute, answer; null where all apply); of a
    calibrated captioner also confidence (attribute -> probability).

    Args:
        tasks: aarc: the attributes; rdc: a paragraph on each region.
    """

    dense = "rdc" in tasks

    def make(batch: Sequence[EvalImage]) -> list[Record]:
        regions = [(p, region, _asked(p, region, tasks)) for p in batch for region in p.regions]
        requests = [
            _request(p, region.mask, names, dense) for p, region, names in regions if names or dense
        ]
        told = iter(_answers(captioner, requests))
        return [
            _prediction(p, region, next(told) if names or dense else Told(), tasks)
            for p, region, names in regions
        ]

    return Step("predictions", source.pictures, lambda p: len(p.regions), make)


def wholes(source: EvalSource, captioner: Captioner, last: int | None = None) -> Step:
    """Asks for a paragraph on each image that has one to be held against (task cgic).

    One record per image: picture (its name), index, size (width, height), image, answer,
    references.

    Args:
        last: index of the last image; None: no end.
    """

    def stream(start: int) -> Iterator[EvalImage]:
        for picture in source.pictures(start):
            if last is not None and picture.index > last:
                return
            yield picture

    def make(batch: Sequence[EvalImage]) -> list[Record]:
        known = [p for p in batch if p.whole]
        if not known:
            return []
        told = _answers(captioner, [Request(p.image, whole=True) for p in known])
        return [
            {
                "picture": picture.name,
                "index": picture.index,
                "size": [picture.image.shape[1], picture.image.shape[0]],
                "image": picture.path,
                "answer": answers.texts[WHOLE],
                "references": list(picture.whole),
            }
            for picture, answers in zip(known, told, strict=True)
        ]

    return Step("wholes", stream, lambda p: int(bool(p.whole)), make)


def twins(source: EvalSource, captioner: Captioner) -> Step:
    """Asks the category and the color of both regions of each pair of twins (data.twin_pairs).

    One record per pair: picture, index, iou (of the boxes), regions: two of region_id, category,
    unseen, truth, answers.
    """

    def make(batch: Sequence[EvalImage]) -> list[Record]:
        requests = [_request(p, r.mask, TOLD_APART) for p in batch for r in p.regions]
        answers = iter(_answers(captioner, requests))
        out = []
        for picture in batch:
            told = {
                region.region_id: {
                    "region_id": region.region_id,
                    "category": region.category,
                    "unseen": region.unseen,
                    "truth": _truth(region, TOLD_APART),
                    "answers": dict(next(answers).texts),
                }
                for region in picture.regions
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


def clicks(source: EvalSource, segmenter: Clickable) -> Step:
    """Clicks on each region until CLICKS clicks, and measures the mask after each.

    The first click is on the most interior point of the visible mask, each later one on the most
    interior point of the worse error (interior.next_click). One record per region: picture, index,
    region_id, category, part_of, unseen, iou (CLICKS numbers; once the mask is exact, no further
    click is made and its IoU stands).
    """

    def make(batch: Sequence[EvalImage]) -> list[Record]:
        out = []
        for picture in batch:
            encoded = segmenter.encode(picture.image)
            for region in picture.regions:
                out.append(
                    {
                        "picture": picture.name,
                        "index": picture.index,
                        "region_id": region.region_id,
                        "category": region.category,
                        "part_of": region.part_of,
                        "unseen": region.unseen,
                        "iou": _click_through(segmenter, encoded, region.mask),
                    }
                )
        return out

    return Step("clicks", source.pictures, lambda p: len(p.regions), make)


def _click_through(segmenter: Clickable, encoded: Any, mask: np.ndarray) -> list[float]:
    x, y, _ = interior_point(mask)
    points = [Point(x, y)]
    out: list[float] = []
    while len(out) < CLICKS:
        found = np.asarray(segmenter.predict(encoded, points).mask, bool)
        out.append(round(mask_iou(found, mask), 4))
        click = next_click(mask, found)
        if click is None:
            out += [out[-1]] * (CLICKS - len(out))
        else:
            points.append(Point(*click))
    return out
