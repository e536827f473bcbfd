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

from finecaption.bulk import Layout, Questions, Said, caption_bulk, open_jobs
from finecaption.bulk.jobs import WHOLE, Loaded
from finecaption.bulk.pipeline import Batching
from finecaption.errors import InputError
from finecaption.types import Caption, Region, RegionPrompt


@dataclass(frozen=True)
class StubSpec:
    """Opens a `Stub`."""

    name: str = "stub"
    pause: float = 0.0
    """Seconds that a batch takes."""
    bad: str = ""
    """Pictures whose id has it make the model fail for the whole batch."""

    def identity(self) -> dict[str, Any]:
        return {"name": self.name, "fingerprint": "0"}

    def open(self) -> Stub:
        return Stub(self)


class Stub:
    """Says of a region how many pixels it has and how bright they are."""

    def __init__(self, spec: StubSpec) -> None:
        self.spec, self.name = spec, spec.name
        self.batches: list[int] = []

    def describe(self, pictures: Sequence[Loaded], questions: Questions) -> list[Said | InputError]:
        time.sleep(self.spec.pause)
        self.batches.append(len(pictures))
        if self.spec.bad and any(self.spec.bad in loaded.job.id for loaded in pictures):
            raise RuntimeError("no such luck")
        return [self._one(loaded, questions) for loaded in pictures]

    def _one(self, loaded: Loaded, questions: Questions) -> Said | InputError:
        size = loaded.picture.size
        if size == (13, 13):
            return InputError("13 by 13 is not described")
        names, dense, whole, as_region = questions.of(len(loaded.regions))
        regions, ids = list(loaded.regions), tuple(loaded.names)
        if as_region:
            regions, ids = [Region.whole(size)], (WHOLE,)
        pixels = np.asarray(loaded.picture, np.int64)
        captions = []
        for region in regions:
            if isinstance(region, RegionPrompt):
                assert region.box is not None
                region = Region.from_box(region.box, size)
            text = f"{region.area} of {int(pixels[region.mask].sum())}"
            said = {name: f"{name} {text}" for name in names}
            captions.append(Caption(region, said, f"long {text}" if dense else None))
        return Said(tuple(captions), ids, f"all {int(pixels.sum())}" if whole else None)


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
        Questions(("Color",)),
        StubSpec(pause=args.pause),
        resume=args.resume,
        batching=Batching(pictures=3, threads=2),
    )


if __name__ == "__main__":
    main()
