"""GranD (GLaMM): SA-1B images with machine-made masks, labels, attributes and captions.

Layout: one JSON an image, at any depth: `{"sa_1.jpg": {"objects": [...], "floating_objects":
[...], "short_captions": [...], "dense_caption": {...}}}`. An object has `id`, `bbox` (xyxy),
`segmentation` (COCO RLE; floating objects mostly have none), `labels` (list) and `attributes`
(text, list or null). Which attributes are taken: as in groundingLMM,
GranD/prepare_annotations/prepare_grand_referring_expression.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finecaption.data.sources.base import Source
from finecaption.data.sources.reading import json_items
from finecaption.errors import InputError
from finecaption.io.geometry import Size
from finecaption.types import RegionSample

# left over from the language model that wrote the attributes, also cut off: "istant:"; without a
# colon only the cut one, and only in front: a shop assistant is a person
_PREFIX = re.compile(r"(?:\b(?:ass)?istant:|^\s*istant\b)\s*", re.I)


class Grand(Source):
    """Labels give Category Name, attributes One-Sentence Description, captions cgic samples."""

    name = "grand"
    licence = "annotations: see MBZUAI/GranD; pictures: SA-1B Dataset Research License"

    def __init__(self, *args: Any, boxes: bool = False, **options: Any) -> None:
        """
        Args:
            boxes: take objects without a mask as filled boxes; else they are passed over.
        """
        super().__init__(*args, **options)
        self.boxes = boxes

    def _samples(self) -> Iterator[RegionSample]:
        found = False
        for file in self._files():
            found = True
            with self.at(file):
                for item in json_items(file):
                    with self.at(file, item.place):
                        yield from self._picture(file, item.key, item.value)
        if not found:
            with self.at(self.path):
                raise InputError("has no *.json; give the folder of GranD's annotations")

    def _files(self) -> Iterator[Path]:
        """A folder at a time: there are millions of files."""
        if self.path.is_file():
            yield self.path
            return
        for folder, folders, names in os.walk(self.path):
            folders.sort()
            yield from (Path(folder) / name for name in sorted(names) if name.endswith(".json"))

    def _picture(self, file: Path, name: str | None, record: Any) -> Iterator[RegionSample]:
        if name is None or not isinstance(record, dict) or "objects" not in record:
            raise InputError('objects: is missing; a file holds {"sa_1.jpg": {"objects": ...}}')
        picture = self.find_picture(name)
        size = self.size_of(picture)
        image_id = Path(name).stem
        for kind in ("objects", "floating_objects"):
            objects = record.get(kind) or []
            if not isinstance(objects, list):
                raise InputError(f"{kind}: must be a list")
            for index, thing in enumerate(objects):
                with self.at(file, f"{name}.{kind}[{index}]"):
                    yield from self._object(thing, picture, size, image_id)
        captions = record.get("short_captions") or []
        if not isinstance(captions, list):
            raise InputError("short_captions: must be a list")
        dense = record.get("dense_caption")
        for index, caption in enumerate([*captions, *([dense] if dense else [])]):
            place = "dense_caption" if index == len(captions) else f"short_captions[{index}]"
            with self.at(file, f"{name}.{place}"):
                text = caption.get("caption") if isinstance(caption, dict) else caption
                if text is None:
                    self.counts["captions without text passed over"] += 1
                else:
                    yield self.sample(picture, size, "cgic", _clean(text), image_id=image_id)

    def _object(
        self, thing: Any, picture: Path, size: Size, image_id: str
    ) -> Iterator[RegionSample]:
        if not isinstance(thing, dict):
            raise InputError(f"must be an object; got {thing!r}")
        labels = [label.replace("_", " ").strip() for label in _texts(thing, "labels")]
        said = [_clean(text) for text in _texts(thing, "attributes")]
        labels, said = [t for t in labels if t], [t for t in said if t]
        if not labels and not said:
            self.counts["objects without words passed over"] += 1
            return
        if thing.get("segmentation"):
            mask = self.mask_rle(thing["segmentation"], size, "segmentation")
        elif self.boxes:
            mask = self.box_rle(thing.get("bbox"), size, "bbox")
            self.counts["boxes taken as masks"] += 1
        else:
            self.counts["objects without mask passed over"] += 1
            return
        # of several, those that name the thing: the others are about its neighbors
        fitting = [text for text in said if any(label in text for label in labels)] or said[:1]
        told = [("Category Name", label) for label in labels[:1]]
        told += [("One-Sentence Description", text) for text in fitting]
        for attribute, text in told:
            yield self.sample(
                picture,
                size,
                "aarc",
                text,
                mask,
                attribute=attribute,
                image_id=image_id,
                region_id=thing.get("id"),
            )


def _texts(thing: dict[str, Any], field: str) -> list[str]:
    """A field that is text, a list of texts, or null."""
    value = thing.get(field)
    texts = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{field}: must be text, a list of texts or null; got {value!r}")
    return texts


def _clean(text: Any) -> str:
    if not isinstance(text, str):
        raise InputError(f"caption: must be text; got {text!r}")
    return _PREFIX.sub("", text).strip()
