"""A request: an image, regions of it, and what to say about them. Free of torch.

Every front end (command line, batch, server, studio, evaluation, annotation) makes a `Request` and
gives it to a `Captioner` (`finecaption.protocol`). How a region may be written down, and what is
asked when nothing in particular is, stands here and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from finecaption.attributes import (
    ATTRIBUTE_NAMES,
    Attribute,
    dense_instruction,
    global_instruction,
    region_instruction,
    resolve_attribute,
)
from finecaption.decoding import Decoding
from finecaption.errors import InputError
from finecaption.io.geometry import Size, check_point
from finecaption.io.masks import as_mask, decode_polygons, decode_rle, load_mask
from finecaption.types import Region, RegionPrompt

DEFAULT_ATTRIBUTES = (ATTRIBUTE_NAMES[0],)
"""Asked, with the paragraph, about a region when nothing in particular is asked."""

DENSE, WHOLE = "dense", "global"
"""Names of the answers that are no attribute: the paragraph on a region, and on the whole image."""


class Questions(NamedTuple):
    """What is asked about each region of an image, and about the image."""

    attributes: tuple[str, ...] = ()
    """Full names (`finecaption.attributes`)."""
    dense: bool = False
    """A paragraph about each region."""
    whole: bool = False
    """A paragraph about the whole image."""

    def resolve(self, regions: int) -> Questions:
        """The defaulting rule.

        A region about which nothing is asked gets a sentence and a paragraph; an image without
        regions gets the paragraph about the whole.

        Args:
            regions: how many the image has.

        Raises:
            InputError: attributes without a region.
        """
        if not regions:
            if self.attributes:
                raise InputError(
                    "attributes: are asked about a region; give a mask, a box or points"
                )
            return Questions(whole=True)
        if not self.attributes and not self.dense:
            return Questions(DEFAULT_ATTRIBUTES, True, self.whole)
        return self

    @property
    def region_names(self) -> tuple[str, ...]:
        """Names of a region's answers, in the order asked."""
        return (*self.attributes, *[DENSE] * self.dense)

    @property
    def names(self) -> tuple[str, ...]:
        """`region_names`, and "global" if the whole image is asked about."""
        return (*self.region_names, *[WHOLE] * self.whole)


