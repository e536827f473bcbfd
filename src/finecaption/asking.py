"""What is asked of a picture: the forms of a region, attribute names, questions in a batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES, resolve_attribute
from finecaption.domain import Notice
from finecaption.errors import InputError
from finecaption.io.geometry import Size, check_point
from finecaption.io.images import ImageSource
from finecaption.io.masks import load_mask
from finecaption.types import Region, RegionPrompt

DEFAULT_ATTRIBUTES = (ATTRIBUTE_NAMES[0],)
"""Asked, with the paragraph, of a region of which nothing in particular is asked."""

DENSE, WHOLE = "dense", "global"


@dataclass(frozen=True, eq=False)
class EncodedPicture:
    """A picture that has been through the towers; `FineCaption.caption` takes it as its image."""

    picture: Image.Image
    pixel_values_clip: torch.Tensor
    """uint8 (1, 3, s, s)"""
    hr_features: torch.Tensor
    """(1, C_hr, g, g)"""
    notice: Notice | None = None
    name: str | None = None

    @property
    def size(self) -> Size:
        """(width, height)"""
        return self.picture.size


@dataclass(frozen=True, eq=False)
class Ask:
    """A picture and what is asked of it: `FineCaption.caption`'s arguments of these names."""

    image: ImageSource | EncodedPicture
    regions: Sequence[Any] = ()
    attributes: Sequence[str] | str | None = None
    dense: bool = False
    whole: bool = False


class Wish(NamedTuple):
    """What is asked, before the picture is looked at."""

    given: list[tuple[str, Any]]
    """Field and entry of each region."""
    names: tuple[str, ...]
    dense: bool
    whole: bool


class Plan(NamedTuple):
    """All that is to be asked of one picture."""

    encoded: EncodedPicture
    regions: list[Region]
    names: tuple[str, ...]
    dense: bool
    whole: bool
    inputs: dict[str, torch.Tensor]
    questions: list[list[str]]

    def label(self, region: int, question: int) -> tuple[int | None, str]:
        """Region number (None: the whole picture) and name of a question."""
        if region == len(self.regions):
            return None, WHOLE
        return region, self.names[question] if question < len(self.names) else DENSE


def wish_of(
    mask: Any,
    box: Sequence[float] | None,
    points: Sequence[Sequence[float]] | None,
    regions: Iterable[Any],
    attributes: Sequence[str] | str | None,
    dense: bool,
    whole: bool,
) -> Wish:
    """`FineCaption.caption`'s arguments, checked as far as that goes without the picture.

    Raises:
        InputError: an unknown attribute, an attribute without a region, bad clicks.
    """
    names = attribute_names(attributes)  # before the work, as a typing error costs little then
    given: list[tuple[str, Any]] = []
    if mask is not None:
        given.append(("mask", mask))
    if box is not None or points:
        given.append(("box" if box is not None else "points", prompt_of(box, points or ())))
    given.extend((f"regions[{number}]", entry) for number, entry in enumerate(regions))
    if not given and names:
        raise InputError("attributes: are asked of a region; give a mask, a box or points")
    if given and not names and not dense:
        names, dense = DEFAULT_ATTRIBUTES, True
    return Wish(given, names, dense, whole or not given)


def together(plans: Sequence[Plan]) -> dict[str, torch.Tensor]:
    """The inputs of several pictures as those of one batch."""
    index = [torch.full_like(p.inputs["image_index"], at) for at, p in enumerate(plans)]
    names = ("pixel_values_clip", "whole_masks", "region_masks")
    joined = {name: torch.cat([plan.inputs[name] for plan in plans]) for name in names}
    return {**joined, "image_index": torch.cat(index)}


def attribute_names(attributes: Sequence[str] | str | None) -> tuple[str, ...]:
    """The full names, each once, in the order given; "all" is all 18 in their own order.

    Raises:
        InputError: an unknown name.
    """
    if attributes is None:
        return ()
    if isinstance(attributes, str):
        if attributes.strip().casefold() == "all":
            return ATTRIBUTE_NAMES
        attributes = [attributes]
    return tuple(dict.fromkeys(resolve_attribute(text).name for text in attributes))


def as_region(entry: Any, size: Size, field: str = "region") -> Region | RegionPrompt:
    """Any form of a region (see `FineCaption.caption`) for a picture of (width, height).

    Raises:
        InputError: not one of the forms, empty, or not of the picture's size.
    """
    if isinstance(entry, RegionPrompt):
        return entry
    if isinstance(entry, Region):
        if entry.size != tuple(size):
            raise InputError(
                f"{field}: is of a picture of {entry.size[0]} x {entry.size[1]} pixels; this one "
                f"has {size[0]} x {size[1]}"
            )
        return entry
    if isinstance(entry, Mapping):
        if {"size", "counts"} <= set(entry):
            return Region.from_rle(entry, size)
        unknown = sorted(set(entry) - {"mask", "box", "points"})
        if unknown or not entry or ("mask" in entry and len(entry) > 1):
            raise InputError(f"{field}: must have the key mask, or box or points or both")
        if "mask" in entry:
            return as_region(entry["mask"], size, f"{field}.mask")
        return prompt_of(entry.get("box"), entry.get("points") or ())
    if isinstance(entry, (str, os.PathLike, bytes, bytearray, Image.Image)):
        mask = load_mask(entry, size)
        name = os.fspath(entry) if isinstance(entry, (str, os.PathLike)) else field
        if not mask.any():
            raise InputError(f"{name!s}: the mask is empty; mark at least one pixel of the region")
        return Region(mask)
    if isinstance(entry, Sequence) and len(entry) == 4 and not isinstance(entry[0], Sequence):
        return prompt_of(entry, ())
    mask = np.asarray(entry)
    if mask.shape == (4,):
        return prompt_of(mask.tolist(), ())
    return Region.from_mask(mask, size)


def prompt_of(box: Sequence[float] | None, points: Sequence[Sequence[float]]) -> RegionPrompt:
    """A box (xyxy) and clicks, (x, y) or (x, y, positive) in pixels, as one prompt.

    Raises:
        InputError: they are no such numbers.
    """
    clicks = tuple(check_point(point, field=f"points[{i}]") for i, point in enumerate(points))
    return RegionPrompt(clicks, None if box is None else tuple(box))  # type: ignore[arg-type]  # it checks the length
