"""CompositionCap: the paper's data; attribute, dense and global captions on masked entities.

The exact keys of its JSON are not public, so this reader is tolerant: it looks for each thing under
the names of `compositioncap_keys` in any spelling, says in `counts` what it recognized and what it
passed over, keeps attributes that it does not know, and names the path of a record that it cannot
use.

Layouts: a JSON list of images, each with its entities; a list of entities, each with its image;
an object of either by name, or under `data`; COCO's `images` + `annotations`; JSON lines; or a
folder of such files. Masks are `base64(gzip(uint8 H x W))` (the paper);
RLE, polygons, rows of 0 and 1 and PNG files are taken too. H and W come from the record, else from
the image. The form that `finecaption.data.writers.compositioncap` writes is one of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.attributes import canonical_name, find_attribute
from finecaption.data.sources.base import Source, annotated_size
from finecaption.data.sources.compositioncap_keys import (
    ATTRIBUTE_KEY,
    ATTRIBUTE_NAME,
    ATTRIBUTES,
    DENSE,
    ENTITIES,
    ENTITY_ID,
    GLOBAL,
    HEIGHT,
    IMAGE,
    IMAGE_ID,
    MASK,
    QUIET,
    RECORDS,
    TEXT_KEY,
    WIDTH,
    find_key,
    find_keys,
    plain_key,
    value_of,
)
from finecaption.data.sources.reading import annotation_files, json_items, parse_json, text_lines
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.compressed_masks import decode_base64_gzip
from finecaption.io.geometry import Size
from finecaption.io.images import SUFFIXES
from finecaption.types import RegionSample, Task

_CROSS_REFERENCE = re.compile(r"\s*\(\s*entity_id_\d+\s*\)")


@dataclass(frozen=True)
class _Picture:
    """What the entities of an image share."""

    path: Path
    size: Size
    image_id: object
    labels: dict[str, str]
    """split, source, license where the record has them."""
    keys: set[str] = field(default_factory=set)
    """Those of the record that were used."""


class CompositionCap(Source):
    """See the module. Missing ids are counted from 1 in each image."""

    name = "compositioncap"
    licence = "see the data set's page; pictures of the test set: Open Images, CC BY 2.0"

    def __init__(self, *args: Any, cross_references: bool = True, **options: Any) -> None:
        """
        Args:
            cross_references: keep `(entity_id_3)` in the captions.
        """
        super().__init__(*args, **options)
        self.cross_references = cross_references

    # --- files ---------------------------------------------------------------------------------

    def _samples(self) -> Iterator[RegionSample]:
        stem = f"*{self.split}*" if self.split else "*"
        wanted = (f"{stem}.json", f"{stem}.jsonl")
        for file in annotation_files(self.path, *wanted):
            with self.at(file):
                lines = file.suffix == ".jsonl"
                yield from self._lines(file) if lines else self._items(file)

    def _lines(self, file: Path) -> Iterator[RegionSample]:
        for number, line in text_lines(file):
            with self.at(file, f"line {number}"):
                yield from self._record(file, f"line {number}", parse_json(line), None)

    def _items(self, file: Path) -> Iterator[RegionSample]:
        images: dict[str, dict[str, Any]] = {}
        for item in json_items(file):
            kind = plain_key(item.key or "")
            with self.at(file, item.place):
                if kind in QUIET:
                    continue
                if kind == "images" and item.index is not None and isinstance(item.value, dict):
                    if find_key(item.value, ENTITIES) is None:  # entities come by image_id
                        images[str(item.value.get("id", item.index))] = item.value
                        if find_key(item.value, GLOBAL) is None:
                            continue
                    yield from self._record(file, item.place, item.value, None)
                elif self._is_by_id(item.value, kind) and item.index is not None:
                    images = images or _images(file)  # they may come after
                    yield from self._by_id(file, item.place, item.value, images)
                elif item.key is None or kind in (*RECORDS, *ENTITIES, "images"):
                    yield from self._nested(file, item.place, item.value, kind)
                else:  # an object by image: its record, or one of its entities
                    yield from self._record(file, item.place, item.value, item.key)

    @staticmethod
    def _is_by_id(value: Any, kind: str) -> bool:
        """Whether it is an entity that names its image by id alone, as COCO's annotations do."""
        return (
            kind in ENTITIES
            and isinstance(value, dict)
            and "image_id" in value
            and find_key(value, IMAGE) is None
        )

    def _nested(self, file: Path, place: str, value: Any, kind: str) -> Iterator[RegionSample]:
        """A record; or, under a key such as `data`, an object of records by image."""
        inner = isinstance(value, dict) and kind in (*RECORDS, "images") and value
        if inner and all(isinstance(entry, dict | list) for entry in value.values()):
            for name, entry in value.items():
                entries = entry if isinstance(entry, list) else [entry]
                for index, record in enumerate(entries):
                    here = f"{place}.{name}" + (f"[{index}]" if isinstance(entry, list) else "")
                    with self.at(file, here):
                        yield from self._record(file, here, record, name)
        else:
            yield from self._record(file, place, value, None)

    def _by_id(
        self, file: Path, place: str, value: Any, images: dict[str, dict[str, Any]]
    ) -> Iterator[RegionSample]:
        image_id = str(value["image_id"])
        if image_id not in images:
            raise InputError(f"image_id: {image_id} is not among the images of the file")
        picture = self._picture(file, images[image_id], None)
        yield from self._entity(value, picture, value.get("id"))

    # --- records -------------------------------------------------------------------------------

    def _record(
        self, file: Path, place: str, record: Any, name: str | None
    ) -> Iterator[RegionSample]:
        """An image with entities, or one entity with its image."""
        if not isinstance(record, dict):
            raise InputError(f"must be an object; got {type(record).__name__}")
        entities = find_key(record, ENTITIES)
        alone = find_key(record, MASK) is not None and (
            entities is None
            or plain_key(entities) == "masks"  # no entities: other masks of its own
        )
        picture = self._picture(file, record, name, () if not alone else ("id",))
        if self.split and picture.labels["split"] != self.split:
            self.counts["records of other splits passed over"] += 1
            return
        if alone:
            yield from self._entity(record, picture, None)
            return
        told = find_key(record, GLOBAL)
        if told is not None:
            self.counts[f"global caption from {told!r}"] += 1
            picture.keys.add(told)
            for where, text in self._texts(record[told], told):
                with self.at(file, f"{place}.{where}" if place else where):
                    yield self._make(picture, "cgic", text)
        if entities is None:
            if told is None:
                raise InputError(
                    "has neither entities nor a mask nor a global caption; its keys are "
                    f"{', '.join(record)}"
                )
        else:
            self.counts[f"entities from {entities!r}"] += 1
            picture.keys.add(entities)
            for index, (key, entity) in enumerate(_entries(record[entities], entities)):
                with self.at(file, f"{place}.{entities}[{key}]" if place else entities):
                    yield from self._entity(entity, picture, None, key, index)
        self._passed_over(record, picture.keys)

    def _picture(
        self, file: Path, record: dict[str, Any], name: str | None, not_id: tuple[str, ...] = ()
    ) -> _Picture:
        """The image of a record; `not_id` are keys that do not hold its id here."""
        key = next((k for k in find_keys(record, IMAGE) if isinstance(record[k], str)), None)
        id_key = find_key(record, tuple(n for n in IMAGE_ID if n not in not_id))
        given = record[key] if key else name
        if given is None and id_key is not None:
            given = record[id_key]
        if given is None:
            raise InputError(f"image: is missing; its keys are {', '.join(record)}")
        self.counts[f"picture from {key or ('the key' if name else id_key)!r}"] += 1
        given = str(given)
        names = (
            [given] if given.lower().endswith(SUFFIXES) else [f"{given}.jpg", f"{given}.png", given]
        )
        for number, candidate in enumerate(names):
            try:
                path = self.find_picture(candidate, *filter(None, (self.split,)))
                break
            except InputError:
                if number == len(names) - 1:
                    raise
        width, height = (value_of(record, *side) for side in (WIDTH, HEIGHT))
        size = self.size_of(path, width, height)
        labels = {"split": self.split or _split_of(file)}
        labels |= {k: str(record[k]) for k in ("split", "source", "licence") if k in record}
        image_id = record[id_key] if id_key else path.stem
        used = {k for k in (key, id_key) if k}
        return _Picture(path, size, image_id, labels, used)

    def _entity(
        self,
        entity: Any,
        picture: _Picture,
        entity_id: object,
        key: object = None,
        index: int = 0,
    ) -> Iterator[RegionSample]:
        if not isinstance(entity, dict):
            raise InputError(f"must be an object; got {type(entity).__name__}")
        mask_key = find_key(entity, MASK)
        if mask_key is None:
            raise InputError(f"mask: is missing; the entity's keys are {', '.join(entity)}")
        id_key = find_key(entity, ENTITY_ID)
        if entity_id is None:
            # null says that it has none; without a key it is the object's key, or counted
            entity_id = entity[id_key] if id_key else key if isinstance(key, str) else index + 1
        mask = self._mask(entity[mask_key], picture, mask_key)
        used = {mask_key, *((id_key,) if id_key else ()), *picture.keys}
        captions: list[tuple[Task, str | None, str]] = []
        for name in find_keys(entity, ATTRIBUTES):
            if isinstance(entity[name], dict | list) and not _only_texts(entity[name]):
                used.add(name)
                captions += [("aarc", a, t) for a, t in self._attributes(entity[name], name)]
        row, said = find_key(entity, ATTRIBUTE_NAME), find_key(entity, TEXT_KEY)
        if not captions and row and said and isinstance(entity[row], str):  # one row per attribute
            used |= {row, said}
            name = canonical_name(entity[row])
            captions += [("aarc", name, text) for _, text in self._texts(entity[said], said)]
        for name, value in entity.items():  # attributes may also be keys of the entity
            known = find_attribute(name) if plain_key(name) != "text" else None
            if known and name not in used and (isinstance(value, str) or _only_texts(value)):
                used.add(name)
                captions += [("aarc", known.name, text) for _, text in self._texts(value, name)]
        dense = next((k for k in find_keys(entity, DENSE) if k not in used), None)
        if dense is not None:
            used.add(dense)
            captions += [("rdc", None, text) for _, text in self._texts(entity[dense], dense)]
        if not captions:
            self.counts["entities without captions passed over"] += 1
        for task, attribute, text in captions:
            known_name = find_attribute(attribute) if attribute else None
            kind = "attribute" if known_name or task == "rdc" else "unknown attribute"
            self.counts["dense caption" if task == "rdc" else f"{kind} {attribute!r}"] += 1
            yield self._make(picture, task, text, mask, attribute, entity_id)
        self._passed_over(entity, used)

    def _make(
        self,
        picture: _Picture,
        task: Task,
        text: str,
        mask: dict[str, Any] | None = None,
        attribute: str | None = None,
        region_id: object = None,
    ) -> RegionSample:
        if not self.cross_references:
            text = _CROSS_REFERENCE.sub("", text)
        return self.sample(
            picture.path,
            picture.size,
            task,
            text,
            mask,
            attribute=attribute,
            image_id=picture.image_id,
            region_id=region_id,
            **picture.labels,
        )

    # --- captions ------------------------------------------------------------------------------

    def _attributes(self, value: Any, where: str) -> Iterator[tuple[str, str]]:
        """(attribute, text) of `{name: text | [texts] | {text: ...}}` or a list of objects."""
        if isinstance(value, dict):
            for name, said in value.items():
                for _, text in self._texts(said, f"{where}[{name}]"):
                    yield canonical_name(name), text
            return
        for index, entry in enumerate(value):
            here = f"{where}[{index}]"
            if not isinstance(entry, dict):
                raise InputError(f"{here}: must be an object; got {entry!r}")
            name_key, text_key = find_key(entry, ATTRIBUTE_KEY), find_key(entry, TEXT_KEY)
            if name_key and text_key and isinstance(entry[name_key], str):
                for _, text in self._texts(entry[text_key], f"{here}.{text_key}"):
                    yield canonical_name(entry[name_key]), text
            elif all(isinstance(said, str) for said in entry.values()):  # [{"Hair": "..."}, ...]
                yield from self._attributes(entry, here)
            else:
                raise InputError(f"{here}: no attribute and caption in it; keys {', '.join(entry)}")

    def _texts(self, value: Any, where: str) -> Iterator[tuple[str, str]]:
        """(place, text) of a text, a list of texts, or an object with a text; empty ones count."""
        if isinstance(value, dict):
            key = find_key(value, TEXT_KEY)
            if key is None:
                raise InputError(f"{where}: no caption in it; its keys are {', '.join(value)}")
            value, where = value[key], f"{where}.{key}"
        for index, text in enumerate(value if isinstance(value, list) else [value]):
            here = f"{where}[{index}]" if isinstance(value, list) else where
            if text is not None and not isinstance(text, str):
                raise InputError(f"{here}: must be text; got {text!r}")
            if text is None or not text.strip():
                self.counts["empty captions passed over"] += 1
            else:
                yield here, text

    # --- masks ---------------------------------------------------------------------------------

    def _mask(self, value: Any, picture: _Picture, where: str) -> dict[str, Any]:
        size = picture.size
        if isinstance(value, dict) and "counts" not in value:  # {"data": "...", "width": ...}
            inner = find_key(value, (*MASK, "data", "base64", "encoded", "b64", "value"))
            if inner is None:
                raise InputError(f"{where}: no mask in it; its keys are {', '.join(value)}")
            width, height = value_of(value, *WIDTH), value_of(value, *HEIGHT)
            if isinstance(value[inner], str) and width is not None and height is not None:
                own = annotated_size(width, height)
                mask = decode_base64_gzip(value[inner], own, where)
                self.counts[f"mask from {where!r} (base64-gzip)"] += 1
                return self.mask_rle(mask, size, where)
            value, where = value[inner], f"{where}.{inner}"
        if isinstance(value, str) and value.lower().endswith(SUFFIXES):
            kind = "file"
            rle = self.mask_rle(masks.load_mask(self._mask_file(value, where)), size, where)
        elif isinstance(value, str):
            kind = "base64-gzip"
            rle = self.mask_rle(decode_base64_gzip(value, size, where), size, where)
        elif isinstance(value, list) and len(value) == size[1] and _rows(value, size[0]):
            kind = "rows"
            rle = self.mask_rle(masks.as_mask(np.asarray(value), size, where), size, where)
        elif isinstance(value, dict | list) and value:
            kind = "RLE" if isinstance(value, dict) else "polygons"
            rle = self.mask_rle(value, size, where)
        else:
            raise InputError(
                f"{where}: must be base64 text, RLE, polygons or a file; got {value!r}"
            )
        self.counts[f"mask from {where!r} ({kind})"] += 1
        return rle

    def _mask_file(self, name: str, where: str) -> Path:
        for place in (self.root, self.root / "masks", *((self.images,) if self.images else ())):
            if (place / name).is_file():
                return place / name
        raise InputError(f"{where}: {name}: no such mask file beside the annotations or in masks/")

    def _passed_over(self, record: dict[str, Any], used: set[str]) -> None:
        for key in record:
            if key not in used and plain_key(key) not in QUIET:
                self.counts[f"key {key!r} passed over"] += 1


def _images(file: Path) -> dict[str, dict[str, Any]]:
    """id -> record of the images of a file in COCO's layout.

    Raises:
        InputError: two different ones have one id.
    """
    found: dict[str, dict[str, Any]] = {}
    for item in json_items(file, "images"):
        if isinstance(item.value, dict):
            number = str(item.value.get("id", item.index))
            if found.setdefault(number, item.value) != item.value:
                raise InputError(f"{item.place}.id: {number} is that of another image, too")
    return found


def _split_of(file: Path) -> str:
    """train, val or test, where the file's name says so."""
    words = re.split(r"[\W_]+", file.stem.casefold())
    return next((word for word in words if word in ("train", "val", "test")), "")


def _entries(value: Any, where: str) -> list[tuple[object, Any]]:
    """(key or index, entity) of a list, or an object by id."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list):
        return list(enumerate(value))
    raise InputError(f"{where}: must be a list or an object of entities; got {value!r}")


def _only_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(t, str) for t in value)


def _rows(value: list[Any], width: int) -> bool:
    """Whether it is H rows of W numbers, and not H polygons."""
    first = value[0]
    return isinstance(first, list) and len(first) == width and {0, 1, 255} >= set(first)
