"""Osprey-724K: questions and descriptions on masked regions of COCO and other images.

Layout: JSON files (`osprey_conversation.json`, `osprey_detail_description.json`,
`osprey_short_form.json`, `osprey_part_level.json`, `osprey_lvis_positive_negative.json`), each a
list of `{"file_name", "height", "width", "annotation": [{"segmentation"}], "conversations":
[{"from", "value"}]}` with `<region1>` in the text for the first annotation; detail descriptions
have `"description": ["<region1>: ...", ...]` instead. As in CircleRadon/Osprey,
osprey/datasets/osprey_724k.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from finecaption.data.sources.base import Source
from finecaption.data.sources.llava_pretrain import turns_of
from finecaption.data.sources.reading import annotation_files, json_items
from finecaption.errors import InputError
from finecaption.types import RegionSample

_TAG = re.compile(r"<region\s*(\d+)>", re.I)
_DESCRIPTION = re.compile(r"\s*<region\s*(\d+)>\s*:?\s*(.*)", re.I | re.S)


class Osprey(Source):
    """Turns on one region give rdc samples asked in the data's own words, with "the region" for
    the tag; turns on several regions cannot be asked with one mask and are passed over."""

    name = "osprey"
    licence = "annotations: see AntGroup-MI/Osprey-724K; pictures: COCO, their owners' on Flickr"

    def _samples(self) -> Iterator[RegionSample]:
        for file in annotation_files(self.path, "osprey*.json", "*.json"):
            with self.at(file):
                for item in json_items(file):
                    with self.at(file, item.place):
                        yield from self._record(item.value)

    def _record(self, record: Any) -> Iterator[RegionSample]:
        needed = ("file_name", "annotation")
        missing = [name for name in needed if not isinstance(record, dict) or name not in record]
        if missing:
            raise InputError(f"{missing[0]}: is missing; a record has {', '.join(needed)}")
        regions = record["annotation"]
        if not isinstance(regions, list) or not all(isinstance(r, dict) for r in regions):
            raise InputError("annotation: must be a list of objects with a segmentation")
        told = self._told(record, len(regions))
        if not told:
            return
        name = record["file_name"]
        folders = ("train2017", "train2014", "val2017", "VG_100K", "VG_100K_2")
        try:
            picture = self.find_picture(name, *folders, field="file_name")
        except InputError:
            if "_" not in str(name):
                raise
            # COCO_train2014_000000000009.jpg is 000000000009.jpg of train2017
            picture = self.find_picture(name.rpartition("_")[2], *folders, field="file_name")
        size, drawn = self.sizes_of(picture, record.get("width"), record.get("height"))
        masks: dict[int, dict[str, Any]] = {}
        for index, question, answer in told:
            if index not in masks:
                field = f"annotation[{index}].segmentation"
                masks[index] = self.mask_rle(regions[index].get("segmentation"), size, field, drawn)
            yield self.sample(
                picture,
                size,
                "rdc",
                answer,
                masks[index],
                prompt=question,
                image_id=record.get("id", name),
                region_id=index + 1,
            )

    def _told(self, record: dict[str, Any], count: int) -> list[tuple[int, str | None, str]]:
        """(index of the region, question or None, answer) of each turn on one region."""
        told: list[tuple[int, str | None, str]] = []
        descriptions = record.get("description")
        if descriptions is not None:
            if not isinstance(descriptions, list):
                raise InputError("description: must be a list of texts")
            for index, text in enumerate(descriptions):
                found = _DESCRIPTION.fullmatch(text) if isinstance(text, str) else None
                if found is None:
                    raise InputError(
                        f'description[{index}]: must be "<region1>: ..."; got {text!r}'
                    )
                told.append((_index(found[1], count), None, _without_tags(found[2])))
            return told
        for question, answer in turns_of(record):
            question = question.replace("<image>", "").strip()
            named = {_index(number, count) for number in _TAG.findall(question + answer)}
            if not named and count == 1:
                named = {0}
            if len(named) == 1:
                told.append((named.pop(), _without_tags(question) or None, _without_tags(answer)))
            else:
                kind = "several regions" if named else "no region"
                self.counts[f"turns on {kind} passed over"] += 1
        return told


def _index(number: str, count: int) -> int:
    index = int(number) - 1
    if not 0 <= index < count:
        raise InputError(f"annotation: has {count} regions, but the text names <region{number}>")
    return index


def _without_tags(text: str) -> str:
    """`<region1> is red` -> `The region is red`."""

    def words(found: re.Match[str]) -> str:
        before = text[: found.start()].rstrip()
        return "The region" if not before or before[-1] in ".!?" else "the region"

    said = _TAG.sub(words, text).strip()
    return re.sub(r"\b(the) the region\b", r"\1 region", said, flags=re.I)
