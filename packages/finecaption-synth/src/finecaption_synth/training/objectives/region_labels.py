"""Which region is referred to: its classes read off its image tokens.

The mask enters at CLIP alone, and a caption tells the adapter very indirectly which of an image's
features to let through. Asking the adapter's output for the region's classes says it outright; the
reading was learned in minutes where captions took hours (docs/log.md, docs/decisions/0010).

Legend: R regions, T image tokens, D the language model's width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from finecaption_synth.training.labels import CLASSES, IGNORE, LINK_CLASSES

REGION_CLASSES = {**CLASSES, **LINK_CLASSES}
_TYPICAL = 10  # heads that apply to a region, so that the loss is about that of one head


class RegionHead(nn.Module):
    """From a region's image tokens to its classes; thrown away after training.

    Every head attends to the tokens by itself, as the language model can: what tells a person's
    expression is another token than what tells the shoes. A mean over the tokens learned several
    times more slowly (docs/log.md).
    """

    def __init__(self, width: int) -> None:
        """
        Args:
            width: D.
        """
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.score = nn.Linear(width, len(REGION_CLASSES))
        self.heads = nn.Linear(width, sum(REGION_CLASSES.values()))

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(R, T, D) -> logits a head of REGION_CLASSES, each (R, classes)."""
        tokens = self.norm(tokens)
        weights = self.score(tokens).softmax(dim=1)  # (R, T, heads)
        seen = torch.einsum("rth,rtd->hrd", weights, tokens)
        sizes = list(REGION_CLASSES.values())
        matrices, biases = self.heads.weight.split(sizes), self.heads.bias.split(sizes)
        return tuple(F.linear(*args) for args in zip(seen, matrices, biases, strict=True))


def region_loss(
    logits: tuple[torch.Tensor, ...], classes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy, one sum over regions and heads, and accuracy a head (nan where unasked).

    Args:
        logits: as RegionHead gives them.
        classes: int8 (R, heads), IGNORE where a head does not apply; a region with nothing but
            IGNORE (a whole image) counts nothing.
    """
    losses, right = [], []
    asked = (classes != IGNORE).any(dim=1).sum().clamp(min=1)
    for i, head in enumerate(logits):
        target = classes[:, i].long()
        losses.append(F.cross_entropy(head, target, ignore_index=IGNORE, reduction="sum"))
        hit = (head.detach().argmax(1) == target).sum() / (target != IGNORE).sum()
        right.append(hit.float())  # 0 / 0 is nan: unasked
    return torch.stack(losses).sum() / asked / _TYPICAL, torch.stack(right)
