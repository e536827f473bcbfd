"""COCO panoptic: every pixel belongs to a thing or to stuff.

Layout: `annotations/panoptic_<split>.json` with `annotations: [{"image_id", "file_name",
"segments_info": [{"id", "category_id", "area", "bbox", "iscrowd"}]}]`, and PNG files in the folder
`panoptic_<split>`, beside or above, whose pixels hold the segment's id as R + 256 G + 256^2 B
(0: nothing).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.data.sources.coco import CocoFile, CocoInstances, CocoTables, is_crowd
from finecaption.errors import InputError
from finecaption.io.images import open_picture
from finecaption.types import RegionSample


class PanopticFile(CocoFile):
    """A file in COCO's panoptic layout."""

    licence = CocoInstances.licence
    pattern = "panoptic"

    def __init__(self, *args: Any, masks: str | Path | None = None, **options: Any) -> None:
        """
        Args:
            masks: folder of the PNG files of segment ids.
        """
        super().__init__(*args, **options)
        self.masks = None if masks is None else Path(masks)
        if self.masks is not None and not self.masks.is_dir():
            raise InputError(f"{self.masks}: is not a folder; give the folder of the masks")

    def id_map(self, file: Path, annotation: dict[str, Any]) -> np.ndarray:
        """The segment id of each pixel: int32 (H, W)."""
        name = annotation.get("file_name")
        if not isinstance(name, str) or not name:
            raise InputError(f"file_name: must be the name of a PNG file; got {name!r}")
        folder = f"panoptic_{self.split_of(file)}"
        above = self.root.parent
        places = (
            [self.masks]
            if self.masks is not None
            else [self.root / folder, above / folder, above / "annotations" / folder, self.root]
        )
        for place in places:
            if (place / name).is_file():
                return decode_id_map(place / name)
        raise InputError(
            f"file_name: {name}: no such file in {', '.join(map(str, places))}; give the folder of "
            "the panoptic PNG files (masks), or download it"
        )

    def split_of(self, file: Path) -> str:
        """`train2017` of `panoptic_train2017.json`; Pix2Cap's `train` and `val` are of 2017."""
        split = super().split_of(file)
        return f"{split}2017" if split in ("train", "val") else split


class CocoPanoptic(PanopticFile):
    """Category names of things and stuff (aarc, Category Name)."""

    name = "coco-panoptic"

    def __init__(self, *args: Any, crowds: bool = False, **options: Any) -> None:
        """
        Args:
            crowds: read crowds (`iscrowd`) too; else they are passed over, as is usual.
        """
        super().__init__(*args, **options)
        self.crowds = crowds

    def _annotation(
        self, file: Path, annotation: dict[str, Any], tables: CocoTables
    ) -> Iterator[RegionSample]:
        picture, size, drawn = self.picture_of(file, annotation, tables)
        ids = self.id_map(file, annotation)
        for index, segment in enumerate(segments_of(annotation)):
            with self.at(file, f"image {annotation['image_id']}, segments_info[{index}]"):
                if is_crowd(segment) and not self.crowds:
                    self.counts["crowds passed over"] += 1
                    continue
                category = tables.category(segment.get("category_id"))
                yield self.sample(
                    picture,
                    size,
                    "aarc",
                    category,
                    self.mask_rle(segment_mask(ids, segment), size, drawn=drawn),
                    attribute="Category Name",
                    image_id=annotation["image_id"],
                    region_id=segment.get("id"),
                    split=self.split_of(file),
                )


def decode_id_map(file: Path) -> np.ndarray:
    """A panoptic PNG -> id of each pixel, R + 256 G + 256^2 B: int32 (H, W).

    Raises:
        InputError: unreadable, or not RGB: other modes have no such ids.
    """
    picture = open_picture(file)
    if picture.mode not in ("RGB", "RGBA"):
        raise InputError(f"{file}: must be an RGB image of segment ids; got mode {picture.mode}")
    rgb = np.asarray(picture.convert("RGB")).astype(np.int32)
    ids: np.ndarray = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
    return ids


def segments_of(annotation: dict[str, Any]) -> list[dict[str, Any]]:
    """The segments_info of an annotation.

    Raises:
        InputError: it is no list of objects.
    """
    segments = annotation.get("segments_info")
    if not isinstance(segments, list) or not all(isinstance(s, dict) for s in segments):
        raise InputError("segments_info: must be a list of objects")
    return segments


def segment_mask(ids: np.ndarray, segment: dict[str, Any]) -> np.ndarray:
    """Where a segment is: bool (H, W).

    Raises:
        InputError: no pixel has its id.
    """
    number = segment.get("id")
    if isinstance(number, bool) or not isinstance(number, int) or number <= 0:
        raise InputError(f"id: must be a positive integer; got {number!r}")
    mask: np.ndarray = ids == number
    if not mask.any():
        raise InputError(f"id: {number} has no pixel in the PNG file; use the file it came with")
    return mask
