"""The synthetic world on disk: the folder that `finecaption synth render` writes.

Layout: `annotations.jsonl`, one record per region, and `images/`; see docs/synthetic-world.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from finecaption.data.sources.base import Source
from finecaption.data.sources.reading import parse_json, text_lines
from finecaption.errors import InputError
from finecaption.types import RegionSample
from finecaption_synth import check_world

_NEEDED = ("image", "width", "height", "region_id", "mask", "captions")


class Synth(Source):
    """Regions give aarc and rdc samples, the scene cgic."""

    name = "synth"
    licence = "drawn by finecaption; Apache-2.0"

    def __init__(self, *args: Any, sentences: int | None = 1, **options: Any) -> None:
        """
        Args:
            sentences: how many of an attribute's sentences give a sample each; None: all.
        """
        super().__init__(*args, **options)
        if sentences is not None and sentences < 1:
            raise InputError(f"sentences is {sentences}; it must be at least 1, or None for all")
        self.sentences = sentences

    def _samples(self) -> Iterator[RegionSample]:
        file = self.path / "annotations.jsonl" if self.path.is_dir() else self.path
        index = file.with_name("index.json")
        if index.is_file():
            check_world(index, "render the folder again")
        with self.at(file):
            for number, line in text_lines(file):
                with self.at(file, f"line {number}"):
                    yield from self._record(parse_json(line))

    def _record(self, record: Any) -> Iterator[RegionSample]:
        missing = [name for name in _NEEDED if not isinstance(record, dict) or name not in record]
        if missing:
            raise InputError(f"{missing[0]}: is missing; render the folder again")
        split = str(record.get("split", ""))
        if self.split and split != self.split:
            self.counts["records of other splits passed over"] += 1
            return
        picture = self.find_picture(record["image"])
        size = self.size_of(picture, record["width"], record["height"])
        image_id = str(record.get("id", record["image"])).rpartition("-")[0] or record["image"]
        common = {"image_id": image_id, "split": split}
        told = record["captions"]
        if not isinstance(told, dict) or not isinstance(told.get("aarc", {}), dict):
            raise InputError(f"captions: must be an object with an object aarc; got {told!r}")
        if "cgic" in told:
            yield self.sample(picture, size, "cgic", told["cgic"], None, **common)
            return
        mask = self.mask_rle(record["mask"], size)
        common["region_id"] = record["region_id"]
        for attribute, sentences in told.get("aarc", {}).items():
            if not isinstance(sentences, list):
                raise InputError(f"captions.aarc[{attribute}]: must be a list; got {sentences!r}")
            for sentence in sentences[: self.sentences]:
                yield self.sample(
                    picture, size, "aarc", sentence, mask, attribute=attribute, **common
                )
        if "rdc" in told:
            yield self.sample(picture, size, "rdc", told["rdc"], mask, **common)
