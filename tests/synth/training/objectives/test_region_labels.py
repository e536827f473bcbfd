from __future__ import annotations

import torch

from finecaption_synth.training.labels import IGNORE
from finecaption_synth.training.objectives.region_labels import (
    REGION_CLASSES,
    RegionHead,
    region_loss,
)

HEADS = len(REGION_CLASSES)


def test_a_region_is_read_where_its_token_is() -> None:
    """The head can pick one token out of many; a mean could not."""
    torch.manual_seed(0)
    head = RegionHead(16)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.03)
    tokens = torch.randn(64, 20, 16)
    place = torch.randint(20, (64,))
    wanted = torch.randint(4, (64,))
    rows = torch.arange(64)
    tokens[:, :, 0] = 0
    tokens[rows, place, 0] = 6  # "here"
    tokens[rows, place, 1:5] = 3 * torch.nn.functional.one_hot(wanted, 4).float()
    classes = torch.full((64, HEADS), IGNORE, dtype=torch.int8)
    classes[:, 1] = wanted.to(torch.int8)
    for _ in range(60):
        loss, accuracy = region_loss(head(tokens), classes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert accuracy[1] > 0.95


def test_only_what_applies_is_asked() -> None:
    logits = tuple(torch.randn(3, n, requires_grad=True) for n in REGION_CLASSES.values())
    classes = torch.full((3, HEADS), IGNORE, dtype=torch.int8)
    classes[0, 2] = 1
    loss, accuracy = region_loss(logits, classes)
    expected = torch.nn.functional.cross_entropy(logits[2][:1], torch.tensor([1])) / 10
    torch.testing.assert_close(loss, expected)
    assert accuracy.isnan().sum() == HEADS - 1
    loss.backward()
    touched = [i for i, head in enumerate(logits) if head.grad is not None and head.grad.any()]
    assert touched == [2]


def test_a_batch_of_whole_pictures_has_no_loss() -> None:
    logits = tuple(torch.randn(2, n) for n in REGION_CLASSES.values())
    loss, _ = region_loss(logits, torch.full((2, HEADS), IGNORE, dtype=torch.int8))
    assert loss == 0
