"""Stage 0 of the high-resolution towers: name every patch of a drawn picture.

Captions alone teach fine detail very slowly (docs/log.md), so each tower first learns to say, for
every 8 x 8 pixels, what the region there is: the class under every head of train.labels.

Legend: B pictures, g the grid of the features, n = 32 patches a side, K classes over all heads.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from finecaption.model.encoders import ConvNextTower, SamTower
from finecaption.model.fusion import normalise
from finecaption.train.labels import BACKGROUND, CLASSES, IGNORE

PATCHES = 32
_WIDTH = 64  # of a patch's own feature, before the heads
_TYPICAL = 8  # heads that apply to a patch, so that the loss is about that of one head


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of a map (B, C, h, w)."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class DenseHead(nn.Module):
    """From a feature map to classes a patch; thrown away after pretraining.

    Normed on the way: without it the first hundreds of steps go into growing the head's signal
    (docs/log.md).
    """

    def __init__(self, channels: int, grid: int) -> None:
        super().__init__()
        self.split = PATCHES // grid
        self.norm = ChannelNorm(channels)
        self.spread = nn.Conv2d(channels, _WIDTH * self.split**2, 1)
        self.mix = nn.Sequential(
            ChannelNorm(_WIDTH), nn.GELU(), nn.Conv2d(_WIDTH, 128, 1), ChannelNorm(128), nn.GELU()
        )
        self.sizes = [n + (head == "category") for head, n in CLASSES.items()]
        self.heads = nn.Conv2d(128, sum(self.sizes), 1)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(B, C, g, g) -> logits a head, each (B, classes, n, n)."""
        patches = F.pixel_shuffle(self.spread(self.norm(features)), self.split)
        return self.heads(self.mix(patches)).split(self.sizes, dim=1)


def patch_targets(ids: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets and weights a patch.

    Args:
        ids: uint8 (B, 128, 128) region ids.
        labels: int8 (B, rows, heads), row i the classes of region id i, row 0 the backdrop.

    Returns:
        targets int64 (B, n, n, heads) with IGNORE, and weights (B, n, n): a region weighs as the
        root of its patch count, so that a cup is not drowned by a house.
    """
    step = ids.shape[-1] // PATCHES
    cells = ids[:, step // 2 :: step, step // 2 :: step].long()  # (B, n, n)
    flat = cells.flatten(1)
    targets = torch.gather(
        labels.long(), 1, flat.unsqueeze(-1).expand(-1, -1, labels.shape[-1])
    ).unflatten(1, cells.shape[1:])
    counts = torch.zeros(len(ids), labels.shape[1]).to(ids.device)
    counts.scatter_add_(1, flat, torch.ones_like(flat, dtype=counts.dtype))
    weights = torch.gather(counts.clamp(min=1).rsqrt(), 1, flat).unflatten(1, cells.shape[1:])
    return targets, weights


def dense_loss(
    logits: tuple[torch.Tensor, ...], targets: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted cross-entropy over all patches and heads, and accuracy a head (nan where unasked).

    One sum for all heads: a mean a head would give the few patches of a rare head the pull of all
    the others together, and at the start that is all noise (docs/log.md).
    """
    losses, right = [], []
    region = targets[..., 0] != BACKGROUND
    # A third of the pictures' area is backdrop; it is easy and must not dominate.
    weights = weights * torch.where(region, 1.0, 0.3)
    for i, head in enumerate(logits):
        target = targets[..., i]
        weight = weights * (target != IGNORE)
        loss = F.cross_entropy(head, target.clamp(min=0), reduction="none")
        losses.append((loss * weight).sum())
        hit = (head.detach().argmax(1) == target).to(weight.dtype)
        # The accuracy of the category leaves the backdrop out.
        counted = weight * region
        right.append(((hit * counted).sum() / counted.sum()).cpu())  # 0 / 0 is nan: unasked
    return torch.stack(losses).sum() / weights.sum() / _TYPICAL, torch.stack(right)


class DensePretraining(nn.Module):
    """A tower with its dense head, as Trainer takes it: batch in, loss out."""

    def __init__(
        self, tower: ConvNextTower | SamTower, statistics: tuple, grid: int, channels: int
    ) -> None:
        """
        Args:
            tower: the encoder; SAM's neck output is used before the pixel-unshuffle.
            statistics: (mean, std) of the encoder's pixels, from the model's config.
            grid: side of the feature map that the head reads.
            channels: its channels.
        """
        super().__init__()
        self.tower = tower
        self.statistics = statistics
        self.head = DenseHead(channels, grid)
        # Deep supervision: the stage before the last is asked as well, which brings the gradient
        # nearer to where colour and texture are seen (docs/log.md).
        self.middle_head: DenseHead | None = None
        self._middle: list[torch.Tensor] = []
        if isinstance(tower, ConvNextTower):
            stage = tower.model.encoder.stages[-2]
            width = tower.model.config.hidden_sizes[-2]
            self.middle_head = DenseHead(width, 2 * grid)
            stage.layers[-1].register_forward_hook(lambda _, __, out: self._middle.append(out))

    def features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """uint8 (B, 3, S, S) -> the map that the head reads."""
        pixels = normalise(pixel_values, *self.statistics)
        if isinstance(self.tower, SamTower):
            return self.tower.image_embeddings(pixels)
        return self.tower(pixels)

    def forward(
        self, pixel_values: torch.Tensor, ids: torch.Tensor, labels: torch.Tensor,
        parent: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:  # fmt: skip
        """loss (), and accuracy (heads,) on this batch; ``parent`` is for clicks alone."""
        self._middle.clear()
        logits = self.head(self.features(pixel_values))
        targets = patch_targets(ids, labels)
        loss, accuracy = dense_loss(logits, *targets)
        if self.middle_head is not None:
            loss = loss + 0.5 * dense_loss(self.middle_head(self._middle.pop()), *targets)[0]
        return {"loss": loss, "accuracy": accuracy}
