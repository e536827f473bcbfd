from __future__ import annotations

import pytest
import torch

from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.processing import FineCaptionProcessor
from finecaption.train.build import Texts
from finecaption.train.data import Asking, CaptionCollator, CaptionItems
from finecaption.train.dense import DenseHead
from finecaption.train.joint import JointTraining
from finecaption.train.labels import HEADS
from finecaption.train.pool import Pool


@pytest.fixture(scope="module")
def joint(config: FineCaptionConfig) -> JointTraining:
    torch.manual_seed(0)
    return JointTraining(
        FineCaptionForConditionalGeneration(config), 0.5,
        DenseHead(config.convnext_channels, config.image_grid),
        DenseHead(config.sam_config.output_channels, config.sam_grid),
    )  # fmt: skip


@pytest.fixture(scope="module")
def batch(pool: Pool, processor: FineCaptionProcessor) -> dict[str, torch.Tensor]:
    asking = Asking(regions=2, questions=2)
    items = CaptionItems(pool, 2, 0, asking, *Texts(processor).cached())
    return CaptionCollator(0, dense=True)([items[i] for i in range(2)])


def test_the_caption_loss_is_that_of_the_model_alone(
    joint: JointTraining, batch: dict[str, torch.Tensor]
) -> None:
    out = joint(**batch)
    plain = {k: v for k, v in batch.items() if k not in ("ids", "classes")}
    alone = joint.captioner(**plain).loss
    assert out["caption_loss"].item() == pytest.approx(alone.item(), abs=1e-5)
    assert out["loss"] > out["caption_loss"]
    assert out["accuracy"].shape == (len(HEADS),)


def test_weight_zero_is_the_paper(joint: JointTraining, batch: dict[str, torch.Tensor]) -> None:
    paper = JointTraining(joint.captioner, 0.0, joint.convnext_head, joint.sam_head)
    out = paper(**batch)
    assert out["loss"].item() == pytest.approx(out["caption_loss"].item())
    double = JointTraining(joint.captioner, 1.0, joint.convnext_head, joint.sam_head)
    extra = joint(**batch)["loss"] - out["loss"]
    assert (double(**batch)["loss"] - out["loss"]).item() == pytest.approx(
        2 * extra.item(), rel=1e-4
    )


def test_both_towers_learn_from_their_heads(
    joint: JointTraining, batch: dict[str, torch.Tensor]
) -> None:
    joint.zero_grad()
    joint(**batch)["loss"].backward()
    for head in (joint.convnext_head, joint.sam_head):
        assert all(p.grad is not None and p.grad.any() for p in head.parameters())
