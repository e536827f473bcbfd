"""Jobs: an image with the description of its regions, and how both are loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finecaption.errors import InputError
from finecaption.io.geometry import Size, check_scale, scale_box
from finecaption.io.images import load_image, open_picture
from finecaption.io.mask_values import opaque_part
from finecaption.io.masks import decode_segmentation
from finecaption.request import parse_region, region_of
from finecaption.types import Region, RegionPrompt

WHOLE_ID = "whole"
"""Id of the region that stands for the whole image, where attributes are asked about one."""


@dataclass(frozen=True)
class RegionSpec:
    """A region whose image has not been opened yet."""

    id: str
    form: Any
    """In a form that `finecaption.request.parse_region` reads."""
    drawn: Size | None = None
    """(width, height) of the image that it was drawn in, as its file says; None: it does not."""

    def resolve(self, size: Size) -> Region | RegionPrompt:
        """The region in an image of (width, height).

        Raises:
            InputError: it is broken, empty, outside the image, or of another size.
        """
        field = f"region {self.id}"
        if self.drawn is None or self.drawn == size:
            region = parse_region(self.form, size, field)
        else:
            region = self._scaled(self.drawn, size, field)
        return region.within(size) if isinstance(region, RegionPrompt) else region

    def _scaled(self, drawn: Size, size: Size, field: str) -> Region | RegionPrompt:
        """The region in another copy of the image that it was drawn in."""
        check_scale(drawn, size, field)
        if isinstance(self.form, Mapping) and self.form.get("box") is not None:
            box = scale_box(self.form["box"], drawn, size)
            return parse_region({**self.form, "box": box}, size, field)
        polygon = self.form.get("polygon") if isinstance(self.form, Mapping) else None
        drawing = self.form if polygon is None else polygon
        return region_of(decode_segmentation(drawing, size, field, drawn), field)


@dataclass(frozen=True)
class BatchJob:
    """An image to be described."""

    id: str
    """Its name in the results: the path from the folder's root, or what a manifest says."""
    image: str | np.ndarray
    """Its file, or its pixels: uint8 (H, W, 3)."""
    regions: tuple[RegionSpec, ...] = ()
    place: str = ""
    """Where it stands in its source, if the id alone could be there twice."""
    stem: str = ""
    """Path of its sidecars, without suffix."""
    alpha: bool = False
    """Whether what is opaque of an image with transparency is its region."""
    meta: Any = None
    """JSON values of the manifest that go into the record."""
    image_id: int | None = None
    """Its id in a COCO file."""

    @property
    def key(self) -> int:
        """The key by which a resumed run recognizes the job."""
        return key_of(self.id, self.place)


@dataclass(frozen=True)
class Bad:
    """An unusable entry of a source."""

    id: str
    place: str
    what: str
    left_out: bool = False
    """Whether it is an image that has regions, of which the source leaves out every one: it is not
    described, as it would be without regions."""


@dataclass(frozen=True)
class Passed:
    """What a source passes over, as it is no image or region to be described."""

    what: str
    """Its kind in the plural: "crowd annotations", "files .txt"."""
    name: str
    """Which one."""


def key_of(name: str, place: str) -> int:
    """64 bits of a hash: two of a hundred million images share one in 1 of 3,700 cases."""
    text = f"{place}\0{name}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


@dataclass(eq=False)
class OpenedJob:
    """The opened image of a job, with its regions."""

    job: BatchJob
    picture: Image.Image
    """RGB, upright."""
    regions: list[Region | RegionPrompt]
    names: list[str]
    """The regions' ids."""


def load(job: BatchJob) -> OpenedJob:
    """Opens the image and makes its regions.

    Raises:
        InputError: the image or one of its regions cannot be used.
    """
    picture, alpha = _picture(job)
    regions = [spec.resolve(picture.size) for spec in job.regions]
    names = [spec.id for spec in job.regions]
    if alpha is not None and not regions:
        regions, names = [Region(alpha)], ["1"]
    return OpenedJob(job, picture, regions, names)


def _picture(job: BatchJob) -> tuple[Image.Image, np.ndarray | None]:
    """The image, and its opaque part, bool (H, W), if that is looked at and is a part."""
    if isinstance(job.image, np.ndarray) or not job.alpha or job.regions:
        return load_image(job.image), None
    opened = open_picture(job.image)
    alpha = opaque_part(opened)
    if alpha is not None and not alpha.any():
        raise InputError(f"{job.image}: is transparent everywhere; make the region opaque")
    return load_image(opened), alpha


def parse_manifest_region(
    entry: Mapping[str, Any], number: int, root: Path, field: str
) -> RegionSpec:
    """A region of a manifest: `mask` (RLE, or a file relative to root, perhaps with the `label` of
    its pixels in it), `polygon`, or `box` and `points`, and perhaps `id`.

    Raises:
        InputError: another key, none of these, or several.
    """
    if not isinstance(entry, Mapping):
        raise InputError(f"{field}: must be an object; got {entry!r}")
    unknown = sorted(set(entry) - {"id", *REGION_KEYS})
    if unknown:
        raise InputError(
            f'{field}: unknown key "{unknown[0]}"; a region has mask, polygon, or box and points'
        )
    given = {key: entry[key] for key in REGION_KEYS if entry.get(key) is not None}
    name = entry.get("id")
    if name is not None and (isinstance(name, bool) or not isinstance(name, str | int)):
        raise InputError(f"{field}.id: must be text or a number; got {name!r}")
    known = str(number if name is None else name)
    label = given.pop("label", None)
    if not given or ("mask" in given or "polygon" in given) and len(given) > 1:
        raise InputError(f"{field}: must have one of mask and polygon, or box or points or both")
    if "mask" in given:
        mask = given["mask"]
        if isinstance(mask, str) and mask:
            form = str(root / mask)
            return RegionSpec(known, form if label is None else {"mask": form, "label": label})
        if label is not None:
            raise InputError(f"{field}.label: is for mask files only")
        if not isinstance(mask, Mapping):
            raise InputError(f"{field}.mask: must be COCO RLE or the path of a file; got {mask!r}")
        return RegionSpec(known, dict(mask))
    if label is not None:
        raise InputError(f"{field}.label: is for mask files only")
    if "polygon" in given:
        return RegionSpec(known, {"polygon": given["polygon"]})
    return RegionSpec(known, {key: given.get(key) for key in ("box", "points")})


REGION_KEYS = ("mask", "label", "polygon", "box", "points")
