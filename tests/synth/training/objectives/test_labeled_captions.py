from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.processing import FineCaptionProcessor
from finecaption_synth.training.items import CaptionItems
from finecaption_synth.training.labels import IGNORE
from finecaption_synth.training.objectives.dense import DenseHead
from finecaption_synth.training.objectives.labeled_captions import (
    JointTraining,
    LabeledCaptions,
    LabelHeads,
)
from finecaption_synth.training.objectives.region_labels import REGION_CLASSES, RegionHead
from finecaption_synth.training.options import SceneCaptions
from finecaption_synth.training.pool import Pool
from finecaption_synth.training.texts import Texts

Batch = dict[str, torch.Tensor]
ASKING = SceneCaptions(regions=2, questions=2, whole=1e-9, labeled=2, region_labels=1.0)
BESIDE = ("ids", "classes", "region_classes", "asked")


@pytest.fixture(scope="module")
def joint(config: FineCaptionConfig) -> JointTraining:
    torch.manual_seed(0)
    heads = LabelHeads(
        DenseHead(config.convnext_channels, config.image_grid),
        DenseHead(config.sam_config.output_channels, config.sam_grid),
        RegionHead(config.text_config.hidden_size),
    )
    return JointTraining(FineCaptionForConditionalGeneration(config), heads, 0.5, 0.5)


@pytest.fixture(scope="module")
def make(pool: Pool, processor: FineCaptionProcessor) -> Callable[[SceneCaptions], Batch]:
    def batch(asking: SceneCaptions) -> Batch:
        items = CaptionItems(pool, 2, 0, asking, *Texts(processor).cached())
        return LabeledCaptions(0, None, 0.5, 0.5).collate([items[i] for i in range(2)])

    return batch


@pytest.fixture(scope="module")
def batch(make: Callable[[SceneCaptions], Batch]) -> Batch:
    return make(ASKING)


def weighed(joint: JointTraining, dense: float, regions: float) -> JointTraining:
    return JointTraining(joint.captioner, joint.heads, dense, regions)


def test_the_caption_loss_is_that_of_the_model_alone(joint: JointTraining, batch: Batch) -> None:
    out = joint(**batch)
    plain = {k: v for k, v in batch.items() if k not in BESIDE}
    asked = batch["asked"]
    assert 0 < asked.sum() < len(asked)
    plain["region_masks"] = plain["region_masks"][asked]
    plain["image_index"] = plain["image_index"][asked]
    alone = joint.captioner(**plain).loss
    assert out["caption_loss"].item() == pytest.approx(alone.item(), abs=1e-5)
    assert out["loss"] > out["caption_loss"]
    assert out["region_accuracy"].shape == (len(REGION_CLASSES),)


def test_weight_zero_is_the_paper(joint: JointTraining, batch: Batch) -> None:
    out = weighed(joint, 0.0, 0.0)(**batch)
    assert out["loss"].item() == pytest.approx(out["caption_loss"].item())
    once = joint(**batch)["loss"] - out["loss"]
    twice = weighed(joint, 1.0, 1.0)(**batch)["loss"] - out["loss"]
    assert twice.item() == pytest.approx(2 * once.item(), rel=1e-4)


def test_every_head_teaches_what_is_below_it(joint: JointTraining, batch: Batch) -> None:
    joint.zero_grad()
    joint(**batch)["loss"].backward()
    for parameter in joint.heads.parameters():
        assert parameter.grad is not None and parameter.grad.any()


def test_labels_alone_need_no_text_and_reach_the_mask(
    joint: JointTraining, make: Callable[[SceneCaptions], Batch]
) -> None:
    batch = make(dataclasses.replace(ASKING, regions=0, whole=0.0))
    assert "input_ids" not in batch and not batch["asked"].any()
    joint.zero_grad()
    out = joint(**batch)
    assert "caption_loss" not in out
    out["loss"].backward()
    alpha = next(joint.captioner.clip.alpha.parameters()).grad
    assert alpha is not None and alpha.any()
    assert all(p.grad is None for p in joint.captioner.lm_head.parameters())


def test_a_whole_picture_has_no_region_labels(make: Callable[[SceneCaptions], Batch]) -> None:
    batch = make(dataclasses.replace(ASKING, whole=1.0))
    assert (batch["region_classes"][batch["asked"]] == IGNORE).all()
    assert (batch["region_classes"][~batch["asked"]] != IGNORE).any()
