"""Counts and distributions over a stream of samples, with memory that does not grow with it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.types import RegionSample

MOST_WORDS = 200_000
"""Distinct words that are counted; further new ones are only numbered."""

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")

AREA_EDGES = (0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0000001)
"""Edges of the shares of the image that regions take."""


@dataclass
class Histogram:
    """Values counted in bins, with their mean, least and most."""

    edges: tuple[float, ...]
    counts: np.ndarray = field(init=False)
    number: int = 0
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.edges) - 1, np.int64)

    def add(self, value: float) -> None:
        """Counts a value; outside the edges it goes to the nearest bin."""
        place = int(np.searchsorted(self.edges, value, side="right")) - 1
        self.counts[min(max(place, 0), len(self.counts) - 1)] += 1
        self.number += 1
        self.total += value
        self.least, self.most = min(self.least, value), max(self.most, value)

    @property
    def mean(self) -> float:
        """Of all values; 0 of none."""
        return self.total / self.number if self.number else 0.0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        if not self.number:
            return {"number": 0}
        return {
            "number": self.number,
            "mean": self.mean,
            "least": self.least,
            "most": self.most,
            "edges": list(self.edges),
            "counts": self.counts.tolist(),
        }


def _steps(first: float, last: float, width: float) -> tuple[float, ...]:
    return tuple(np.arange(first, last + width / 2, width).tolist())


class Statistics:
    """Fed one sample after the other; images and regions are distinguished by their neighbors.

    An image whose samples are not neighbors counts once all the same (8 bytes are kept of it),
    but its regions are then measured once for each run of neighbors.
    """

    def __init__(self) -> None:
        self.samples = self.regions = self.broken_masks = 0
        self.tasks: Counter[str] = Counter()
        self.attributes: Counter[str] = Counter()
        self.splits: Counter[str] = Counter()
        self.sources: Counter[str] = Counter()
        self.licences: Counter[str] = Counter()
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.words: Counter[str] = Counter()
        self.attribute_words: Counter[str] = Counter()
        self.rare_words = 0
        self.repeated = 0
        self.long_side = Histogram(_steps(0, 2048, 128))
        self.area = Histogram(AREA_EDGES)
        self.box_iou = Histogram(_steps(0, 1, 0.1))
        self.region_count = Histogram(_steps(0, 30, 1))
        self.length = Histogram(_steps(0, 100, 5))
        self._pictures: set[int] = set()
        self._texts: set[int] = set()
        self._now: tuple[str, set[tuple[str | None, str]]] | None = None

    @property
    def pictures(self) -> int:
        """Distinct ones."""
        return len(self._pictures)

    def add(self, sample: RegionSample) -> None:
        """Counts a sample."""
        self.samples += 1
        self.tasks[sample.task] += 1
        self.splits[sample.split] += 1
        self.sources[sample.source] += 1
        self.licences[sample.licence] += 1
        self._add_picture(sample)
        if sample.mask is not None:
            self._add_region(sample)
        found = [word.casefold() for word in _WORD.findall(sample.text)]
        self.length.add(len(found))
        if sample.attribute is not None:
            self.attributes[sample.attribute] += 1
            self.attribute_words[sample.attribute] += len(found)
        for word in found:
            if word in self.words or len(self.words) < MOST_WORDS:
                self.words[word] += 1
            else:
                self.rare_words += 1
        text = _hash(sample.text)
        self.repeated += text in self._texts
        if len(self._texts) < 10 * MOST_WORDS:
            self._texts.add(text)

    def _add_picture(self, sample: RegionSample) -> None:
        if isinstance(sample.image, np.ndarray):
            name = sample.image_id or hashlib.sha1(sample.image.tobytes()).hexdigest()
        else:
            name = str(sample.image)
        if self._now is not None and self._now[0] == name:
            return
        self._close_picture()
        self._now = name, set()
        key = _hash(name)
        if key not in self._pictures:
            self._pictures.add(key)
            self.sizes[sample.size] += 1
            self.long_side.add(max(sample.size))

    def _close_picture(self) -> None:
        if self._now is not None:
            self.region_count.add(len(self._now[1]))

    def _add_region(self, sample: RegionSample) -> None:
        assert self._now is not None and sample.mask is not None
        if isinstance(sample.mask, np.ndarray):
            counts = masks.encode_rle(sample.mask)["counts"]
        else:
            counts = str(sample.mask["counts"])
        key = (sample.region_id, counts)
        if key in self._now[1]:
            return
        self._now[1].add(key)
        self.regions += 1
        try:
            region = sample.region()
        except InputError:
            self.broken_masks += 1
            return
        self.area.add(region.area / (sample.size[0] * sample.size[1]))
        self.box_iou.add(masks.box_mask_iou(region.mask))

    def add_all(self, samples: Iterable[RegionSample]) -> Statistics:
        """Counts a stream, and closes it."""
        for sample in samples:
            self.add(sample)
        return self.finish()

    def finish(self) -> Statistics:
        """Closes the last image; to be called once, after the last sample."""
        self._close_picture()
        self._now = None
        return self

    def attribute_order(self) -> list[str]:
        """Names that were met: the 18 in their order, then others by count."""
        others = [name for name, _ in self.attributes.most_common() if name not in ATTRIBUTE_NAMES]
        return [name for name in ATTRIBUTE_NAMES if name in self.attributes] + others

    def to_dict(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return {
            "samples": self.samples,
            "pictures": self.pictures,
            "regions": self.regions,
            "broken_masks": self.broken_masks,
            "repeated_texts": self.repeated,
            "tasks": dict(self.tasks),
            "attributes": {
                name: {
                    "samples": self.attributes[name],
                    "mean_words": self.attribute_words[name] / self.attributes[name],
                }
                for name in self.attribute_order()
            },
            "splits": dict(self.splits),
            "sources": dict(self.sources),
            "licences": dict(self.licences),
            "sizes": [[*size, count] for size, count in self.sizes.most_common(20)],
            "distinct_words": len(self.words),
            "top_words": self.words.most_common(50),
            "long_side": self.long_side.to_dict(),
            "area_share": self.area.to_dict(),
            "mask_box_iou": self.box_iou.to_dict(),
            "regions_per_picture": self.region_count.to_dict(),
            "words_per_text": self.length.to_dict(),
        }


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def bin_labels(edges: Sequence[float], form: str = "{:g}") -> list[str]:
    """`0–5` for each bin."""
    return [
        f"{form.format(low)}–{form.format(high)}"
        for low, high in zip(edges[:-1], edges[1:], strict=True)
    ]
