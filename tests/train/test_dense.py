from __future__ import annotations

import pytest
import torch

from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.encoders import ConvNextTower, SamTower
from finecaption.train.data import DenseItems, collate_dense
from finecaption.train.dense import (
    PATCHES,
    DenseHead,
    DensePretraining,
    dense_loss,
    patch_targets,
)
from finecaption.train.labels import BACKGROUND, CLASSES, HEADS, IGNORE
from finecaption.train.pool import Pool

WIDTHS = [n + (head == "category") for head, n in CLASSES.items()]


@pytest.fixture
def scene() -> tuple[torch.Tensor, torch.Tensor]:
    """A picture: region 1 on 16 x 16 pixels (4 x 4 patches), a red one without a material."""
    ids = torch.zeros(1, 128, 128, dtype=torch.uint8)
    ids[0, 8:24, 40:56] = 1
    labels = torch.full((1, 3, len(HEADS)), IGNORE, dtype=torch.int8)
    labels[0, 0, 0] = BACKGROUND
    labels[0, 1, 0], labels[0, 1, 1] = 7, 2
    return ids, labels


def logits_of(targets: torch.Tensor, sure: float = 20.0) -> tuple[torch.Tensor, ...]:
    """Logits that name every target; no class where nothing is asked."""
    out = []
    for i, width in enumerate(WIDTHS):
        head = torch.zeros(len(targets), width, PATCHES, PATCHES)
        wanted = targets[..., i].clamp(min=0).unsqueeze(1)
        out.append(
            head.scatter_(1, wanted, sure * (targets[..., i : i + 1] != IGNORE).movedim(3, 1))
        )
    return tuple(out)


def test_targets_are_the_classes_of_the_region_there(
    scene: tuple[torch.Tensor, torch.Tensor],
) -> None:
    targets, weights = patch_targets(*scene)
    assert targets.shape == (1, PATCHES, PATCHES, len(HEADS)) and targets.dtype == torch.int64
    inside = torch.zeros(PATCHES, PATCHES, dtype=torch.bool)
    inside[2:6, 10:14] = True
    assert (targets[0, ..., 0] == torch.where(inside, 7, BACKGROUND)).all()
    assert (targets[0, ..., 1] == torch.where(inside, 2, IGNORE)).all()
    assert (targets[0, ..., 2:] == IGNORE).all()
    # A region weighs as the root of its patches: 16 patches of 1/4 each.
    assert weights[0][inside].sum().item() == pytest.approx(4)
    assert weights[0][~inside].sum().item() == pytest.approx((PATCHES**2 - 16) ** 0.5)


def test_targets_of_drawn_scenes(pool: Pool) -> None:
    batch = collate_dense([DenseItems(pool, 2, 0)[i] for i in range(2)])
    targets, _ = patch_targets(batch["ids"], batch["labels"])
    for b in range(2):
        for y, x in ((3, 5), (16, 16), (20, 9), (30, 30)):
            region = int(batch["ids"][b, 4 * y + 2, 4 * x + 2])
            assert torch.equal(targets[b, y, x], batch["labels"][b, region].long())


@pytest.mark.parametrize("grid, channels", [(2, 24), (4, 16), (8, 5)])
def test_the_head_names_every_patch(grid: int, channels: int) -> None:
    out = DenseHead(channels, grid)(torch.randn(2, channels, grid, grid))
    assert [o.shape for o in out] == [(2, width, PATCHES, PATCHES) for width in WIDTHS]


def test_a_right_answer_costs_nothing_and_a_wrong_one_much(
    scene: tuple[torch.Tensor, torch.Tensor],
) -> None:
    targets, weights = patch_targets(*scene)
    loss, accuracy = dense_loss(logits_of(targets), targets, weights)
    assert loss.item() < 1e-6
    assert accuracy[:2].tolist() == [1.0, 1.0] and accuracy[2:].isnan().all()
    wrong = list(logits_of(targets))
    wrong[1] = wrong[1].roll(1, dims=1)
    loss, accuracy = dense_loss(tuple(wrong), targets, weights)
    assert accuracy[:2].tolist() == [1.0, 0.0]
    # A patch counts alike under every head ...
    wrong[0] = torch.where(targets[..., 0].unsqueeze(1) == 7, wrong[0].roll(1, dims=1), wrong[0])
    both, accuracy = dense_loss(tuple(wrong), targets, weights)
    assert both.item() == pytest.approx(2 * loss.item(), rel=1e-4)
    assert accuracy[:2].tolist() == [0.0, 0.0]
    # ... but the backdrop less; it is no part of the accuracy.
    easy = list(logits_of(targets))
    easy[0] = torch.where(targets[..., 0].unsqueeze(1) != 7, easy[0].roll(1, dims=1), easy[0])
    backdrop, accuracy = dense_loss(tuple(easy), targets, weights)
    share = 0.3 * (PATCHES**2 - 16) ** 0.5 / 4
    assert backdrop.item() == pytest.approx(share * loss.item(), rel=1e-3)
    assert accuracy[:2].tolist() == [1.0, 1.0]


def test_what_is_not_asked_does_not_count(scene: tuple[torch.Tensor, torch.Tensor]) -> None:
    targets, weights = patch_targets(*scene)
    torch.manual_seed(0)
    logits = [torch.randn(1, w, PATCHES, PATCHES, requires_grad=True) for w in WIDTHS]
    dense_loss(tuple(logits), targets, weights)[0].backward()
    assert logits[0].grad is not None and (logits[0].grad != 0).any()
    assert not any(head.grad is not None and head.grad.any() for head in logits[2:])
    asked = targets[..., 1] != IGNORE
    assert logits[1].grad is not None
    assert ((logits[1].grad != 0).any(1) == asked).all()


@pytest.mark.parametrize("kind", ["convnext", "sam"])
def test_a_tower_learns_two_scenes_by_heart(
    kind: str, pool: Pool, config: FineCaptionConfig
) -> None:
    torch.manual_seed(0)
    tower: ConvNextTower | SamTower
    if kind == "sam":
        tower = SamTower(config.sam_config, config.sam_unshuffle)
        grid, channels = config.sam_grid, config.sam_config.output_channels
    else:
        tower = ConvNextTower(config.convnext_config, config.convnext_norm_eps)
        grid, channels = config.image_grid, config.convnext_channels
    module = DensePretraining(tower, (config.sam_image_mean, config.sam_image_std), grid, channels)
    batch = collate_dense([DenseItems(pool, 2, 0)[i] for i in range(2)])
    optimizer = torch.optim.Adam(module.parameters(), lr=4e-3)
    losses = []
    for _ in range(30):
        out = module(**batch)
        losses.append(out["loss"].item())
        optimizer.zero_grad()
        out["loss"].backward()
        optimizer.step()
    assert losses[-1] < 0.6 * losses[0]
    assert out["accuracy"].shape == (len(HEADS),)
    moved = [p.grad is not None and bool(p.grad.any()) for p in tower.parameters()]
    assert sum(moved) > 0.8 * len(moved)
