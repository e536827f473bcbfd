"""Images from a manifest with one image or region per line, or from a file in COCO's layout."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from finecaption.bulk.jobs import (
    REGION_KEYS,
    Bad,
    BatchJob,
    Passed,
    RegionSpec,
    parse_manifest_region,
)
from finecaption.data.record import NEEDED, OPTIONAL
from finecaption.data.sources.base import annotated_size, checked_id
from finecaption.data.sources.coco import CocoInstances, CocoTables, is_crowd
from finecaption.data.sources.reading import JsonItem, json_items, parse_json, text_lines
from finecaption.errors import InputError
from finecaption.io.geometry import Size, xywh_to_xyxy

_OWN = ("image", "id", "regions", "meta", *REGION_KEYS)
_SAMPLE = {*NEEDED, *OPTIONAL}  # fields of our own JSONL (finecaption.data.record)


def plain_stem(name: str) -> str:
    """An image's path without its suffix."""
    stem, suffix = os.path.splitext(name)
    return stem if 1 < len(suffix) <= 5 else name


# --- manifest.jsonl ---------------------------------------------------------------------------


def manifest_jobs(file: Path, images: Path | None = None) -> Iterator[BatchJob | Bad]:
    """The images of a manifest.

    A line is an object with `image` (a path relative to the manifest) and perhaps `id`, `meta`
    (any JSON, carried into the record), and regions: a list `regions`, or one region's keys
    (`mask`, `polygon`, `box`, `points`; see `jobs.parse_manifest_region`). Consecutive
    lines about one image are one job. Lines of our own JSONL datasets work too: their masks are
    taken.

    Args:
        images: the folder that paths are relative to, if not the manifest's.
    """
    root = file.parent if images is None else images
    pending: _Lines | None = None
    try:
        for number, line in text_lines(file):
            try:
                entry = _entry(line)
            except InputError as error:
                yield Bad(f"line {number}", "", f"{file}: line {number}: {error}")
                continue
            if pending is not None and not pending.takes(entry):
                yield pending.job(root, file)
                pending = None
            if pending is None:
                pending = _Lines(entry, number)
            pending.add(entry, number)
    except InputError as error:  # the file itself breaks off
        yield Bad(str(file), "", f"{file}: {error}")
    if pending is not None:
        yield pending.job(root, file)


def _entry(line: str) -> dict[str, Any]:
    entry = parse_json(line)
    if not isinstance(entry, dict):
        raise InputError(f"must be a JSON object; got {type(entry).__name__}")
    image = entry.get("image")
    if not isinstance(image, str) or not image.strip() or "\0" in image:
        raise InputError(f"image: must be the path of an image; got {image!r}")
    known = _SAMPLE if "task" in entry else set(_OWN)
    unknown = sorted(set(entry) - known)
    if unknown:
        raise InputError(
            f'unknown key "{unknown[0]}"; a line may have {", ".join(_OWN)}; put anything else '
            'under "meta"'
        )
    name = entry.get("id")
    if name is not None and (isinstance(name, bool) or not isinstance(name, str | int)):
        raise InputError(f"id: must be text or a number; got {name!r}")
    return entry


class _Lines:
    """The lines of one image."""

    def __init__(self, entry: Mapping[str, Any], number: int) -> None:
        self.image, self.name = entry["image"], entry.get("id")
        self.first = self.last = number
        self.entries: list[tuple[int, Mapping[str, Any]]] = []

    def takes(self, entry: Mapping[str, Any]) -> bool:
        return bool(entry["image"] == self.image and entry.get("id") == self.name)

    def add(self, entry: Mapping[str, Any], number: int) -> None:
        self.last = number
        self.entries.append((number, entry))

    def job(self, root: Path, file: Path) -> BatchJob | Bad:
        name = self.image if self.name is None else str(self.name)
        place = f"line {self.first}" + (f"-{self.last}" if self.last > self.first else "")
        regions: list[RegionSpec] = []
        meta = None
        for number, entry in self.entries:
            try:
                regions += self._regions(entry, len(regions) + 1, root)
            except InputError as error:
                return Bad(name, place, f"{file}: line {number}: {error}")
            meta = entry.get("meta", meta)
        return BatchJob(
            name,
            os.path.join(root, self.image),
            tuple(_distinct(regions)),
            place,
            plain_stem(name),
            alpha=True,
            meta=meta,
        )

    @staticmethod
    def _regions(entry: Mapping[str, Any], number: int, root: Path) -> list[RegionSpec]:
        if "task" in entry:  # of our own JSONL
            if entry.get("mask") is None:
                return []
            named = {"id": entry.get("region_id"), "mask": entry["mask"]}
            return [parse_manifest_region(named, number, root, "mask")]
        single = {key: entry[key] for key in REGION_KEYS if entry.get(key) is not None}
        several = entry.get("regions")
        if several is None:
            return [parse_manifest_region(single, number, root, "region")] if single else []
        if single:
            raise InputError(f"regions: and {next(iter(single))} are given; give one of them")
        if not isinstance(several, list):
            raise InputError(f"regions: must be a list; got {several!r}")
        return [
            parse_manifest_region(one, number + at, root, f"regions[{at}]")
            for at, one in enumerate(several)
        ]


