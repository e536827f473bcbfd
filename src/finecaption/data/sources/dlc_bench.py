"""DLC-Bench (Describe Anything): 100 masked things to be described; a judge asks about the text.

Layout: the folder of nvidia/DLC-Bench: `annotations.json` (COCO's layout, masks as compressed RLE),
`images/`, `qa.json` (the judge's questions by annotation id), `class_names.json` (names by
annotation id). There are no reference captions: the text of a sample is the name of the thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from finecaption.data.sources.coco import CocoFile, CocoTables, readable_category
from finecaption.data.sources.reading import json_items
from finecaption.errors import InputError
from finecaption.types import RegionSample


class DlcBench(CocoFile):
    """Names of masked things; `questions` has what the judge asks."""

    name = "dlc-bench"
    licence = "see nvidia/DLC-Bench; pictures: Objects365, their owners' on Flickr"

    def __init__(self, *args: Any, task: Literal["aarc", "rdc"] = "aarc", **options: Any) -> None:
        """
        Args:
            task: aarc: Category Name, of which the text is a true answer; or rdc, what the
                benchmark asks for, of which the text is only the name.
        """
        super().__init__(*args, **options)
        if task not in ("aarc", "rdc"):
            raise InputError(f"task: must be aarc or rdc; got {task!r}")
        self.task = task

    def _samples(self) -> Iterator[RegionSample]:
        file = self.path / "annotations.json" if self.path.is_dir() else self.path
        with self.at(file):
            tables = self.tables(file)
            names = self._by_id(file.with_name("class_names.json"))
            for item in json_items(file, "annotations"):
                with self.at(file, item.place):
                    if not isinstance(item.value, dict):
                        raise InputError(f"must be an object; got {item.value!r}")
                    known = names.get(str(item.value.get("id")))
                    yield from self._annotation(file, {**item.value, "name": known}, tables)

    def questions(self) -> dict[str, Any]:
        """The judge's questions as published: annotation id (`region_id`) -> questions.

        Raises:
            InputError: there is no qa.json, or it is broken.
        """
        file = self.root / "qa.json"
        if not file.is_file():
            raise InputError(f"{file}: no such file; download it beside annotations.json")
        return self._by_id(file)

    def _by_id(self, file: Path) -> dict[str, Any]:
        """A JSON object by its keys; lists under them are whole. Empty if there is no file."""
        values: dict[str, Any] = {}
        if file.is_file():
            for item in json_items(file):
                if item.key is None:
                    raise InputError(f"{file}: must be an object by annotation id")
                if item.index is None:
                    values[item.key] = item.value
                else:
                    values.setdefault(item.key, []).append(item.value)
        return values

    def _annotation(
        self, file: Path, annotation: dict[str, Any], tables: CocoTables
    ) -> Iterator[RegionSample]:
        if not annotation.get("segmentation"):
            self.counts["annotations without mask passed over"] += 1
            return
        name = annotation["name"]
        if isinstance(name, list) and name:
            name = name[0]
        if name is None:
            name = tables.category(annotation.get("category_id"))
        if not isinstance(name, str):
            raise InputError(f"name: must be text in class_names.json; got {name!r}")
        picture, size, drawn = self.picture_of(file, annotation, tables)
        yield self.sample(
            picture,
            size,
            self.task,
            readable_category(name),
            self.mask_rle(annotation["segmentation"], size, "segmentation", drawn),
            attribute="Category Name" if self.task == "aarc" else None,
            image_id=annotation["image_id"],
            region_id=annotation.get("id"),
            split=self.split or "test",
        )
