from __future__ import annotations

import pytest
import torch

from finecaption.model.encoders import SamTower
from finecaption.model.presets import tiny
from finecaption.segmentation.click import PAD, ClickDecoder
from finecaption_synth.training.labels import CLASSES
from finecaption_synth.training.objectives import clicks
from finecaption_synth.training.objectives.clicks import (
    ClickPretraining,
    choose_regions,
    click_loss,
    kin_pixels,
    region_targets,
    sample_prompts,
)
from finecaption_synth.training.objectives.dense import DensePretraining

SIDE = 64
PARENT = torch.tensor([[0, 0, 1, 0, 0]] * 2, dtype=torch.int8)


@pytest.fixture
def ids() -> torch.Tensor:
    """Two pictures: a whole (1) with a part (2), a lone square (3, not in both), a speck (4)."""
    ids = torch.zeros(2, 128, 128, dtype=torch.uint8)
    ids[:, 10:60, 10:40] = 1
    ids[:, 20:30, 15:25] = 2
    ids[0, 80:120, 70:110] = 3
    ids[:, 1, 1:4] = 4
    return ids


def test_regions_are_different_and_large_enough(ids: torch.Tensor) -> None:
    torch.manual_seed(0)
    seen = set()
    for _ in range(20):
        chosen, valid = choose_regions(ids, 5, 4)
        assert valid.sum(1).tolist() == [3, 2]
        for row, good in zip(chosen, valid, strict=True):
            regions = row[good].tolist()
            assert len(set(regions)) == len(regions)
            assert set(regions) <= {1, 2, 3}
            seen.add(tuple(regions))
    assert len(seen) > 3


def test_a_whole_has_its_parts(ids: torch.Tensor) -> None:
    chosen = torch.tensor([[1, 2], [2, 3]])
    own, target = region_targets(ids, chosen, PARENT)
    assert own.sum((2, 3)).tolist() == [[1400, 100], [100, 0]]
    assert target.sum((2, 3)).tolist() == [[1500, 100], [100, 0]]
    _, alone = region_targets(ids, chosen, None)
    assert torch.equal(alone, own)
    deeper = torch.tensor([[0, 0, 1, 2, 0]] * 2, dtype=torch.int8)
    _, target = region_targets(ids, chosen, deeper)
    assert target[0, 0].sum() == 1500 + 1600


def test_kin() -> None:
    ids = torch.arange(5, dtype=torch.uint8).reshape(1, 1, 5)
    parent = torch.tensor([[0, 0, 1, 2, 0]], dtype=torch.int8)
    kin = kin_pixels(ids, torch.tensor([[1, 3, 4]]), parent)
    assert kin[0, :, 0].int().tolist() == [[0, 1, 1, 1, 0]] * 2 + [[0, 0, 0, 0, 1]]


def test_clicks_lie_where_they_say(ids: torch.Tensor) -> None:
    torch.manual_seed(0)
    kinds, boxed = [], 0
    for _ in range(30):
        prompts = sample_prompts(ids, 5, SIDE, PARENT)
        cells = (prompts.points * 128 / SIDE).floor().long().clamp(0, 127)
        for b, p in prompts.valid.nonzero().tolist():
            target, labels = prompts.targets[b, p], prompts.labels[b, p]
            for (x, y), label in zip(cells[b, p].tolist(), labels.tolist(), strict=True):
                if label != PAD:
                    assert bool(target[y, x]) == (label == 1)
            box = prompts.boxes[b, p]
            if labels[0] == PAD:
                assert (labels == PAD).all() and not box.isnan().any()
            if not box.isnan().any():
                boxed += 1
                ys, xs = target.nonzero(as_tuple=True)
                edges = torch.stack((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)) * SIDE / 128
                assert (box - edges).abs().max() <= 0.1 * 50 * SIDE / 128 + 1e-4
            kinds.append(tuple((labels >= 0).tolist()))
    assert 0.08 < boxed / len(kinds) < 0.35
    assert len(set(kinds)) == 6  # none to five clicks, without gaps