@dataclass(frozen=True, eq=False)
class Request:
    """An image and what to say about it.

    Raises:
        InputError: an unknown attribute, or attributes without a region.
    """

    image: Any
    """Anything `finecaption.io.images.load_image` opens, or what `FineCaption.encode` returned.
    Requests about one image should hold the same object: it is then encoded once."""
    regions: Sequence[Any] = ()
    """Regions, each in a form that `parse_region` reads."""
    attributes: Sequence[str | Attribute] | str | None = None
    """Names in any spelling, or "all". An `Attribute` is asked as it is, also outside the 18."""
    dense: bool = False
    """Whether to write a paragraph about each region."""
    whole: bool = False
    """Whether to write a paragraph about the whole image."""
    decoding: Decoding | None = None
    """How answers are written; greedily, with the captioner's own cap on their length, if None."""
    fields: Sequence[str] = ()
    """What error messages call the regions; regions[0], regions[1], ... by default."""
    questions: Questions = field(init=False)
    """What is asked after all defaults."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "regions", tuple(self.regions))
        given = Questions(attribute_names(self.attributes), self.dense, self.whole)
        object.__setattr__(self, "questions", given.resolve(len(self.regions)))
        if not self.fields:
            fields = tuple(f"regions[{number}]" for number in range(len(self.regions)))
            object.__setattr__(self, "fields", fields)

    def parse_regions(self, size: Size) -> list[Region | RegionPrompt]:
        """The regions for an image of (width, height); errors as of `parse_region`."""
        return [
            parse_region(form, size, name)
            for name, form in zip(self.fields, self.regions, strict=True)
        ]


def make_request(
    image: Any,
    *,
    mask: Any = None,
    box: Sequence[float] | None = None,
    points: Sequence[Sequence[float]] | None = None,
    regions: Iterable[Any] = (),
    attributes: Sequence[str | Attribute] | str | None = None,
    dense: bool = False,
    whole: bool = False,
    decoding: Decoding | None = None,
) -> Request:
    """A request from the arguments of `FineCaption.caption`: `mask`, then `box` with `points`, then
    `regions`.

    Raises:
        InputError: as of `Request`; a box or points that are no such numbers.
    """
    given: list[tuple[str, Any]] = []
    if mask is not None:
        given.append(("mask", mask))
    if box is not None or points:
        given.append(("box" if box is not None else "points", region_prompt(box, points or ())))
    given.extend((f"regions[{number}]", form) for number, form in enumerate(regions))
    fields, forms = [name for name, _ in given], [form for _, form in given]
    return Request(image, forms, attributes, dense, whole, decoding, fields)


def attribute_names(attributes: Sequence[str | Attribute] | str | None) -> tuple[str, ...]:
    """Full names, each once, in the order given; "all" is all 18 in their own order.

    Raises:
        InputError: an unknown name.
    """
    if attributes is None:
        return ()
    if isinstance(attributes, str):
        if attributes.strip().casefold() == "all":
            return ATTRIBUTE_NAMES
        attributes = [attributes]
    made = (one if isinstance(one, Attribute) else resolve_attribute(one) for one in attributes)
    return tuple(dict.fromkeys(one.name for one in made))


def instruction_for(name: str) -> str:
    """The user's text for an answer: an attribute's name, "dense" or "global"."""
    if name == WHOLE:
        return global_instruction()
    return dense_instruction() if name == DENSE else region_instruction(name)


def parse_region(form: Any, size: Size, field: str = "region") -> Region | RegionPrompt:
    """A region, written in any form, for an image of (width, height).

    Forms: a `Region`; a `RegionPrompt`; a mask as an array (H, W), a file, encoded bytes or a PIL
    image (see `finecaption.io.masks`); four numbers, the box x0, y0, x1, y1; COCO RLE; a mapping
    with the key `mask` (any mask form) and perhaps `label` (the value, or a list of values, of the
    mask's pixels that make the region), `polygon` (COCO polygons), or `box` and `points`. Boxes and
    points are pixels; they make a prompt, which a segmenter turns into a mask.

    Args:
        form: the region.
        size: (width, height) of the image.
        field: what an error message calls the region.

    Raises:
        InputError: none of these forms, an empty mask, or a mask of another size.
    """
    if isinstance(form, RegionPrompt):
        return form
    if isinstance(form, Region):
        if form.size != tuple(size):
            raise InputError(
                f"{field}: is of an image of {form.size[0]} x {form.size[1]} pixels; this one "
                f"has {size[0]} x {size[1]}"
            )
        return form
    if isinstance(form, Mapping):
        return _from_mapping(form, size, field)
    if isinstance(form, (str, os.PathLike)):
        return region_of(load_mask(form, size), os.fspath(form))
    if isinstance(form, (bytes, bytearray, Image.Image)):
        return region_of(load_mask(form, size), field)
    if isinstance(form, Sequence) and len(form) == 4 and not isinstance(form[0], Sequence):
        return region_prompt(form, (), field)
    mask = np.asarray(form)
    if mask.shape == (4,):
        return region_prompt(mask.tolist(), (), field)
    return Region.from_mask(mask, size)


def _from_mapping(form: Mapping[str, Any], size: Size, field: str) -> Region | RegionPrompt:
    if {"size", "counts"} <= set(form):
        return region_of(decode_rle(form, size, field), field)
    keys = {key for key in form if form[key] is not None}
    if keys == {"mask", "label"}:
        return _of_labels(form["mask"], form["label"], size, field)
    alone = len(keys) == 1 and keys <= {"mask", "polygon"}
    if not keys or not (alone or keys <= {"box", "points"}) or set(form) - _KEYS:
        raise InputError(f"{field}: must have the key mask or polygon, or box or points or both")
    if "mask" in keys:
        return parse_region(form["mask"], size, f"{field}.mask")
    if "polygon" in keys:
        return region_of(decode_polygons(form["polygon"], size, field), field)
    return region_prompt(form.get("box"), form.get("points") or (), field)


_KEYS = {"mask", "label", "polygon", "box", "points"}


def _of_labels(mask: Any, label: Any, size: Size, field: str) -> Region:
    labels = list(label) if isinstance(label, (list, tuple, set, frozenset)) else [label]
    if isinstance(mask, (str, os.PathLike, bytes, bytearray, Image.Image)):
        chosen = load_mask(mask, size, labels)
    elif isinstance(mask, Mapping):
        raise InputError(f"{field}.label: is for mask files and arrays; RLE has no labels")
    else:
        chosen = as_mask(mask, size, f"{field}.mask", labels)
    return region_of(chosen, field)


def region_of(mask: np.ndarray, field: str) -> Region:
    """A region from a bool mask (H, W).

    Raises:
        InputError: the mask is empty; the message begins with `field`.
    """
    if not mask.any():
        raise InputError(f"{field}: the mask is empty; mark at least one pixel of the region")
    return Region(mask)


def region_prompt(
    box: Sequence[float] | None, points: Sequence[Sequence[float]], field: str = ""
) -> RegionPrompt:
    """A box (xyxy) and clicks, (x, y) or (x, y, positive) in pixels, as one prompt.

    Raises:
        InputError: they are no such numbers.
    """
    prefix = f"{field}." if field else ""
    if not isinstance(points, (Sequence, np.ndarray)) or isinstance(points, str):
        raise InputError(f"{prefix}points: must be a list of clicks [x, y]; got {points!r}")
    clicks = tuple(
        check_point(point, field=f"{prefix}points[{i}]") for i, point in enumerate(points)
    )
    return RegionPrompt(clicks, box)  # type: ignore[arg-type]  # it checks what it is


__all__ = [
    "DEFAULT_ATTRIBUTES",
    "DENSE",
    "WHOLE",
    "Questions",
    "Request",
    "attribute_names",
    "instruction_for",
    "make_request",
    "parse_region",
    "region_of",
    "region_prompt",
]
