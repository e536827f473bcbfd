"""Generation by transformers' own loops: caches, beams, samples, padded batches, given features."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from finecaption.model import (
    FineCaptionForConditionalGeneration,
    FineCaptionModel,
)
from finecaption.model.modeling import VISION_INPUTS

from .conftest import inputs

Model = FineCaptionForConditionalGeneration
Batch = dict[str, torch.Tensor]


@torch.no_grad()
def test_cached_and_uncached_generation_agree(model: Model, batch: Batch) -> None:
    settings = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": None}
    cached = model.generate(**batch, **settings, use_cache=True)
    assert torch.equal(model.generate(**batch, **settings, use_cache=False), cached)
    # And both are what one forward pass over the whole text says.
    logits = model(
        **{**batch, "input_ids": cached, "attention_mask": torch.ones_like(cached)}
    ).logits
    start = batch["input_ids"].shape[1]
    assert torch.equal(logits[:, start - 1 : -1].argmax(-1), cached[:, start:])


@torch.no_grad()
def test_beams_and_samples_see_their_own_region(model: Model, batch: Batch) -> None:
    settings = {"max_new_tokens": 5, "do_sample": False, "num_beams": 3, "eos_token_id": None}
    together = model.generate(**batch, **settings)
    for row in range(2):
        alone = model.generate(**{k: v[row : row + 1] for k, v in batch.items()}, **settings)
        assert torch.equal(together[row : row + 1], alone)


@torch.no_grad()
def test_two_regions_in_one_sequence(model: Model) -> None:
    config = model.config
    batch = inputs(config, rows=1)
    masks = inputs(config, rows=2, seed=4)["region_masks"]
    ids = torch.cat([batch["input_ids"], batch["input_ids"]], dim=1)
    visual = {k: batch[k] for k in ("pixel_values", "pixel_values_clip")}
    settings = {"max_new_tokens": 3, "do_sample": False, "eos_token_id": None, "num_beams": 2}
    got = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), region_masks=masks, **visual, **settings
    )
    assert got.shape == (1, ids.shape[1] + 3)


@torch.no_grad()
def test_padded_batches_equal_singles(model: Model, batch: Batch) -> None:
    settings = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    pad = torch.zeros(1, 3, dtype=torch.long)
    ids = torch.cat(
        [
            torch.cat([pad, batch["input_ids"][:1]], 1),
            torch.cat([batch["input_ids"][1:], torch.tensor([[11, 12, 13]])], 1),
        ]
    )
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    got = model.generate(**{**batch, "input_ids": ids, "attention_mask": mask}, **settings)
    for row, own in ((0, batch["input_ids"][:1]), (1, ids[1:])):
        single = {k: v[row : row + 1] for k, v in batch.items()}
        single.update(input_ids=own, attention_mask=torch.ones_like(own))
        alone = model.generate(**single, **settings)
        assert torch.equal(got[row, -6:], alone[0, -6:])


class _Spy:
    """Counts what reaches the towers and what is sent to each step."""

    def __init__(self, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
        self.towers = 0
        self.steps: list[set[str]] = []
        encode, forward = FineCaptionModel.get_region_features, FineCaptionModel.forward

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.towers += 1
            return encode(*args, **kwargs)

        def seen(*args: Any, **kwargs: Any) -> Any:
            self.steps.append({k for k in VISION_INPUTS if kwargs.get(k) is not None})
            return forward(*args, **kwargs)

        monkeypatch.setattr(FineCaptionModel, "get_region_features", counted)
        monkeypatch.setattr(FineCaptionModel, "forward", seen)


@torch.no_grad()
def test_pictures_and_masks_are_not_sent_again_while_decoding(
    model: Model, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = _Spy(model, monkeypatch)
    model.generate(**batch, max_new_tokens=4, do_sample=False, eos_token_id=None, num_beams=2)
    assert spy.steps == [{"region_features"}, set(), set(), set()]
    assert spy.towers == 1


def test_decode_steps_of_other_loops_are_spared_too(model: Model, batch: Batch) -> None:
    # Servers call prepare_inputs_for_generation themselves, without `generate`.
    first = model.prepare_inputs_for_generation(is_first_iteration=True, use_cache=True, **batch)
    later = model.prepare_inputs_for_generation(is_first_iteration=False, use_cache=True, **batch)
    uncached = model.prepare_inputs_for_generation(
        is_first_iteration=False, use_cache=False, **batch
    )
    visual = {"pixel_values", "pixel_values_clip", "region_masks"}
    assert visual <= first.keys()
    assert not visual & later.keys()
    assert visual <= uncached.keys()


@torch.no_grad()
def test_features_can_be_given_ready_made(model: Model, batch: Batch) -> None:
    expected = model(**batch).logits
    hr = model.encode_image(batch["pixel_values"])
    text = {k: batch[k] for k in ("input_ids", "attention_mask")}
    clip = {k: batch[k] for k in ("pixel_values_clip", "region_masks")}
    assert torch.equal(model(**text, **clip, hr_features=hr).logits, expected)
    regions = model.encode_regions(**clip, hr_features=hr)
    assert torch.equal(model(**text, region_features=regions).logits, expected)
    settings = {"max_new_tokens": 3, "do_sample": False, "eos_token_id": None}
    assert torch.equal(
        model.generate(**text, region_features=regions, **settings),
        model.generate(**batch, **settings),
    )
    assert torch.equal(model.get_image_features(hr_features=hr, **clip).pooler_output, regions)
