"""Our own JSONL: one sample per line, as `finecaption.data.record` says; images relative to it.

Layout: a file, or a folder with `*.jsonl` files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from finecaption.data.record import from_record
from finecaption.data.sources.base import Source
from finecaption.data.sources.reading import annotation_files, parse_json, text_lines
from finecaption.types import RegionSample


class Jsonl(Source):
    """Lines keep their own split, source and license; `split` reads only that split's."""

    name = "jsonl"

    def _samples(self) -> Iterator[RegionSample]:
        for file in annotation_files(self.path, "*.jsonl"):
            with self.at(file):
                for number, line in text_lines(file):
                    with self.at(file, f"line {number}"):
                        found = from_record(parse_json(line))
                        if self.split and found.split not in ("", self.split):
                            self.counts["lines of other splits passed over"] += 1
                            continue
                        yield self._own(found)

    def _own(self, found: RegionSample) -> RegionSample:
        picture = self.find_picture(found.image, "", bare=self.images is not None)
        made = self.sample(
            picture,
            found.size,
            found.task,
            found.text,
            found.mask if isinstance(found.mask, dict) else None,
            attribute=found.attribute,
            image_id=found.image_id,
            region_id=found.region_id,
            split=found.split or self.split,
            licence=found.licence,
            prompt=found.prompt,
            source=found.source,
        )
        return made if made.text == found.text else replace(made, text=found.text)
