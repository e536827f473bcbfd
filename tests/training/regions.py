"""A few regions of a few pictures, with questions and answers: data for the paper's recipe."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.data.record import to_record
from finecaption.types import RegionSample

WORDS = ["a", "red", "cup", "stands", "on", "the", "left", "table", "."]


def draw_samples(
    folder: Path, pictures: int = 6, regions: int = 3, questions: int = 5, whole: bool = True,
    seed: int = 0,
) -> list[RegionSample]:  # fmt: skip
    """Noise with boxes; answers of random words, different for every question."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for number in range(pictures):
        width, height = rng.randint(40, 70), rng.randint(40, 70)
        path = folder / f"{number}.png"
        Image.fromarray(noise.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)
        common = {
            "image": str(path), "size": (width, height), "image_id": str(number), "source": "test"
        }  # fmt: skip

        def answer() -> str:
            return " ".join(rng.choice(WORDS) for _ in range(rng.randint(2, 9)))

        for region in range(rng.randint(1, regions)):
            x, y = rng.randint(0, width - 20), rng.randint(0, height - 20)
            mask = np.zeros((height, width), bool)
            mask[y : y + 18, x : x + 15] = True
            for name in rng.sample(ATTRIBUTE_NAMES, rng.randint(1, questions)):
                out.append(
                    RegionSample(
                        **common,
                        task="aarc",
                        text=answer(),
                        mask=mask,
                        attribute=name,
                        region_id=str(region),
                    )  # fmt: skip
                )
        if whole:
            out.append(RegionSample(**common, task="cgic", text=answer()))
    return out


def write_jsonl(samples: list[RegionSample], path: Path) -> Path:
    """The samples as our own JSONL."""
    path.write_text("".join(json.dumps(to_record(s, path.parent)) + "\n" for s in samples))
    return path
