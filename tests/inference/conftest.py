"""Tiny models that babble differently for each picture, region and question, and one batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finecaption.captioner import FineCaption
from finecaption.model import FineCaptionForConditionalGeneration, tiny

QUESTIONS = [
    "Describe this region: Color.",
    "Describe this region: in detail.",
    "Describe this region: Relative Location with Other Objects.",
    "Describe this image: in detail.",
]
INDEX = [0, 1, 0]  # the picture of each region


class Setting:
    """A captioner with the inputs of three regions on two pictures."""

    def __init__(self, captioner: FineCaption) -> None:
        self.captioner = captioner
        self.model = captioner.model
        self.processor = captioner.processor
        random = np.random.default_rng(0)
        self.pictures = [random.integers(0, 256, (60, 90, 3), dtype=np.uint8) for _ in range(2)]
        self.masks = []
        for left, right in ((0, 20), (30, 80), (5, 85)):
            mask = np.zeros((60, 90), bool)
            mask[10:50, left:right] = True
            self.masks.append(mask)
        prepared = self.processor.image_processor(
            self.pictures, self.masks, INDEX, return_tensors="pt"
        )
        self.inputs = dict(prepared)
        self.questions = [QUESTIONS] * 3

    def stock(self, region: int, question: str, **options: Any) -> list[int]:
        """The answer's ids, by transformers' own generate for one question alone."""
        prompt = self.processor.prompt(question)
        inputs = self.processor(self.pictures[INDEX[region]], prompt, self.masks[region])
        ids = self.model.generate(**inputs, do_sample=False, **options)
        found = ids[0, inputs["input_ids"].shape[1] :].tolist()
        return found[: found.index(2)] if 2 in found else found

    def text(self, ids: list[int]) -> str:
        return self.processor.answer(ids)


def _widen(model: FineCaptionForConditionalGeneration) -> None:
    for name, parameter in model.named_parameters():
        wide = any(part in name for part in ("adapter", "lm_head", "language_model"))
        if "alpha" in name or "pos_embed" in name or (wide and parameter.ndim == 2):
            torch.nn.init.normal_(parameter, std=0.3)


@pytest.fixture(scope="session")
def llama(tiny_folder: Path) -> Setting:
    return Setting(FineCaption.from_pretrained(tiny_folder))


@pytest.fixture(scope="session")
def qwen(llama: Setting) -> Setting:
    """Qwen2: biased projections, two query heads a key head."""
    old = llama.model.config
    config = tiny(
        old.text_config.vocab_size, old.image_token_id, model_type="qwen2", num_attention_heads=4
    )
    torch.manual_seed(3)
    model = FineCaptionForConditionalGeneration(config)
    _widen(model)
    return Setting(FineCaption(model, llama.processor))


@pytest.fixture(params=["llama", "qwen"])
def setting(request: pytest.FixtureRequest) -> Setting:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Setting)
    return found
