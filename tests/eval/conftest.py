"""Pictures to evaluate on: some drawn, some made by hand; captioners of known quality."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from finecaption.eval.data import EvalImage, EvalRegion, twin_pairs
from finecaption.io.geometry import Point
from finecaption.request import DENSE, Request
from finecaption.results import CaptionResult, caption_of
from finecaption_synth.evaluation.scenes import SynthSource
from finecaption_synth.language import not_applicable, paraphrases, region_paragraph
from finecaption_synth.observe import observe
from finecaption_synth.scene import sample_scene
from finecaption_synth.truth import RegionTruth

SCENES = 4


@dataclass(frozen=True)
class ListSource:
    """Pictures from a list."""

    items: Sequence[EvalImage]
    unseen_only: bool = False
    identity: dict[str, Any] = field(default_factory=lambda: {"name": "a list", "length": 1})
    drawn: bool = True

    def pictures(self, start: int = 0) -> Iterator[EvalImage]:
        return (p for p in self.items if p.index >= start)

    def twins(self, start: int = 0) -> Iterator[EvalImage]:
        return (p for p in self.pictures(start) if twin_pairs(p))


class Oracle:
    """Knows each region by its mask, and answers with a paraphrase of its truth."""

    def __init__(self, known: dict[bytes, RegionTruth]) -> None:
        self.known = known

    def truth(self, mask: np.ndarray, attribute: str) -> RegionTruth:
        return self.known[mask.tobytes()]

    def caption_batch(
        self, requests: Sequence[Request], *, progress: Any = None
    ) -> list[CaptionResult]:
        return [self.of_request(request) for request in requests]

    def of_request(self, request: Request) -> CaptionResult:
        if request.questions.whole:
            return CaptionResult((), "A picture.")
        ((mask,), names) = [r.mask for r in request.regions], request.questions.region_names
        texts = []
        for name in names:
            if name == DENSE:
                truth = self.truth(mask, "Category Name")
                texts.append(region_paragraph(truth, random.Random(truth.region_id)))
            else:
                texts.append(self.say(self.truth(mask, name), name))
        return CaptionResult((caption_of(request.regions[0], names, texts),))

    def say(self, truth: RegionTruth, attribute: str) -> str:
        if attribute not in truth.attributes:
            return not_applicable(attribute, truth.category)[0]
        told = paraphrases(truth, attribute)
        return random.Random(f"{truth.region_id}/{attribute}").choice(told)


class Blind(Oracle):
    """Knows what is asked but not of which region: speaks of any that has the attribute."""

    def __init__(self, known: dict[bytes, RegionTruth]) -> None:
        super().__init__(known)
        self.rng = random.Random(0)

    def truth(self, mask: np.ndarray, attribute: str) -> RegionTruth:
        having = [t for t in self.known.values() if attribute in t.attributes]
        return self.rng.choice(having)


@dataclass
class DiskClicker:
    """A clicker whose mask is the truth from the given number of clicks on, before it a box."""

    known: dict[int, np.ndarray]
    exact_after: int = 1

    def encode(self, image: np.ndarray) -> int:
        return int(image[0, 0, 0])

    def predict(self, encoded: int, points: Sequence[Point]) -> Any:
        truth = self.known[encoded]
        if len(points) >= self.exact_after:
            return SimpleNamespace(mask=truth)
        ys, xs = np.nonzero(truth)
        out = np.zeros_like(truth)
        out[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] = True
        return SimpleNamespace(mask=out)


@pytest.fixture(scope="session")
def drawn() -> tuple[list[EvalImage], dict[bytes, RegionTruth]]:
    """The first scenes of the test split, and who is behind each mask."""
    pictures = list(itertools.islice(SynthSource("test", 0, workers=0).pictures(), SCENES))
    known = {}
    for picture in pictures:
        seen = observe(sample_scene("test", 0, picture.index))
        for truth in seen.truth.regions:
            known[seen.masks[truth.region_id].tobytes()] = truth
    return pictures, known


def region(number: int, box: tuple[int, int, int, int], **more: Any) -> EvalRegion:
    """A rectangular region of a 40 x 40 picture."""
    x0, y0, x1, y1 = box
    mask = np.zeros((40, 40), bool)
    mask[y0:y1, x0:x1] = True
    category, colour = more.pop("category", "car"), more.pop("colour", "red")
    truth = {"Category Name": {"category": (category,)}, "Color": {"colour": (colour,)}}
    made = EvalRegion(number, category, None, False, mask, truth)
    return replace(made, **more)


@pytest.fixture
def plain() -> list[EvalImage]:
    """Seven small pictures with 1, 2, 3, 1, 2, 3, 1 regions, apart from each other."""
    out = []
    for i in range(7):
        regions = tuple(
            region(k + 1, (2, 12 * k + 1, 8 + i, 12 * k + 9), category=name)
            for k, name in enumerate(("car", "tree", "cup")[: i % 3 + 1])
        )
        out.append(EvalImage(i, f"plain-{i}", np.full((40, 40, 3), i, np.uint8), regions))
    return out
