"""Samples of every kind, made in memory or with picture files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.io import masks
from finecaption.types import RegionSample


def make_samples(folder: Path, pictures: int, files: bool = True) -> list[RegionSample]:
    """Pictures of different sizes with 0 to 3 regions of several questions, and a paragraph."""
    samples = []
    for number in range(pictures):
        rng = np.random.default_rng(number)
        width, height = 20 + number % 5, 16 + number % 3
        pixels = rng.integers(0, 255, (height, width, 3)).astype(np.uint8)
        image: object = pixels
        if files:
            image = str(folder / f"bild-ü{number}.png")
            if not Path(str(image)).exists():
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(str(image))
        common = {
            "image": image, "size": (width, height), "image_id": f"i{number}",
            "split": "train" if number % 4 else "val", "source": "made", "licence": "none",
        }  # fmt: skip
        for region in range(number % 4):
            mask = np.zeros((height, width), bool)
            mask[region : region + 5, 2 : 8 + region] = True
            rle = masks.encode_rle(mask)
            for attribute in ("Color", "Shape", "Glow")[: 1 + number % 3]:
                samples.append(
                    RegionSample(
                        **common, task="aarc", text=f"It is {number} {region}, {attribute}.",
                        mask=rle, attribute=attribute, region_id=f"r{region}",
                    )
                )  # fmt: skip
            samples.append(
                RegionSample(
                    **common, task="rdc", text="Long: — ü 字.", mask=mask, region_id=f"r{region}"
                )
            )
        samples.append(
            RegionSample(**common, task="cgic", text=f"Scene {number}.", prompt="What is here?")
        )
    return samples


def same(a: RegionSample, b: RegionSample) -> bool:
    """Equal in all that is stored; masks by their pixels, pictures by path or pixels."""
    names = ("size", "task", "text", "attribute", "image_id", "region_id", "split", "source",
             "licence", "prompt")  # fmt: skip
    if any(getattr(a, name) != getattr(b, name) for name in names):
        return False
    if (a.mask is None) != (b.mask is None) or a.region() != b.region():
        return False
    return np.array_equal(pixels(a), pixels(b))


def pixels(sample: RegionSample) -> np.ndarray:
    if isinstance(sample.image, np.ndarray):
        return sample.image
    with Image.open(sample.image) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.fixture
def samples(tmp_path: Path) -> Callable[..., list[RegionSample]]:
    return lambda pictures=9, files=True: make_samples(tmp_path / "bilder", pictures, files)