def _distinct(regions: list[RegionSpec]) -> Iterator[RegionSpec]:
    """Each region once: a dataset has one line per question about it."""
    seen = set()
    for region in regions:
        text = json.dumps(region.form, sort_keys=True, default=str)
        if text not in seen:
            seen.add(text)
            yield region


# --- coco.json --------------------------------------------------------------------------------


class CocoImages:
    """The images of a file in COCO's layout with their annotations as regions.

    A segmentation is a region; where there is none, the box goes to the segmenter. Crowds are
    passed over. An image of which every annotation is passed over or broken is not described: it
    is no image without regions. Annotations are held in memory, as JSON text.
    """

    def __init__(self, file: Path, images: Path | None = None) -> None:
        """
        Raises:
            InputError: not JSON, or without images.
        """
        self.file = file
        self._source = CocoInstances(file, images=images)
        self._tables = CocoTables()
        self._places: dict[Any, str] = {}  # of images
        self._regions: dict[Any, list[bytes]] = {}
        self._left_out: dict[str, list[str]] = {}  # image id as text -> annotations, and why
        self._bad: list[Bad] = []
        self._crowds: list[str] = []
        loose: list[tuple[str, Any]] = []
        try:
            for item in json_items(file, "images", "annotations"):
                try:
                    if item.key == "images":
                        self._image(item)
                    else:  # a file may list annotations before images
                        loose.append((item.place, self._annotation(item.place, item.value)))
                except InputError as error:
                    self._tell(item.place, str(error))
        except InputError as error:
            raise InputError(f"{file}: {error}") from error
        broken = next((bad for bad in self._bad if bad.id.startswith("images")), None)
        if not self._places and broken is not None:
            raise InputError(f"{broken.what}; no other image of the file can be used")
        if not self._places:
            raise InputError(
                f"{file}: has no images; a file in COCO's layout has images and annotations; give "
                "another dataset as FORMAT:PATH"
            )
        for place, number in loose:
            try:
                self._tables.image(number)
            except InputError as error:
                self._leave_out(number, f"{place}: {error}")
                self._tell(place, str(error))

    def __len__(self) -> int:
        return len(self._places) + len(self._bad)

    def __iter__(self) -> Iterator[BatchJob | Bad | Passed]:
        yield from self._bad
        yield from (Passed("crowd annotations", place) for place in self._crowds)
        for number, place in self._places.items():
            yield self._job(number, place)

    def _job(self, number: Any, place: str) -> BatchJob | Bad:
        name = self._tables.images[number][0]
        where = f"image {number}"
        try:
            _, width, height = self._tables.image(number)
            drawn = None if width is None and height is None else annotated_size(width, height)
            picture = self._source.find_file(self.file, name, self._tables)
        except InputError as error:
            return Bad(name, "", f"{self.file}: {place}: {error}")
        regions = tuple(_coco_region(json.loads(r), drawn) for r in self._regions.get(number, ()))
        left_out = self._left_out.get(str(number), [])
        if left_out and not regions:
            what = (
                f"{self.file}: {where}: none of its annotations can be used ({left_out[0]}"
                f"{f', and {len(left_out) - 1} more' if len(left_out) > 1 else ''}); it is left "
                "out, as describing it as a whole would be another question"
            )
            return Bad(name, "", what, left_out=True)
        known = number if isinstance(number, int) else None
        return BatchJob(name, str(picture), regions, where, plain_stem(name), image_id=known)

    def _tell(self, place: str, what: str) -> None:
        self._bad.append(Bad(place, "", f"{self.file}: {place}: {what}"))

    def _leave_out(self, number: object, why: str) -> None:
        self._left_out.setdefault(str(number), []).append(why)

    def _image(self, item: JsonItem) -> None:
        value = item.value if isinstance(item.value, dict) else {}
        name = value.get("file_name")
        if "id" in value and (not isinstance(name, str) or not name.strip()):
            raise InputError(f"file_name: must be the name of an image; got {name!r}")
        self._places[self._tables.add(item)] = item.place

    def _annotation(self, place: str, value: Any) -> Any:
        """The id of its image."""
        if not isinstance(value, dict):
            raise InputError(f"must be an object; got {value!r}")
        number = checked_id(value.get("image_id"), "image_id")
        try:
            if is_crowd(value):
                self._crowds.append(place)
                self._leave_out(number, f"{place} is a crowd")
                return number
            segmentation, box = value.get("segmentation"), value.get("bbox")
            if not (segmentation or box):
                raise InputError("segmentation: is missing, and so is bbox; a region needs one")
            if not segmentation:
                box = xywh_to_xyxy(value["bbox"], "bbox")
        except InputError as error:
            self._leave_out(number, f"{place}: {error}")
            raise
        kept = [value.get("id"), segmentation, box]
        self._regions.setdefault(number, []).append(json.dumps(kept).encode())
        return number


def _coco_region(kept: list[Any], drawn: Size | None) -> RegionSpec:
    number, segmentation, box = kept
    name = str(number)
    if isinstance(segmentation, Mapping):
        return RegionSpec(name, segmentation, drawn)
    if segmentation:
        return RegionSpec(name, {"polygon": segmentation}, drawn)
    return RegionSpec(name, {"box": box, "points": None}, drawn)
