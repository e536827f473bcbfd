"""COCO instances and captions, and every dataset in their layout.

Layout: `annotations/instances_<split>.json` or `captions_<split>.json`: an object with `images`
(`id, file_name, width, height`), `annotations` and, for instances, `categories`. Images in
`<split>` or `images/<split>`, beside or above the annotations. A segmentation is a list of
polygons, or RLE (of crowds uncompressed). Split names: `train2017`, `val2014`, ...
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from finecaption.data.sources.base import Source, checked_id
from finecaption.data.sources.reading import annotation_files, json_items
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.geometry import Size
from finecaption.types import RegionSample


@dataclass
class CocoTables:
    """What annotations refer to by id."""

    images: dict[Any, tuple[Any, Any, Any]] = field(default_factory=dict)
    """id -> (file name, width, height); each may be None."""
    categories: dict[Any, str] = field(default_factory=dict)
    """id -> name."""

    def category(self, number: object) -> str:
        """The name of a category as words.

        Raises:
            InputError: there is none of that id.
        """
        number = checked_id(number, "category_id")
        if number not in self.categories:
            raise InputError(f"category_id: {number} is not among the categories of the file")
        return readable_category(self.categories[number])


class CocoFile(Source):
    """A JSON file in COCO's layout, read twice: for the tables, and annotation by annotation."""

    pattern: ClassVar[str] = "*"
    """Start of the file names in a folder of annotations."""

    def _samples(self) -> Iterator[RegionSample]:
        wanted = f"{self.pattern}_{self.split or '*'}.json"
        for file in annotation_files(self.path, wanted, f"annotations/{wanted}"):
            with self.at(file):
                tables = self.tables(file)
                for item in json_items(file, "annotations"):
                    with self.at(file, item.place):
                        if not isinstance(item.value, dict):
                            raise InputError(f"must be an object; got {item.value!r}")
                        yield from self._annotation(file, item.value, tables)

    def tables(self, file: Path) -> CocoTables:
        """The images and categories of a file.

        Raises:
            InputError: one is no object with an id, or the file has no images.
        """
        tables = CocoTables()
        for item in json_items(file, "images", "categories"):
            value = item.value
            if not isinstance(value, dict) or "id" not in value:
                raise InputError(f"{item.place}: has no id")
            number = checked_id(value["id"], f"{item.place}.id")
            if item.key == "images":
                size = (value.get("width"), value.get("height"))
                tables.images[number] = (value.get("file_name"), *size)
            else:
                tables.categories[number] = str(value.get("name", ""))
        if not tables.images:
            raise InputError("images: is missing; a file in COCO's layout has images, annotations")
        return tables

    @abstractmethod
    def _annotation(
        self, file: Path, annotation: dict[str, Any], tables: CocoTables
    ) -> Iterator[RegionSample]:
        """The samples of one annotation."""

    def split_of(self, file: Path) -> str:
        """The split by the file's name: `train2017` of `instances_train2017.json`."""
        return self.split or file.stem.rpartition("_")[2]

    def picture_of(
        self, file: Path, annotation: dict[str, Any], tables: CocoTables
    ) -> tuple[Path, Size]:
        """The image of an annotation, and its size."""
        image_id = checked_id(annotation.get("image_id"), "image_id")
        if image_id not in tables.images:
            raise InputError(f"image_id: {image_id!r} is not among the images of the file")
        name, width, height = tables.images[image_id]
        split = self.split_of(file)
        folders = (split, f"images/{split}", f"../{split}", f"../images/{split}", "../images")
        picture = self.find_picture(name, *folders, field="file_name")
        return picture, self.size_of(picture, width, height)


class CocoInstances(CocoFile):
    """Category names of masked things (aarc, Category Name)."""

    name = "coco-instances"
    licence = "annotations: CC BY 4.0 (COCO Consortium); pictures: their owners' on Flickr"
    pattern = "instances"

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
        if annotation.get("iscrowd") and not self.crowds:
            self.counts["crowds passed over"] += 1
            return
        name = tables.category(annotation.get("category_id"))
        picture, size = self.picture_of(file, annotation, tables)
        yield self.sample(
            picture, size, "aarc", name,
            self.mask_rle(annotation.get("segmentation"), size, "segmentation"),
            attribute="Category Name", image_id=annotation["image_id"],
            region_id=annotation.get("id"), split=self.split_of(file),
        )  # fmt: skip


class CocoCaptions(CocoFile):
    """Captions of whole images: one sentence each."""

    name = "coco-captions"
    licence = CocoInstances.licence
    pattern = "captions"

    def __init__(self, *args: Any, task: Literal["cgic", "aarc"] = "cgic", **options: Any) -> None:
        """
        Args:
            task: cgic, or aarc: One-Sentence Description of the whole image as a region, for
                mixtures in which cgic is to mean a paragraph.
        """
        super().__init__(*args, **options)
        if task not in ("cgic", "aarc"):
            raise InputError(f"task: must be cgic or aarc; got {task!r}")
        self.task = task

    def _annotation(
        self, file: Path, annotation: dict[str, Any], tables: CocoTables
    ) -> Iterator[RegionSample]:
        picture, size = self.picture_of(file, annotation, tables)
        whole = self.task == "aarc"
        yield self.sample(
            picture, size, self.task, annotation.get("caption"),
            masks.encode_rle(np.ones(size[::-1], bool)) if whole else None,
            attribute="One-Sentence Description" if whole else None,
            image_id=annotation["image_id"], region_id="whole" if whole else None,
            split=self.split_of(file),
        )  # fmt: skip


def readable_category(name: str) -> str:
    """COCO's category names as words: `wall-other-merged` -> `wall`, `floor-wood` -> `floor wood`.

    The endings -merged, -other and -stuff of the panoptic names say how classes were joined.
    """
    return re.sub(r"(-(merged|other|stuff))+$", "", name).replace("-", " ")
