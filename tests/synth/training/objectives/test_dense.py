from __future__ import annotations

import pytest
import torch

from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.encoders import ConvNextTower, SamTower
from finecaption_synth.training.items import DenseItems
from finecaption_synth.training.labels import BACKGROUND, CLASSES, HEADS, IGNORE
from finecaption_synth.training.objectives.dense import (
    PATCHES,
    Dense,
    DenseHead,
    DensePretraining,
    dense_loss,
    in_sight,
    patch_cells,
)
from finecaption_synth.training.pool import Pool

WIDTHS = [n + (head == "category") for head, n in CLASSES.items()]
ROWS = 3


@pytest.fixture
def scene() -> tuple[torch.Tensor, torch.Tensor]:
    """A scene: region 1 on 16 x 16 cells (4 x 4 patches), a red one without a material."""
    ids = torch.zeros(1, 128, 128, dtype=torch.uint8)
    ids[0, 8:24, 40:56] = 1
    labels = torch.full((1, ROWS, len(HEADS)), IGNORE, dtype=torch.int8)
    labels[0, 0, 0] = BACKGROUND
    labels[0, 1, 0], labels[0, 1, 1] = 7, 2
    return ids, labels


def logits_of(labels: torch.Tensor, sure: float = 20.0) -> list[torch.Tensor]:
    """Logits that name the class of every row; no class where nothing is asked."""
    out = []
    for i, width in enumerate(WIDTHS):
        wanted = labels[..., i].long().clamp(min=0).unsqueeze(-1)
        asked = (labels[..., i] != IGNORE).float().unsqueeze(-1)
        out.append(torch.zeros(*labels.shape[:2], width).scatter_(2, wanted, sure * asked))
    return out


def test_cells_are_the_region_at_each_patchs_center(
    scene: tuple[torch.Tensor, torch.Tensor],
) -> None:
    cells = patch_cells(scene[0])
    inside = torch.zeros(PATCHES, PATCHES, dtype=torch.bool)
    inside[2:6, 10:14] = True
    assert torch.equal(cells[0] == 1, inside) and cells.dtype == torch.int64
    assert in_sight(cells, ROWS).tolist() == [[1.0, 1.0, 0.0]]
    crop = patch_cells(scene[0][:, :64, 32:96])
    assert torch.equal(crop[0] == 1, inside[:16, 8:24])


@pytest.mark.parametrize("grid, channels", [(2, 24), (4, 16), (8, 5)])
def test_the_head_names_every_region(grid: int, channels: int) -> None:
    cells = torch.randint(0, ROWS, (2, PATCHES, PATCHES))
    out = DenseHead(channels, grid)(torch.randn(2, channels, grid, grid), cells, ROWS)
    assert [o.shape for o in out] == [(2, ROWS, width) for width in WIDTHS]


def test_a_crop_is_read_as_the_whole_image_is() -> None:
    torch.manual_seed(0)
    head = DenseHead(5, 8)
    features = torch.randn(1, 5, 8, 8)
    cells = torch.zeros(1, PATCHES, PATCHES, dtype=torch.long)
    cells[0, 2:6, 4:9] = 1
    whole = head(features, cells, 2)
    cut = head(features[..., :4, :4], cells[:, :16, :16], 2)
    for a, b in zip(whole, cut, strict=True):
        torch.testing.assert_close(a[:, 1], b[:, 1])


def test_a_region_is_read_off_its_own_patches() -> None:
    torch.manual_seed(0)
    head = DenseHead(5, 8)
    torch.nn.init.normal_(head.score.weight)
    cells = torch.zeros(1, PATCHES, PATCHES, dtype=torch.long)
    cells[0, :8, :8] = 1  # two by two cells of the features
    features = torch.randn(1, 5, 8, 8)
    other = torch.randn(1, 5, 8, 8)
    other[..., :2, :2] = features[..., :2, :2]
    for a, b in zip(head(features, cells, 2), head(other, cells, 2), strict=True):
        torch.testing.assert_close(a[:, 1], b[:, 1])
        assert not torch.allclose(a[:, 0], b[:, 0])


def test_a_patch_with_a_high_score_decides() -> None:
    """The reading is the scores' softmax over the region, not a plain mean."""
    torch.manual_seed(0)
    head = DenseHead(5, 8)
    torch.nn.init.normal_(head.score.weight, std=30.0)
    features = torch.randn(1, 5, 8, 8)
    cells = torch.zeros(1, PATCHES, PATCHES, dtype=torch.long)
    mixed = head.mix(torch.nn.functional.pixel_shuffle(head.spread(head.norm(features)), 4))
    best = head.score(mixed).flatten(2).argmax(-1)[0]  # of each head
    read = head(features, cells, 1)
    patches = mixed.flatten(2)[0].T
    for i, (logits, one) in enumerate(zip(read, head.heads(patches[best]), strict=True)):
        torch.testing.assert_close(logits[0, 0], one.split(head.sizes)[i], atol=0.2, rtol=0.1)


def test_a_right_answer_costs_nothing_and_a_wrong_one_much(
    scene: tuple[torch.Tensor, torch.Tensor],
) -> None:
    _, labels = scene
    weights = torch.tensor([[1.0, 1.0, 0.0]])
    loss, accuracy = dense_loss(tuple(logits_of(labels)), labels, weights)
    assert loss.item() < 1e-6
    assert accuracy[:2].tolist() == [1.0, 1.0] and accuracy[2:].isnan().all()
    wrong = logits_of(labels)
    wrong[1] = wrong[1].roll(1, dims=2)
    loss, accuracy = dense_loss(tuple(wrong), labels, weights)
    assert accuracy[:2].tolist() == [1.0, 0.0]
    # A region counts alike under every head ...
    wrong[0][:, 1] = wrong[0][:, 1].roll(1, dims=1)
    both, accuracy = dense_loss(tuple(wrong), labels, weights)
    assert both.item() == pytest.approx(2 * loss.item(), rel=1e-4)
    assert accuracy[:2].tolist() == [0.0, 0.0]
    # ... but the backdrop less; it is no part of the accuracy.
    easy = logits_of(labels)
    easy[0][:, 0] = easy[0][:, 0].roll(1, dims=1)
    backdrop, accuracy = dense_loss(tuple(easy), labels, weights)
    assert backdrop.item() == pytest.approx(0.3 * loss.item(), rel=1e-3)
    assert accuracy[:2].tolist() == [1.0, 1.0]


def test_what_is_not_asked_does_not_count(scene: tuple[torch.Tensor, torch.Tensor]) -> None:
    _, labels = scene
    torch.manual_seed(0)
    logits = [torch.randn(1, ROWS, w, requires_grad=True) for w in WIDTHS]
    dense_loss(tuple(logits), labels, torch.tensor([[0.0, 1.0, 1.0]]))[0].backward()
    grads = [head.grad for head in logits if head.grad is not None]
    assert [bool(g[0, 1].any()) for g in grads] == [True, True] + [False] * (len(HEADS) - 2)
    assert not any(g[0, 0].any() or g[0, 2].any() for g in grads)


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
    batch = Dense((), 1, 1).collate([DenseItems(pool, 2, 0)[i] for i in range(2)])
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
