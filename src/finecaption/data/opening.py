"""Any dataset by path: a published layout by the name of its reader, or a store of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finecaption.data.problems import Policy
from finecaption.data.sources import SOURCE_NAMES, open_source
from finecaption.data.sources.base import Source
from finecaption.data.sources.results import COCO_DESCRIPTION
from finecaption.data.store.layout import INFO
from finecaption.data.store.read import Store
from finecaption.data.store.rows import StoredItem
from finecaption.errors import InputError
from finecaption.types import RegionSample

STORE = "store"
FORMATS: tuple[str, ...] = (*SOURCE_NAMES, STORE)
"""What can be read: the readers, and "store" (Parquet shards)."""


class Stored(Source):
    """A store as a reader: samples in the order in which they were written."""

    name = STORE

    def _samples(self) -> Iterator[RegionSample]:
        with self.at(self.path / INFO):
            store = Store(self.path, self.images)
            try:
                yield from self._of(store)
            finally:
                store.close()

    def _of(self, store: Store) -> Iterator[RegionSample]:
        for file, number, read in store.blocks():
            rows: list[Any] = []
            with self.at(file, f"block {number}"):
                rows = read()
            for place, row in enumerate(rows):
                where = f"block {number}, row {place}"
                if self.split and row.split != self.split:
                    self.counts["rows of other splits passed over"] += 1
                    continue
                with self.at(file, where):
                    for sample in StoredItem(place, row, 0, len(row.questions)).samples():
                        if isinstance(sample.image, str):
                            self._check_place(Path(sample.image))
                        if self.deep and isinstance(sample.image, str):
                            self._check_size(Path(sample.image), sample)
                        elif self.deep and sample.mask is not None:
                            sample.region()
                        self.counts[f"samples of {sample.task}"] += 1
                        yield sample


def guess_format(path: str | os.PathLike[str]) -> str:
    """The format of what can be told by its look: a store, the synthetic world, our JSONL, results
    of `finecaption batch` as JSONL or COCO, CompositionCap's list of images.

    Raises:
        InputError: it cannot be told.
    """
    place = Path(path)
    if (place / INFO).is_file():
        return STORE
    if (place / "annotations.jsonl").is_file() and (place / "index.json").is_file():
        return "synth"
    if not place.exists():
        raise InputError(f"{place}: no such file or folder; check the path")
    lines = [place] if place.suffix == ".jsonl" else sorted(place.glob("*.jsonl"))
    if lines:
        return "results" if _first(lines[0], '"regions"') else "jsonl"
    if place.suffix == ".json" and _first(place, COCO_DESCRIPTION):
        return "results-coco"
    if place.suffix == ".json" and _first(place, '"entities"'):
        return "compositioncap"
    raise InputError(
        f"{place}: its format cannot be told by its look; give --from with one of: "
        + ", ".join(FORMATS)
    )


def _first(file: Path, text: str) -> bool:
    """Whether a text stands in the first record of a file, or near its beginning."""
    with file.open("rb") as stream:
        beginning = stream.read(1 << 16).lstrip(b"[ \r\n\t\xef\xbb\xbf")
    return text.encode() in beginning.partition(b"\n")[0] or (
        file.suffix == ".json" and text.encode() in beginning
    )


def open_data(
    path: str | os.PathLike[str],
    form: str | None = None,
    *,
    images: str | os.PathLike[str] | None = None,
    split: str = "",
    problems: Policy = "raise",
    deep: bool = False,
    options: dict[str, Any] | None = None,
) -> Source:
    """A dataset on disk as a reader.

    Args:
        path: file or folder.
        form: one of FORMATS; None tells it by `guess_format`.
        images, split, problems, deep: as of `sources.base.Source`.
        options: further ones of the reader.

    Raises:
        InputError: unknown format or option, no such path.
    """
    name = guess_format(path) if form is None else form
    common: dict[str, Any] = {
        "images": images,
        "split": split,
        "problems": problems,
        "deep": deep,
    }
    if name == STORE:
        if options:
            raise InputError(f"store: no option {next(iter(options))!r}")
        return Stored(path, **common)
    if name not in SOURCE_NAMES:
        raise InputError(f"unknown dataset format {name!r}; choose from {', '.join(FORMATS)}")
    return open_source(name, path, **common, **(options or {}))
