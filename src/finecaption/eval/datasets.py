"""Any dataset of finecaption.data as the source of an evaluation."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.data.opening import open_data
from finecaption.data.record import compact_rle
from finecaption.eval.data import EvalImage, EvalRegion, ahead
from finecaption.io.images import load_image
from finecaption.types import RegionSample


class DatasetSource:
    """A dataset of finecaption.data: references, but no truth in values.

    Samples that follow one another and are of one image make an image; a region is told from
    another by its id, or by its mask where it has none.

    Raises:
        InputError: unknown format, no such path; while reading: a record that cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str], form: str, workers: int = 1) -> None:
        self.path, self.form, self.workers = Path(path), form, workers
        self._open()

    def _open(self) -> Iterable[RegionSample]:
        return open_data(self.path, self.form)

    @property
    def identity(self) -> dict[str, Any]:
        found = self.path.stat()
        size = found.st_size if self.path.is_file() else None
        return {"name": f"{self.form}:{self.path.name}", "format": self.form, "bytes": size}

    @property
    def unseen_only(self) -> bool:
        return False

    @property
    def drawn(self) -> bool:
        return False

    def _jobs(self, start: int) -> Iterator[tuple[int, list[RegionSample]]]:
        # RefCOCO and the like have no image_id of their own in every format: the file tells too
        groups = itertools.groupby(self._open(), key=lambda s: (s.image_id, str(s.image)))
        for index, (_, samples) in enumerate(groups):
            if index >= start:
                yield index, list(samples)

    def pictures(self, start: int = 0) -> Iterator[EvalImage]:
        """See Source."""
        found = ahead(_gather, self._jobs(start), self.workers)
        yield from (p for p in found if p is not None)

    def twins(self, start: int = 0) -> Iterator[EvalImage]:
        """None: what tells two regions apart is not known in values."""
        return iter(())


def _gather(job: tuple[int, list[RegionSample]]) -> EvalImage | None:
    """The samples of one image as an image; None without anything to score."""
    index, samples = job
    regions: dict[str, list[RegionSample]] = {}
    wholes: list[str] = []
    for sample in samples:
        if sample.task == "cgic":
            wholes.append(sample.text)
            continue
        key = sample.region_id or json.dumps(compact_rle(sample.mask), sort_keys=True)  # type: ignore[arg-type]  # only cgic has no mask
        regions.setdefault(key, []).append(sample)
    if not regions and not wholes:
        return None
    first = samples[0]
    made = tuple(_region(number, own) for number, own in enumerate(regions.values(), 1))
    picture = np.asarray(load_image(first.image))
    path = None if isinstance(first.image, np.ndarray) else str(Path(first.image).resolve())
    name = first.image_id or Path(str(path)).name
    return EvalImage(index, f"{name}", picture, made, tuple(dict.fromkeys(wholes)), path)


def _region(number: int, samples: Sequence[RegionSample]) -> EvalRegion:
    said: dict[str, list[str]] = {}
    dense: list[str] = []
    for sample in samples:
        if sample.attribute is None:
            dense.append(sample.text)
        else:
            said.setdefault(sample.attribute, []).append(sample.text)
    references = {name: tuple(dict.fromkeys(texts)) for name, texts in said.items()}
    mask = np.array(samples[0].region().mask)
    paragraphs = tuple(dict.fromkeys(dense))
    return EvalRegion(number, "", None, False, mask, {}, references, paragraphs)
