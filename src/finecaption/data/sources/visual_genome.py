"""Visual Genome region descriptions: boxes with a phrase each.

Layout: `region_descriptions.json`, `[{"id", "regions": [{"region_id", "image_id", "x", "y",
"width", "height", "phrase"}]}]`; pictures `VG_100K/<id>.jpg` and `VG_100K_2/<id>.jpg`; their sizes
from `image_data.json` where it is there, else from the images.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finecaption.attributes import canonical_name
from finecaption.data.sources.base import Source, checked_id
from finecaption.data.sources.reading import json_items
from finecaption.errors import InputError
from finecaption.io.geometry import Box, Size
from finecaption.types import RegionSample


class VisualGenome(Source):
    """The mask of a region is its filled box: the data has no masks."""

    name = "visual-genome"
    licence = "CC BY 4.0; pictures: their owners' (YFCC100M, COCO)"

    def __init__(
        self, *args: Any, attribute: str = "One-Sentence Description", **options: Any
    ) -> None:
        """
        Args:
            attribute: under what name the phrases are asked for.
        """
        super().__init__(*args, **options)
        self.attribute = canonical_name(attribute)

    def _samples(self) -> Iterator[RegionSample]:
        file = self.path / "region_descriptions.json" if self.path.is_dir() else self.path
        sizes = self._sizes(file.with_name("image_data.json"))
        with self.at(file):
            for item in json_items(file):
                with self.at(file, item.place):
                    yield from self._picture(file, item.place, item.value, sizes)

    def _sizes(self, file: Path) -> dict[Any, tuple[Any, Any]]:
        sizes: dict[Any, tuple[Any, Any]] = {}
        if file.is_file():
            with self.at(file):
                for item in json_items(file):
                    value = item.value if isinstance(item.value, dict) else {}
                    key = checked_id(value.get("image_id", value.get("id")), "image_id")
                    entry = (value.get("width"), value.get("height"))
                    if sizes.setdefault(key, entry) != entry:
                        raise InputError(f"image_id: {key} is that of another image, too")
        return sizes

    def _picture(
        self, file: Path, place: str, record: Any, sizes: dict[Any, tuple[Any, Any]]
    ) -> Iterator[RegionSample]:
        if not isinstance(record, dict) or not isinstance(record.get("regions"), list):
            raise InputError("regions: is missing; a record has id and regions")
        if not record["regions"]:
            self.counts["pictures without regions passed over"] += 1
            return
        first = record["regions"][0]
        image_id = record.get("id", first.get("image_id") if isinstance(first, dict) else None)
        image_id = checked_id(image_id, "id")
        picture = self.find_picture(f"{image_id}.jpg", "VG_100K", "VG_100K_2")
        size, drawn = self.sizes_of(picture, *sizes.get(image_id, (None, None)))
        for index, region in enumerate(record["regions"]):
            with self.at(file, f"{place}.regions[{index}]"):
                yield self._region(region, picture, (size, drawn), image_id)

    def _region(
        self, region: Any, picture: Path, sizes: tuple[Size, Size], image_id: object
    ) -> RegionSample:
        size, drawn = sizes
        names = ("x", "y", "width", "height", "phrase")
        missing = [name for name in names if not isinstance(region, dict) or name not in region]
        if missing:
            raise InputError(f"{missing[0]}: is missing; a region has {', '.join(names)}")
        mask = self.box_rle(xywh_to_xyxy(region, names), size, drawn=drawn)
        return self.sample(
            picture,
            size,
            "aarc",
            region["phrase"],
            mask,
            attribute=self.attribute,
            image_id=image_id,
            region_id=region.get("region_id"),
        )


def xywh_to_xyxy(region: dict[str, Any], names: tuple[str, ...]) -> Box:
    """Left, top, width, height (the first four names) -> xyxy, in pixels.

    Raises:
        InputError: one of them is no number.
    """
    numbers = [region[name] for name in names[:4]]
    for name, number in zip(names, numbers, strict=False):
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise InputError(f"{name}: must be a number of pixels; got {number!r}")
    x, y, width, height = numbers
    return x, y, x + width, y + height
