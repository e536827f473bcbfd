from __future__ import annotations

import pytest
import torch

from finecaption.model import (
    FineCaptionConfig,
    FineCaptionForConditionalGeneration,
    paper_8b,
    tiny,
)
from finecaption.model.parts import (
    PART_NAMES,
    named_part_parameters,
    part_of,
    parts,
    unused_by_captions,
)

from .conftest import build, inputs


def test_every_parameter_belongs_to_exactly_one_part() -> None:
    model = FineCaptionForConditionalGeneration(tiny())
    assert list(parts(model)) == list(PART_NAMES)
    prefixes = [prefix for some in parts(model).values() for prefix in some]
    for name, _ in model.named_parameters():
        assert sum(name.startswith(prefix) for prefix in prefixes) == 1, name
    split = [name for part in PART_NAMES for name, _ in named_part_parameters(model, part)]
    assert sorted(split) == sorted(name for name, _ in model.named_parameters())


def test_the_alpha_part_is_one_convolution() -> None:
    model = FineCaptionForConditionalGeneration(tiny())
    assert [name for name, _ in named_part_parameters(model, "alpha")] == [
        "model.clip.alpha.weight"
    ]
    assert part_of("model.clip.alpha.weight") == "alpha"
    with pytest.raises(KeyError, match="belongs to no part"):
        part_of("something.else")


def test_a_switched_off_part_is_empty() -> None:
    config = FineCaptionConfig(**{**tiny().to_dict(), "use_sam": False, "mask_path": False})
    found = parts(FineCaptionForConditionalGeneration(config))
    assert found["sam"] == found["alpha"] == []


def test_what_captions_do_not_use_gets_no_gradient_and_all_else_does() -> None:
    model = build(tiny()).train()
    batch = inputs(model.config)
    model(**batch, labels=batch["input_ids"]).loss.backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert sorted(without) == sorted(unused_by_captions(model))


def test_8b_on_meta_has_the_papers_sizes() -> None:
    with torch.device("meta"):
        model = FineCaptionForConditionalGeneration(paper_8b())
    counts = {
        part: sum(p.numel() for _, p in named_part_parameters(model, part)) for part in PART_NAMES
    }
    expected = {  # millions, docs of the architectures, measured
        "clip": 303.5,
        "alpha": 0.2007,
        "convnext": 843.0,
        "sam": 308.0,
        "adapter": 37.8,
        "llm": 8030.0,
    }
    for part, millions in expected.items():
        assert counts[part] == pytest.approx(millions * 1e6, rel=0.01), part
    assert sum(counts.values()) == pytest.approx(9.5e9, rel=0.01)
