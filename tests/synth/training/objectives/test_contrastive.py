from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.encoders import MaskAwareCLIP
from finecaption.model.processing import FineCaptionProcessor
from finecaption_synth.training.items import ContrastItems
from finecaption_synth.training.objectives.contrastive import (
    Contrastive,
    ContrastivePretraining,
    multi_positive_loss,
)
from finecaption_synth.training.pool import Pool


def unit(rows: int, seed: int) -> torch.Tensor:
    random = torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed))
    return F.normalize(random, dim=-1)


def module_of(
    config: FineCaptionConfig, processor: FineCaptionProcessor, regions: bool
) -> ContrastivePretraining:
    torch.manual_seed(0)
    return ContrastivePretraining(
        MaskAwareCLIP(config.clip_config, config.clip_select_layer, config.mask_path),
        (config.clip_image_mean, config.clip_image_std),
        ((config.mask_mean,), (config.mask_std,)),
        len(processor.tokenizer), processor.tokenizer.eos_token_id, regions=regions,
    )  # fmt: skip


@pytest.fixture(scope="module")
def batch(
    pool: Pool, config: FineCaptionConfig, processor: FineCaptionProcessor
) -> dict[str, torch.Tensor]:
    items = ContrastItems(pool, 2, 0)
    return Contrastive(config, processor.tokenizer).collate([items[i] for i in range(2)])


def test_without_equal_texts_it_is_the_loss_of_clip() -> None:
    a, b, scale = unit(5, 0), unit(5, 1), torch.tensor(9.0)
    logits = scale * a @ b.T
    right = torch.arange(5)
    clip = (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
    assert multi_positive_loss(a, b, torch.arange(5), scale).item() == pytest.approx(clip.item())


def test_rows_with_the_same_text_are_positives_of_one_another() -> None:
    a, b, scale = unit(4, 0), unit(4, 1), torch.tensor(5.0)
    names = torch.tensor([3, 1, 3, 0])
    logits = scale * a @ b.T
    want = 0.0
    for table in (logits, logits.T):
        logs = table.log_softmax(1)
        rows = [logs[i][names == names[i]].mean() for i in range(4)]
        want += -torch.stack(rows).mean().item() / 2
    assert multi_positive_loss(a, b, names, scale).item() == pytest.approx(want, rel=1e-5)


def test_neither_of_two_right_answers_is_wrong() -> None:
    a = F.normalize(torch.eye(3)[[0, 0, 1]], dim=-1)
    scale = torch.tensor(50.0)
    two = multi_positive_loss(a, a, torch.tensor([0, 0, 1]), scale).item()
    three = multi_positive_loss(a, a, torch.tensor([0, 1, 2]), scale).item()
    assert two == pytest.approx(three, rel=1e-4)  # log 2: the best there is for three names
    apart = F.normalize(torch.eye(3), dim=-1)
    assert multi_positive_loss(a, apart, torch.tensor([0, 0, 1]), scale).item() > 5


def test_regions_teach_the_alpha_convolution(
    config: FineCaptionConfig, processor: FineCaptionProcessor, batch: dict[str, torch.Tensor]
) -> None:
    module = module_of(config, processor, regions=True)
    out = module(**batch)
    out["loss"].backward()
    assert module.clip.alpha is not None
    grad = module.clip.alpha.weight.grad
    assert grad is not None and grad.any()
    assert out["accuracy"].shape == (2,) and not out["accuracy"].isnan().any()
    assert ((out["accuracy"] >= 0) & (out["accuracy"] <= 1)).all()


def test_without_regions_the_alpha_convolution_is_left_alone(
    config: FineCaptionConfig, processor: FineCaptionProcessor, batch: dict[str, torch.Tensor]
) -> None:
    module = module_of(config, processor, regions=False)
    out = module(**batch)
    out["loss"].backward()
    assert module.clip.alpha is not None and module.clip.alpha.weight.grad is None
    assert out["accuracy"][1].isnan() and not out["accuracy"][0].isnan()
    # The regions' rows take no part: their masks and texts can be anything.
    changed = dict(batch)
    changed["region_masks"] = torch.where(batch["whole"][:, None, None], batch["region_masks"], 0)
    changed["input_ids"] = torch.where(batch["whole"][:, None], batch["input_ids"], 5)
    assert module(**changed)["loss"].item() == pytest.approx(out["loss"].item())


def test_the_two_towers_are_trained(
    config: FineCaptionConfig, processor: FineCaptionProcessor, batch: dict[str, torch.Tensor]
) -> None:
    module = module_of(config, processor, regions=True)
    optimizer = torch.optim.Adam(module.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = module(**batch)["loss"]
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]