def test_the_innermost_pixel(ids: torch.Tensor) -> None:
    torch.manual_seed(0)
    y, x = divmod(int(clicks._innermost(ids[:1] == 3)), 128)
    assert abs(y - 99.5) < 3 and abs(x - 89.5) < 3


def test_same_seed_same_prompts(ids: torch.Tensor) -> None:
    first, second = (
        (torch.manual_seed(seed), sample_prompts(ids, 5, SIDE, PARENT))[1] for seed in (7, 7)
    )
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, equal_nan=True)


def test_loss_of_right_and_wrong(ids: torch.Tensor) -> None:
    _, targets = region_targets(ids, torch.tensor([[1, 2], [1, 2]]), PARENT)
    valid = torch.ones(2, 2, dtype=torch.bool)
    right = torch.where(targets, 12.0, -12.0).unsqueeze(2)
    loss, iou = click_loss(right, torch.ones(2, 2), targets, valid)
    assert iou == 1 and loss < 0.02
    wrong, none = click_loss(-right, torch.ones(2, 2), targets, valid)
    assert none == 0 and wrong > 5
    doubting, _ = click_loss(right, torch.zeros(2, 2), targets, valid)
    assert float(doubting - loss) == pytest.approx(1, abs=1e-3)


def test_invalid_prompts_count_nothing(ids: torch.Tensor) -> None:
    _, targets = region_targets(ids, torch.tensor([[1, 2], [1, 2]]), PARENT)
    right = torch.where(targets, 12.0, -12.0).unsqueeze(2)
    right[1] = 0
    valid = torch.tensor([[True, True], [False, False]])
    loss, iou = click_loss(right, torch.ones(2, 2), targets, valid)
    assert iou == 1 and loss < 0.02
    assert click_loss(right, torch.ones(2, 2), targets, ~valid)[1] == 0
    nothing, _ = click_loss(right, torch.ones(2, 2), targets, torch.zeros_like(valid))
    assert nothing == 0


def module() -> ClickPretraining:
    config = tiny()
    tower = SamTower(config.sam_config, config.sam_unshuffle)
    statistics = (config.sam_image_mean, config.sam_image_std)
    dense = DensePretraining(tower, statistics, config.sam_grid, config.sam_config.output_channels)
    return ClickPretraining(dense, ClickDecoder.for_model(config))


def batch(ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Pictures in which each region has a colour of its own."""
    colours = torch.tensor([[30, 30, 30], [220, 40, 40], [40, 220, 40], [60, 60, 240], [9, 9, 9]])
    pixels = colours[ids[:, ::2, ::2].long()].permute(0, 3, 1, 2).to(torch.uint8)
    labels = torch.zeros(2, 5, len(CLASSES), dtype=torch.int8)
    return {"pixel_values": pixels, "ids": ids, "labels": labels, "parent": PARENT}


def test_every_part_gets_a_gradient(ids: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = module()
    out = model(**batch(ids))
    assert out["loss"].isfinite() and out["accuracy"].shape == (len(CLASSES),)
    out["loss"].backward()
    idle = {
        name
        for name, value in model.named_parameters()
        if value.requires_grad and (value.grad is None or not value.grad.any())
    }
    # SAM's mask prompts are not used, and a batch need not hold every kind of prompt.
    allowed = ("mask_embed", "point_embed", "not_a_point", "dense.head", "k_proj.bias")
    assert {n for n in idle if not any(a in n for a in allowed)} == set()


def test_it_learns(ids: torch.Tensor) -> None:
    torch.manual_seed(0)
    model, data = module(), batch(ids)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, 5e-3)
    ious = []
    for _ in range(60):
        out = model(**data)
        optimiser.zero_grad()
        out["loss"].backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        ious.append(float(out["iou"]))
    assert sum(ious[-10:]) / 10 > max(0.6, 2 * sum(ious[:5]) / 5), ious
