from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finecaption.errors import InputError
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor
from finecaption.training.features import FeatureCache, towers_key
from finecaption.training.fit import set_trainable
from finecaption.training.models import checkpoint_layers
from finecaption.training.objectives.captions import Captions
from finecaption.training.recipes import paper
from finecaption.training.samples import (
    Encoder,
    Packs,
    digest,
    make_packs,
    make_units,
    mix_whole,
    picture_key,
    read_data,
    region_key,
)
from finecaption.types import RegionSample

from .regions import draw_samples, write_jsonl


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[RegionSample]:
    return draw_samples(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def processor(tiny_folder: Path) -> FineCaptionProcessor:
    return FineCaptionProcessor.from_pretrained(tiny_folder)


@pytest.fixture
def model(tiny_folder: Path) -> FineCaptionForConditionalGeneration:
    return FineCaptionForConditionalGeneration.from_pretrained(tiny_folder).train()


def asked(units: Any) -> list[int]:
    return sorted(i for u in units for row in u.rows for i in row.questions)


def packed(samples: list[RegionSample], processor: FineCaptionProcessor, **kwargs: Any) -> Packs:
    units = make_units(samples, processor, 200, kwargs.pop("shared", True))
    settings = {"seed": 3, "tokens": 200, "pictures": 3, "batch": 12, **kwargs}
    return Packs(units, Encoder(samples, processor), **settings)


def test_a_unit_is_a_picture_and_a_row_a_region(
    samples: list[RegionSample], processor: FineCaptionProcessor
) -> None:
    units = make_units(samples, processor, 1000)
    assert asked(units) == list(range(len(samples)))
    assert len(units) == len({picture_key(s) for s in samples}) == 6
    for unit in units:
        for row in unit.rows:
            found = [samples[i] for i in row.questions]
            assert len({(picture_key(s), region_key(s)) for s in found}) == 1
    assert len(make_units(samples, processor, 1000, shared=False)) == len(samples)


@pytest.mark.parametrize("tokens", [30, 45, 90])
def test_nothing_exceeds_the_budget(
    tokens: int, samples: list[RegionSample], processor: FineCaptionProcessor
) -> None:
    units = make_units(samples, processor, tokens)
    assert asked(units) == list(range(len(samples)))
    packs = make_packs(units, np.random.default_rng(0), tokens, 3, 1000)
    assert asked(u for p in packs for u in p) == list(range(len(samples)))
    encode = Encoder(samples, processor)
    for pack in packs:
        assert len(pack) <= 3
        assert Captions(0).collate([encode(pack)])["input_ids"].numel() <= tokens


def test_a_sample_beyond_the_budget_is_named(
    samples: list[RegionSample], processor: FineCaptionProcessor
) -> None:
    with pytest.raises(InputError, match=r"image 0, region .* takes \d+ tokens, the budget is 8"):
        make_units(samples, processor, 8)
    with pytest.raises(InputError, match="no samples"):
        make_units([], processor, 8)


def test_groups_of_like_length_pad_less(processor: FineCaptionProcessor, tmp_path: Path) -> None:
    many = draw_samples(tmp_path, pictures=40, regions=1, questions=12, whole=False)
    units = make_units(many, processor, 400)

    def padding(by_length: bool) -> int:
        packs = make_packs(units, np.random.default_rng(0), 400, 4, 1000, by_length)
        return sum(
            sum(max(u.longest for u in p) - row.length for u in p for row in u.rows) for p in packs
        )

    assert padding(True) < 0.5 * padding(False)


def test_whole_pictures_get_their_share(
    samples: list[RegionSample], processor: FineCaptionProcessor
) -> None:
    units = mix_whole(make_units(samples, processor, 1000), samples, 0.1)
    on_whole = [samples[i].mask is None for i in asked(units)]
    assert abs(np.mean(on_whole) - 0.1) < 0.04
    regions = [s for s in samples if s.mask is not None]
    with pytest.raises(InputError, match="no samples on whole images"):
        mix_whole(make_units(regions, processor, 1000), regions, 0.1)


def test_the_order_is_the_seeds_and_not_the_processes(
    samples: list[RegionSample], processor: FineCaptionProcessor
) -> None:
    one = packed(samples, processor, epochs=3, accumulate=4)
    two = packed(samples, processor, epochs=3, accumulate=2, world=2)
    assert (one.micro, one.steps, len(one)) == (two.micro, two.steps, len(two))
    assert [one.pack(i) for i in range(len(one))] == [two.pack(i) for i in range(len(two))]
    count = len(one.epoch(0))
    passes = [[one.pack(i) for i in range(k * count, (k + 1) * count)] for k in range(2)]
    assert asked(u for p in passes[0] for u in p) == list(range(len(samples)))
    assert passes[0] != passes[1]
    other = packed(samples, processor, seed=4)
    assert one.epoch(0) != other.epoch(0)


def test_a_step_has_about_as_many_questions_as_were_asked_for(
    samples: list[RegionSample], processor: FineCaptionProcessor
) -> None:
    packs = packed(samples, processor, batch=24)
    assert abs(packs.questions - 24) < 8
    assert packs.steps == -(-len(packs.epoch(0)) // packs.micro)
    with pytest.raises(IndexError):
        packs[len(packs)]


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def run(model: torch.nn.Module, packs: Packs) -> float:
    """Loss and gradients of an epoch, as the mean over its answer tokens."""
    batches = [Captions(0).collate([packs.encode(p)]) for p in packs.epoch(0)]
    total = torch.tensor(float(sum((b["labels"] != -100).sum() for b in batches)))
    loss = 0.0
    for batch in batches:
        out = model(**batch, num_items_in_batch=total, use_cache=False).loss
        out.backward()
        loss += float(out.detach())
    return loss


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_shared_prefixes_train_as_separate_samples_do(
    stage: int, samples: list[RegionSample], processor: FineCaptionProcessor,
    model: FineCaptionForConditionalGeneration,
) -> None:  # fmt: skip
    set_trainable(model, paper().stage(stage), Captions(0))
    told = run(model, packed(samples, processor))
    shared = gradients(model)
    apart = run(model, packed(samples, processor, shared=False))
    separate = gradients(model)
    assert abs(told - apart) < 1e-5
    assert shared.keys() == separate.keys() and shared
    for name, gradient in shared.items():
        assert torch.allclose(gradient, separate[name], atol=1e-5, rtol=1e-4), name
    assert max(g.abs().max() for g in shared.values()) > 1e-3


def test_gradient_checkpointing_changes_nothing(
    samples: list[RegionSample], processor: FineCaptionProcessor,
    model: FineCaptionForConditionalGeneration,
) -> None:  # fmt: skip
    set_trainable(model, paper().stage(3), Captions(0))
    packs = packed(samples, processor)
    told, plain = run(model, packs), gradients(model)
    checkpoint_layers(model)
    assert abs(run(model, packs) - told) < 1e-6
    for name, gradient in gradients(model).items():
        assert torch.allclose(gradient, plain[name], atol=1e-6), name


def test_cached_features_train_as_pictures_do(
    samples: list[RegionSample], processor: FineCaptionProcessor,
    model: FineCaptionForConditionalGeneration, tmp_path: Path,
) -> None:  # fmt: skip
    set_trainable(model, paper().stage(2), Captions(0))
    told, plain = run(model, packed(samples, processor)), None
    plain = gradients(model)
    cache = FeatureCache(tmp_path, towers_key(model))
    assert cache.fill(model, processor, {picture_key(s): s for s in samples}.values()) == 6
    assert cache.fill(model, processor, samples) == 0
    packs = packed(samples, processor)
    packs.encode = Encoder(samples, processor, cache)
    batch = Captions(0).collate([packs[0]])
    assert "pixel_values" not in batch and batch["hr_features"].ndim == 4
    assert abs(run(model, packs) - told) < 1e-5
    for name, gradient in gradients(model).items():
        assert torch.allclose(gradient, plain[name], atol=1e-5), name


def test_a_cache_is_of_its_towers_and_pictures(
    samples: list[RegionSample], processor: FineCaptionProcessor,
    model: FineCaptionForConditionalGeneration, tmp_path: Path,
) -> None:  # fmt: skip
    key = towers_key(model)
    assert model.sam is not None
    with torch.no_grad():
        next(model.sam.parameters()).add_(0.1)
    assert towers_key(model) != key
    cache = FeatureCache(tmp_path, key)
    with pytest.raises(InputError, match="fill the cache first"):
        cache(samples[0])
    gone = dataclasses.replace(samples[0], image=str(tmp_path / "none.png"))
    with pytest.raises(InputError, match=r"none\.png: cannot be read"):
        cache.path(gone)


def test_a_picture_that_cannot_be_read_is_named(
    samples: list[RegionSample], processor: FineCaptionProcessor, tmp_path: Path
) -> None:
    broken = [dataclasses.replace(samples[0], image=str(tmp_path / "none.png"))]
    packs = packed(broken, processor)
    with pytest.raises(InputError, match=r"image 0: .*none\.png"):
        packs[0]


def test_read_data(samples: list[RegionSample], tmp_path: Path) -> None:
    drawn = draw_samples(tmp_path / "pictures", pictures=2)
    path = write_jsonl(drawn, tmp_path / "mine.jsonl")
    found = read_data([str(path), f"jsonl:{path},split=train"])
    assert [s.text for s in found] == 2 * [s.text for s in drawn]
    assert read_data([f"jsonl:{path}"], limit=3) == found[:3] or len(found[:3]) == 3
    assert len(read_data([f"jsonl:{path}"], limit=3)) == 3
    for specs, message in (
        ([], "none given"),
        ([f"jsonl:{path},split"], "'split' is not option=value"),
        (["jsonl:nowhere"], "nowhere"),
    ):
        with pytest.raises(InputError, match=message):
            read_data(specs)


def test_a_digest_is_of_what_the_data_holds(samples: list[RegionSample], tmp_path: Path) -> None:
    same = draw_samples(tmp_path / "elsewhere")
    assert digest(samples) == digest(same) == digest(list(samples))
    others = [
        dataclasses.replace(samples[0], text="Another answer."),
        dataclasses.replace(samples[0], mask=~np.asarray(samples[0].mask)),
        dataclasses.replace(samples[0], attribute="Age Range"),
    ]
    assert len({digest([s]) for s in (samples[0], *others)}) == 4
    path = Path(same[0].image)
    path.write_bytes(path.read_bytes() + b"0")
    assert digest(samples) != digest(same)
