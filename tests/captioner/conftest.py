"""A tiny captioner and images for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.captioner import FineCaption
from finecaption.model import FineCaptionForConditionalGeneration

SIZE = (90, 60)


QUESTIONS = ["Describe this region: Color.", "Describe this region: in detail.",
             "Describe this region: Relative Location with Other Objects.",
             "Describe this image: in detail."]  # fmt: skip


def picture(seed: int = 0, size: tuple[int, int] = SIZE) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)


def mask(left: int, right: int) -> np.ndarray:
    values = np.zeros(SIZE[::-1], bool)
    values[10:50, left:right] = True
    return values


MASKS = [mask(0, 20), mask(30, 80), mask(5, 85)]


@pytest.fixture(scope="module")
def captioner(tiny_folder: Path) -> FineCaption:
    return FineCaption.from_pretrained(tiny_folder)


@pytest.fixture(scope="module")
def model(captioner: FineCaption) -> FineCaptionForConditionalGeneration:
    return captioner.model


def stock(captioner: FineCaption, image: Image.Image, region: np.ndarray, question: str) -> str:
    """One question on one region by transformers' own generate."""
    processor = captioner.processor
    inputs = processor(image, processor.prompt(question), region)
    ids = captioner.model.generate(**inputs, do_sample=False, max_new_tokens=12)
    return processor.answer(ids[0, inputs["input_ids"].shape[1] :])
