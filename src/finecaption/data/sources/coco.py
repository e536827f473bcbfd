"""COCO instances and captions, and every dataset in their layout.

Layout: `annotations/instances_<split>.json` or `captions_<split>.json`: an object with `images`
(`id, file_name, width, height`), `annotations` and, for instances, `categories`. Images in
`<split>` or `images/<split>`, beside or above the annotations. A segmentation is a list of
polygons, or RLE (of crowds uncompressed). Split names: `train2017`, `val2014`, ...
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from finecaption.data.sources.base import Source, checked_id
from finecaption.data.sources.reading import JsonItem, annotation_files, json_items
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
    _twice: set[Any] = field(default_factory=set)  # ids of several images
    _bases: dict[str, Any] = field(default_factory=dict)  # name without folders -> name, or None

    def add(self, item: JsonItem) -> Any:
        """Takes in an element of `images` or `categories`; returns its id.

        Raises:
            InputError: it is no object with an id, or its id is that of another one, too.
        """
        value = item.value
        if not isinstance(value, dict) or "id" not in value:
            raise InputError("id: is missing")
        number = checked_id(value["id"], "id")
        if item.key == "categories":
            name = str(value.get("name", ""))
            if self.categories.setdefault(number, name) != name:
                raise InputError(
                    f"id: {number!r} is that of two categories, {self.categories[number]} and "
                    f"{name}; give each its own"
                )
            return number
        entry = (value.get("file_name"), value.get("width"), value.get("height"))
        if self.images.setdefault(number, entry) != entry:
            self._twice.add(number)
            raise InputError(
                f"id: {number!r} is that of two images, {self.images[number][0]} and {entry[0]}, "
                "so that it is not clear to which its annotations belong; give each its own"
            )
        if isinstance(entry[0], str):
            base = Path(entry[0]).name
            if self._bases.setdefault(base, entry[0]) != entry[0]:
                self._bases[base] = None
        return number

    def image(self, number: object) -> tuple[Any, Any, Any]:
        """(file name, width, height) of an image that an annotation refers to.

        Raises:
            InputError: there is none of that id, or there are several.
        """
        known = checked_id(number, "image_id")
        if known in self._twice:
            raise InputError(f"image_id: {known!r} is the id of two images; give each its own")
        if known not in self.images:
            raise InputError(f"image_id: {known!r} is not among the images of the file")
        return self.images[known]

    def names_one(self, name: object) -> bool:
        """Whether no other image of the file has that name without folders."""
        return not isinstance(name, str) or self._bases.get(Path(name).name, name) is not None

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
        """The images and categories of a file. One without an id, or with that of another, is a
        problem.

        Raises:
            InputError: the file has no images.
        """
        tables = CocoTables()
        for item in json_items(file, "images", "categories"):
            with self.at(file, item.place):
                tables.add(item)
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
    ) -> tuple[Path, Size, Size]:
        """The image of an annotation, its size, and the size that the annotation is drawn in."""
        name, width, height = tables.image(annotation.get("image_id"))
        picture = self.find_file(file, name, tables)
        return (picture, *self.sizes_of(picture, width, height))

    def find_file(self, file: Path, name: object, tables: CocoTables) -> Path:
        """The file of an image of the tables; errors as `find_picture`."""
        split = self.split_of(file)
        folders = (split, f"images/{split}", f"../{split}", f"../images/{split}", "../images")
        bare = tables.names_one(name)
        try:
            return self.find_picture(name, *folders, field="file_name", bare=bare)
        except InputError as error:
            if bare:
                raise
            raise InputError(
                f"{error}; it is looked for by its whole path, as the file has other images of "
                f"the name {Path(str(name)).name}"
            ) from error


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
        if is_crowd(annotation) and not self.crowds:
            self.counts["crowds passed over"] += 1
            return
        name = tables.category(annotation.get("category_id"))
        picture, size, drawn = self.picture_of(file, annotation, tables)
        yield self.sample(
            picture,
            size,
            "aarc",
            name,
            self.mask_rle(annotation.get("segmentation"), size, "segmentation", drawn),
            attribute="Category Name",
            image_id=annotation["image_id"],
            region_id=annotation.get("id"),
            split=self.split_of(file),
        )


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
        picture, size, _ = self.picture_of(file, annotation, tables)
        whole = self.task == "aarc"
        yield self.sample(
            picture,
            size,
            self.task,
            annotation.get("caption"),
            masks.encode_rle(np.ones(size[::-1], bool)) if whole else None,
            attribute="One-Sentence Description" if whole else None,
            image_id=annotation["image_id"],
            region_id="whole" if whole else None,
            split=self.split_of(file),
        )


def is_crowd(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation is a crowd, by its `iscrowd`: 0 or 1, true or false, also as text.

    Raises:
        InputError: it is anything else.
    """
    value = annotation.get("iscrowd")
    said = value.strip().casefold() if isinstance(value, str) else value
    if said in _CROWD_WORDS:
        return said in ("1", "true")
    if said is None or said in (0, 1):
        return bool(said)
    raise InputError(f"iscrowd: must be 0 or 1; got {value!r}")


_CROWD_WORDS = ("", "0", "1", "false", "true")


def readable_category(name: str) -> str:
    """COCO's category names as words: `wall-other-merged` -> `wall`, `floor-wood` -> `floor wood`.

    The endings -merged, -other and -stuff of the panoptic names say how classes were joined.
    """
    return re.sub(r"(-(merged|other|stuff))+$", "", name).replace("-", " ")
