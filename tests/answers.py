"""The batch decoder's texts alone, for tests that hold them against something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finecaption.inference.batch_decoder import answers


def answer(*args: Any, **options: Any) -> list[list[str]]:
    """`answers`, the texts alone: `found[region][question]`."""
    return [[one.text for one in row] for row in answers(*args, **options)]


def describe(
    model: Any,
    processor: Any,
    images: Any,
    masks: Any,
    questions: Sequence[Any],
    *,
    image_index: Sequence[int] | None = None,
    **options: Any,
) -> list[list[str]]:
    """`answer` from images and masks; `questions` for every region, or a list for each."""
    given = images if isinstance(images, list) else [images]
    inputs = dict(processor.image_processor(given, masks, image_index, return_tensors="pt"))
    regions = len(inputs["region_masks"])
    alike = all(isinstance(question, str) for question in questions)
    lists = [list(questions)] * regions if alike else [list(texts) for texts in questions]
    return answer(model, processor, inputs, lists, **options)
