"""What `finecaption batch` and `finecaption caption --json` write: captions of regions, as data.

Layout: JSONL of results, one image a line; or the COCO file of a run (`results-coco`). Images
are looked for in --images, beside the file, and by the path that was given to the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from finecaption.data.sources.base import Source
from finecaption.data.sources.coco import CocoFile, CocoTables
from finecaption.data.sources.reading import annotation_files, json_items, parse_json, text_lines
from finecaption.errors import InputError
from finecaption.io.geometry import Size
from finecaption.types import RegionSample

COCO_DESCRIPTION = "regions described by finecaption"
"""`info.description` of the COCO files that we write."""


class Results(Source):
    """Single answers give aarc samples, paragraphs rdc, those on whole images cgic. Images without
    captions are passed over."""

    name = "results"

    def _samples(self) -> Iterator[RegionSample]:
        for file in annotation_files(self.path, "*.jsonl"):
            with self.at(file):
                for number, line in text_lines(file):
                    with self.at(file, f"line {number}"):
                        yield from self._record(parse_json(line))

    def _record(self, record: Any) -> Iterator[RegionSample]:
        if not isinstance(record, Mapping) or not isinstance(record.get("regions"), list):
            raise InputError("regions: is missing; a result has image, regions and captions")
        picture = self._find(record.get("image"))
        size = self.size_of(picture, record.get("width"), record.get("height"))
        image_id = str(record.get("id") or record["image"])
        for index, region in enumerate(record["regions"]):
            if not isinstance(region, Mapping):
                raise InputError(f"regions[{index}]: must be an object; got {region!r}")
            mask = self.mask_rle(region.get("mask"), size, f"regions[{index}].mask")
            common = {"image_id": image_id, "region_id": region.get("id", str(index + 1))}
            yield from self._region(region, picture, size, mask, common, f"regions[{index}]")
        if record.get("global"):
            yield self.sample(picture, size, "cgic", record["global"], image_id=image_id)

    def _find(self, name: object) -> Path:
        """As `find_picture`, and by the path from the working folder of the run."""
        if isinstance(name, str) and self.images is None and not (self.root / name).is_file():
            given = Path(name)
            if given.is_file():
                return given
        return self.find_picture(name, bare=self.images is not None)

    def _region(
        self,
        region: Mapping[str, Any],
        picture: Path,
        size: Size,
        mask: Mapping[str, Any],
        common: dict[str, Any],
        field: str,
    ) -> Iterator[RegionSample]:
        captions = region.get("captions") or {}
        if not isinstance(captions, Mapping):
            raise InputError(f"{field}.captions: must be an object; got {captions!r}")
        for attribute, text in captions.items():
            yield self.sample(picture, size, "aarc", text, mask, attribute=attribute, **common)
        if region.get("dense"):
            yield self.sample(picture, size, "rdc", region["dense"], mask, **common)


class ResultsCoco(CocoFile, Results):
    """The same from the COCO file of a run."""

    name = "results-coco"

    def _samples(self) -> Iterator[RegionSample]:
        yield from CocoFile._samples(self)
        for file in annotation_files(self.path, "*.json"):
            with self.at(file):
                tables = self.tables(file)
                for item in json_items(file, "images"):
                    with self.at(file, item.place):
                        if isinstance(item.value, dict) and item.value.get("caption"):
                            yield self._whole(file, item.value, tables)

    def _whole(self, file: Path, image: dict[str, Any], tables: CocoTables) -> RegionSample:
        picture, size, _ = self.picture_of(file, {"image_id": image.get("id")}, tables)
        return self.sample(picture, size, "cgic", image["caption"], image_id=image["id"])

    def _annotation(
        self, file: Path, annotation: dict[str, Any], tables: CocoTables
    ) -> Iterator[RegionSample]:
        picture, size, drawn = self.picture_of(file, annotation, tables)
        mask = self.mask_rle(annotation.get("segmentation"), size, "segmentation", drawn)
        common = {
            "image_id": annotation["image_id"],
            "region_id": annotation.get("region", annotation.get("id")),
        }
        yield from self._region(annotation, picture, size, mask, common, "annotation")
