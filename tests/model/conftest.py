"""A tiny model with random weights, and one batch for it."""

from __future__ import annotations

import pytest
import torch

from finecaption.model import (
    FineCaptionConfig,
    FineCaptionForConditionalGeneration,
    FineCaptionProcessor,
    build_word_tokenizer,
    tiny,
)

TEXTS = [
    "Describe this region: Color. Describe this region: in detail. Describe this image: Hair.",
    'A red vase (entity_id_3), the woman\'s hat. The sign says "open": 3/4, is it?',
]


def build(config: FineCaptionConfig, seed: int = 0) -> FineCaptionForConditionalGeneration:
    """The model, with an alpha convolution that is not zero, so that masks count."""
    torch.manual_seed(seed)
    model = FineCaptionForConditionalGeneration(config).eval()
    if model.clip.alpha is not None:
        torch.nn.init.normal_(model.clip.alpha.weight, std=0.2)
    # SAM starts position embeddings at zero; a test of them needs some.
    for name, parameter in model.named_parameters():
        if "pos_embed" in name or "rel_pos" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def inputs(config: FineCaptionConfig, rows: int = 2, seed: int = 0) -> dict[str, torch.Tensor]:
    """One region a picture, one picture a row; raw uint8."""
    random = torch.Generator().manual_seed(seed)

    def pixels(*shape: int) -> torch.Tensor:
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)

    prompt = [1, 4, *[config.image_token_id] * config.image_seq_length, 8, 9, 10, 5]
    return {
        "input_ids": torch.tensor([prompt] * rows),
        "attention_mask": torch.ones(rows, len(prompt), dtype=torch.long),
        "pixel_values": pixels(rows, 3, config.image_size, config.image_size),
        "pixel_values_clip": pixels(rows, 3, config.clip_size, config.clip_size),
        "region_masks": pixels(rows, config.clip_size, config.clip_size),
    }


@pytest.fixture(scope="session")
def model() -> FineCaptionForConditionalGeneration:
    return build(tiny())


@pytest.fixture
def batch(model: FineCaptionForConditionalGeneration) -> dict[str, torch.Tensor]:
    return inputs(model.config)


@pytest.fixture(scope="session")
def processor() -> FineCaptionProcessor:
    tokenizer = build_word_tokenizer(TEXTS)
    config = tiny(len(tokenizer))
    return FineCaptionProcessor.for_config(config, tokenizer, capitalise=True)
