"""What is reviewed: pictures, their places (a region each, or the whole picture), a field a text.

All texts and masks of the set are held in memory (a mask as RLE); pictures are opened when shown,
except those that a store holds inside, which are kept as PNG bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.data.record import compact_rle
from finecaption.errors import InputError
from finecaption.io.geometry import Size
from finecaption.types import RegionSample

DENSE = "Dense caption"
GLOBAL = "Global caption"

FieldKey = tuple[str, str, str, int]
"""Picture, place, field name, number among the fields of that name."""


@dataclass(frozen=True)
class Field:
    """One text, or the want of one.

    Attributes:
        key: says which, whatever else is in the set.
        name: attribute, `DENSE`, `GLOBAL`, or the data set's own question.
        sample: what is reviewed; None: an attribute of which nothing is said.
    """

    key: FieldKey
    name: str
    sample: RegionSample | None

    @property
    def text(self) -> str | None:
        """What is said."""
        return None if self.sample is None else self.sample.text


@dataclass
class Place:
    """A region, or the whole picture (`rle` None), with its fields in the order shown."""

    key: str
    name: str
    rle: dict[str, Any] | None
    fields: list[Field] = field(default_factory=list)


@dataclass
class Picture:
    """A picture and its places, regions first.

    Attributes:
        key: its path relative to the data, or its id where the data hold the picture itself.
        image: path, or the bytes of a PNG.
        size: (width, height).
    """

    key: str
    image: str | bytes
    size: Size
    places: list[Place] = field(default_factory=list)


@dataclass(frozen=True)
class ReviewSet:
    """All pictures of a data set, and every field by its key."""

    title: str
    pictures: tuple[Picture, ...]
    fields: Mapping[FieldKey, Field]

    @property
    def told(self) -> int:
        """Fields that say something: what there is to decide."""
        return sum(one.sample is not None for one in self.fields.values())


def read_set(
    samples: Iterable[RegionSample], title: str, root: str | os.PathLike[str] = "."
) -> ReviewSet:
    """Samples -> what is shown.

    Every region gets the 18 attributes, told or not; other attributes, questions of the data set's
    own and the paragraph follow.

    Args:
        samples: of any data set; samples of one picture need not be neighbours.
        title: name of the set on the page.
        root: folder that the pictures' paths are said relative to.

    Raises:
        InputError: there is no sample.
    """
    found: dict[str, tuple[Picture, dict[str, tuple[Place, list[RegionSample]]]]] = {}
    for sample in samples:
        key = _picture_key(sample, root)
        if key not in found:
            found[key] = Picture(key, _image(sample), sample.size), {}
        places = found[key][1]
        mask = None if sample.task == "cgic" else sample.mask
        rle = None if mask is None else compact_rle(mask)
        place_key = _place_key(sample.region_id, rle)
        if place_key not in places:
            number = sum(place.rle is not None for place, _ in places.values()) + 1
            name = "The whole picture" if rle is None else f"Region {sample.region_id or number}"
            places[place_key] = Place(place_key, name, rle), []
        places[place_key][1].append(sample)
    if not found:
        raise InputError(f"{title}: holds no sample; there is nothing to review")
    fields: dict[FieldKey, Field] = {}
    pictures = []
    for picture, places in found.values():
        for place, members in places.values():
            place.fields = _fields(picture.key, place, members)
            fields |= {one.key: one for one in place.fields}
        picture.places = sorted(
            (place for place, _ in places.values()), key=lambda place: place.rle is None
        )
        pictures.append(picture)
    return ReviewSet(title, tuple(pictures), fields)


def _picture_key(sample: RegionSample, root: str | os.PathLike[str]) -> str:
    if isinstance(sample.image, np.ndarray):
        return sample.image_id or hashlib.sha1(sample.image.tobytes()).hexdigest()[:16]
    return Path(os.path.relpath(str(sample.image), root)).as_posix()


def _image(sample: RegionSample) -> str | bytes:
    if not isinstance(sample.image, np.ndarray):
        return str(sample.image)
    stream = io.BytesIO()
    Image.fromarray(sample.image).save(stream, "PNG")
    return stream.getvalue()


def _place_key(region_id: str | None, rle: Mapping[str, Any] | None) -> str:
    """The region's id and a hash of its mask: another mask is another region."""
    if rle is None:
        return "picture"
    digest = hashlib.sha1(str(rle["counts"]).encode()).hexdigest()[:10]
    return f"{region_id or ''}:{digest}"


def _fields(picture: str, place: Place, samples: list[RegionSample]) -> list[Field]:
    told: dict[str, list[RegionSample]] = {}
    for sample in samples:
        told.setdefault(_name(sample), []).append(sample)
    names = [] if place.rle is None else list(ATTRIBUTE_NAMES)
    others = [name for name in told if name not in names]
    # paragraphs come last
    others.sort(key=lambda name: name in (DENSE, GLOBAL))
    out = []
    for name in (*names, *others):
        members: list[RegionSample | None] = [*told.get(name, ())] or [None]
        out += [
            Field((picture, place.key, name, number), name, sample)
            for number, sample in enumerate(members)
        ]
    return out


def _name(sample: RegionSample) -> str:
    if sample.prompt is not None:
        return sample.prompt
    if sample.attribute is not None:
        return sample.attribute
    return DENSE if sample.task == "rdc" else GLOBAL
