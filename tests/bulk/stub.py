"""A model without torch, that answers with what it saw; as a script, a whole run with it.

python stub.py FOLDER OUT [--resume] [--pause SECONDS] [--format LIST]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from finecaption.bulk import Layout, RunSettings, caption_bulk, open_jobs
from finecaption.bulk.pipeline import Batching
from finecaption.errors import InputError
from finecaption.io.images import load_image
from finecaption.request import DENSE, Questions, Request
from finecaption.results import CaptionResult, caption_of
from finecaption.types import Region, RegionPrompt


@dataclass(frozen=True)
class StubSpec:
    """Opens a `Stub`."""

    name: str = "stub"
    pause: float = 0.0
    """Seconds that a batch takes."""
    bad: str = ""
    """File of an image that makes the model fail for the whole batch; "*": any does."""

    @property
    def identity(self) -> dict[str, Any]:
        return {"name": self.name, "sha256": "0"}

    def open(self) -> Stub:
        return Stub(self)


class Stub:
    """Says of a region how many pixels it has and how bright they are."""

    capabilities: frozenset[Any] = frozenset()

    def __init__(self, spec: StubSpec) -> None:
        self.spec, self.name, self.identity = spec, spec.name, spec.identity
        self.batches: list[int] = []

    def caption_batch(
        self, requests: Sequence[Request], *, progress: Any = None
    ) -> list[CaptionResult | InputError]:
        time.sleep(self.spec.pause)
        self.batches.append(len(requests))
        if self.spec.bad and any(map(self._is_bad, requests)):
            raise RuntimeError("no such luck")
        return [self._one(request) for request in requests]

    def _is_bad(self, request: Request) -> bool:
        bad = self.spec.bad
        return bad == "*" or load_image(bad).tobytes() == request.image.tobytes()

    def _one(self, request: Request) -> CaptionResult | InputError:
        size = request.image.size
        if size == (13, 13):
            return InputError("13 by 13 is not described")
        names = request.questions.region_names
        pixels = np.asarray(request.image, np.int64)
        captions = []
        for region in request.parse_regions(size):
            if isinstance(region, RegionPrompt):
                assert region.box is not None
                region = Region.from_box(region.box, size)
            text = f"{region.area} of {int(pixels[region.mask].sum())}"
            texts = [f"long {text}" if name == DENSE else f"{name} {text}" for name in names]
            captions.append(caption_of(region, names, texts))
        whole = f"all {int(pixels.sum())}" if request.questions.whole else None
        return CaptionResult(tuple(captions), whole, model=self.name)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("out")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--format", default="jsonl")
    args = parser.parse_args()
    caption_bulk(
        open_jobs([args.folder]),
        Layout.of(args.out, args.format.split(",")),
        RunSettings(Questions(("Color",))),
        StubSpec(pause=args.pause),
        resume=args.resume,
        batching=Batching(pictures=3, threads=2),
    )


if __name__ == "__main__":
    main()
