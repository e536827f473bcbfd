"""Rows: an image with its regions and questions, kept once however many samples it has.

A `RegionSample` is one question; an image of CompositionCap has some fifty. Neighbours in a stream
that share an image become one row, and the row gives them back equal and in order.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finecaption.data.record import compact_rle
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.geometry import Size
from finecaption.io.images import load_image, open_picture
from finecaption.types import RegionSample, Task

MOST_QUESTIONS = 1024
"""Of one row: a stream that never changes its image is cut into rows of this many."""

_COMMON = ("image_id", "split", "source", "licence")


@dataclass(frozen=True)
class StoredQuestion:
    """One sample of a row; `region` is a place in the row's regions, -1: none, so no mask."""

    region: int
    task: Task
    text: str
    attribute: str | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class StoredRow:
    """An image with its questions.

    Attributes:
        path: the image's file; with `data`, its name alone.
        data: the image's encoded file, if embedded.
        size: (width, height).
        regions: (region_id, counts of the COCO RLE) of each region; counts None: the whole image.
        questions: one a sample, in order.
        image_id, split, source, licence: as of RegionSample.
    """

    path: str
    data: bytes | None
    size: Size
    regions: tuple[tuple[str | None, str | None], ...]
    questions: tuple[StoredQuestion, ...]
    image_id: str = ""
    split: str = ""
    source: str = ""
    licence: str = ""

    def rle(self, region: int) -> dict[str, Any] | None:
        """Compressed COCO RLE of a region; None: all of the image."""
        counts = None if region < 0 else self.regions[region][1]
        if counts is None:
            return None
        return {"size": [self.size[1], self.size[0]], "counts": counts}

    def mask(self, region: int) -> np.ndarray:
        """bool (H, W) of a region; all True where there is no mask.

        Raises:
            InputError: as `masks.decode_rle`.
        """
        rle = self.rle(region)
        if rle is None:
            return np.ones((self.size[1], self.size[0]), bool)
        return masks.decode_rle(rle, self.size)

    def picture(self) -> Image.Image:
        """The image, RGB and upright; errors as `images.load_image`."""
        return load_image(self.path if self.data is None else self.data)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON and Arrow, without the image's bytes."""
        return {
            "width": self.size[0],
            "height": self.size[1],
            **{name: getattr(self, name) for name in _COMMON},
            "regions": [{"region_id": name, "counts": counts} for name, counts in self.regions],
            "questions": [
                {
                    "region": q.region,
                    "task": q.task,
                    "attribute": q.attribute,
                    "prompt": q.prompt,
                    "text": q.text,
                }
                for q in self.questions
            ],
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], path: str, data: bytes | None) -> StoredRow:
        """The inverse of `to_dict`.

        Raises:
            InputError: a question of a region that is not there, or a value of another type.
        """
        regions = len(record["regions"])
        for question in record["questions"]:
            if not -1 <= question["region"] < regions:
                raise InputError(
                    f"questions: one is of region {question['region']}, and there are {regions}"
                )
        return cls(
            path,
            data,
            (record["width"], record["height"]),
            tuple((region["region_id"], region["counts"]) for region in record["regions"]),
            tuple(StoredQuestion(**question) for question in record["questions"]),
            **{name: record[name] for name in _COMMON},
        )


@dataclass(frozen=True)
class StoredItem:
    """A place of a stream: a row, and which of its questions stand here (one, or all).

    `position` counts from 0 in the whole stream, over all ranks and workers.
    """

    position: int
    row: StoredRow
    first: int
    count: int
    origin: str = ""
    """Of a mixture, the name of the part that it comes from."""

    @property
    def questions(self) -> tuple[StoredQuestion, ...]:
        """The questions that stand here."""
        return self.row.questions[self.first : self.first + self.count]

    def picture(self) -> Image.Image:
        """The image, RGB and upright."""
        return self.row.picture()

    def samples(self) -> list[RegionSample]:
        """The samples; an embedded image is decoded once, to uint8 (H, W, 3)."""
        row = self.row
        image: Any = row.path if row.data is None else np.asarray(row.picture())
        return [
            RegionSample(
                image=image,
                size=row.size,
                task=question.task,
                text=question.text,
                mask=row.rle(question.region),
                attribute=question.attribute,
                region_id=None if question.region < 0 else row.regions[question.region][0],
                prompt=question.prompt,
                **{name: getattr(row, name) for name in _COMMON},
            )
            for question in self.questions
        ]


def group(samples: Iterable[RegionSample]) -> Iterator[list[RegionSample]]:
    """Neighbors of one image together, at most MOST_QUESTIONS at once."""
    pending: list[RegionSample] = []
    for sample in samples:
        if pending and (len(pending) >= MOST_QUESTIONS or not _alike(pending[0], sample)):
            yield pending
            pending = []
        pending.append(sample)
    if pending:
        yield pending


def _alike(a: RegionSample, b: RegionSample) -> bool:
    if a.size != b.size or any(getattr(a, name) != getattr(b, name) for name in _COMMON):
        return False
    if isinstance(a.image, np.ndarray) and isinstance(b.image, np.ndarray):
        return a.image is b.image or np.array_equal(a.image, b.image)
    if isinstance(a.image, np.ndarray) or isinstance(b.image, np.ndarray):
        return False
    return str(a.image) == str(b.image)


def make_row(
    samples: list[RegionSample], *, embed: bool, images: str | os.PathLike[str]
) -> StoredRow:
    """A row of samples that share an image.

    Args:
        samples: of `group`.
        embed: take the image's file into the row; else only its path, relative to `images`.
        images: folder.

    Raises:
        InputError: the image's file cannot be read, or an array is not to be embedded.
    """
    first = samples[0]
    regions: dict[tuple[str | None, str | None], int] = {}
    questions = []
    for sample in samples:
        place = -1
        if sample.mask is not None or sample.region_id is not None:
            counts = None if sample.mask is None else compact_rle(sample.mask)["counts"]
            place = regions.setdefault((sample.region_id, counts), len(regions))
        questions.append(
            StoredQuestion(place, sample.task, sample.text, sample.attribute, sample.prompt)
        )
    path, data = _picture(first.image, embed, images)
    return StoredRow(
        path,
        data,
        first.size,
        tuple(regions),
        tuple(questions),
        **{name: getattr(first, name) for name in _COMMON},
    )


def _picture(image: Any, embed: bool, images: str | os.PathLike[str]) -> tuple[str, bytes | None]:
    if isinstance(image, np.ndarray):
        if not embed:
            raise InputError("image: is not a file, so it has no path to keep; give --embed")
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG", compress_level=3)
        return "drawn.png", stream.getvalue()
    if not embed:
        return Path(os.path.relpath(image, images)).as_posix(), None
    try:
        data = Path(image).read_bytes()
    except OSError as error:
        raise InputError(
            f"image: {image} cannot be read ({error.strerror}); check the images folder"
        ) from error
    try:
        open_picture(data)  # other files that a record may name are not to be published
    except InputError as error:
        raise InputError(f"image: {image}: {error}") from error
    return Path(image).name, data
