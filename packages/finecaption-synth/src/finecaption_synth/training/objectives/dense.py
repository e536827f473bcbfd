"""Stage 0 of the high-resolution towers: name every region of a synthetic scene.

Captions alone teach fine detail very slowly (docs/log.md), so each tower first learns to say what
each region is: its class under every head of scenes.labels, read off the region's patches of 8 x 8
pixels.

Legend: B images or crops, g the grid of the features, n patches a side, 32 for a whole image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from finecaption.model.encoders import ConvNextTower, SamTower
from finecaption.model.fusion import normalise
from finecaption.training.objectives import Batch, by_prefix
from finecaption_synth.training.labels import BACKGROUND, CLASSES, HEADS, IGNORE
from finecaption_synth.training.pool import IDS_SIZE

PATCHES = 32
Logits = tuple[torch.Tensor, ...]  # of each head

_WIDTH = 64  # channels of a patch's own feature
_MIXED = 128  # channels of what the heads read
_TYPICAL = 8  # heads that apply to a region, so that the loss is about that of one head
_BACKDROP = 0.3  # weight of the backdrop beside a region's
_MIDDLE = 0.5  # weight of the stage before the last


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of a map (B, C, h, w)."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class DenseHead(nn.Module):
    """From a feature map to the classes of each region; thrown away after pretraining.

    Every patch gives its own logits, and for each head a score of how much it has to say: the
    logits of a region are the mean of its patches', weighted by the softmax of their scores. A shoe
    need not know the expression of the face above it (docs/log.md).

    Normalized on the way: without it the first hundreds of steps go into growing the head's signal
    (docs/log.md).
    """

    def __init__(self, channels: int, grid: int) -> None:
        """
        Args:
            channels: of the feature map.
            grid: side of the map for a whole image; a crop's is smaller in proportion.
        """
        super().__init__()
        self.split = PATCHES // grid
        self.norm = ChannelNorm(channels)
        self.spread = nn.Conv2d(channels, _WIDTH * self.split**2, 1)
        self.mix = nn.Sequential(
            ChannelNorm(_WIDTH),
            nn.GELU(),
            nn.Conv2d(_WIDTH, _MIXED, 1),
            ChannelNorm(_MIXED),
            nn.GELU(),
        )
        self.sizes = [n + (head == "category") for head, n in CLASSES.items()]
        self.score = nn.Conv2d(_MIXED, len(self.sizes), 1)
        nn.init.zeros_(self.score.weight)  # a plain mean at first
        self.heads = nn.Linear(_MIXED, sum(self.sizes))

    def forward(self, features: torch.Tensor, cells: torch.Tensor, rows: int) -> Logits:
        """(B, C, g, g) -> logits of each head, (B, rows, classes).

        Args:
            cells: int64 (B, n, n), the region id of each patch.
            rows: number of region ids, the backdrop's 0 included; logits of an id without patches
                are those of no evidence at all, and mean nothing.
        """
        mixed = self.mix(F.pixel_shuffle(self.spread(self.norm(features)), self.split))
        patches = mixed.flatten(2).transpose(1, 2)  # (B, n * n, _MIXED)
        scores = self.score(mixed).flatten(2)  # (B, heads, n * n)
        outside = cells.flatten(1).unsqueeze(1) != torch.arange(rows, device=cells.device)[:, None]
        # A large negative number and not infinity: a row without patches must not give NaN.
        lowest = torch.finfo(scores.dtype).min
        weights = scores.unsqueeze(2).masked_fill(outside.unsqueeze(1), lowest).softmax(-1)
        seen = torch.einsum("bhrn,bnd->hbrd", weights, patches)  # rows of their own, for each head
        matrices = self.heads.weight.split(self.sizes)
        biases = self.heads.bias.split(self.sizes)
        return tuple(F.linear(*args) for args in zip(seen, matrices, biases, strict=True))


def patch_cells(ids: torch.Tensor) -> torch.Tensor:
    """Region id of each patch: int64 (B, n, n) from uint8 (B, d, d), d at most IDS_SIZE."""
    step = IDS_SIZE // PATCHES
    return ids[:, step // 2 :: step, step // 2 :: step].long()


def dense_loss(
    logits: Logits, labels: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy over all regions and heads, and accuracy of each head (nan where unasked).

    One sum for all heads: a mean for each would give the few regions of a rare head the pull of all
    the others together, and at the start that is all noise (docs/log.md).

    Args:
        logits: of a DenseHead.
        labels: int8 (B, rows, heads) with IGNORE; row i holds the classes of region id i.
        weights: float (B, rows); 0 for a region that is not in sight.
    """
    labels = labels.long()
    region = labels[..., 0] != BACKGROUND
    # Every image has a backdrop; it is easy and must not dominate.
    weights = weights * torch.where(region, 1.0, _BACKDROP)
    losses, right = [], []
    for i, head in enumerate(logits):
        target = labels[..., i]
        weight = weights * (target != IGNORE)
        loss = F.cross_entropy(head.flatten(0, 1), target.clamp(min=0).flatten(), reduction="none")
        losses.append((loss * weight.flatten()).sum())
        hit = (head.detach().argmax(-1) == target).to(weight.dtype)
        counted = weight * region
        right.append((hit * counted).sum() / counted.sum())  # 0 / 0 is nan: unasked
    asked = (weights * (labels[..., 0] != IGNORE)).sum().clamp(min=1)
    return torch.stack(losses).sum() / asked / _TYPICAL, torch.stack(right)


def in_sight(cells: torch.Tensor, rows: int) -> torch.Tensor:
    """Which region ids have patches: float (B, rows), 1 or 0."""
    return F.one_hot(cells.flatten(1), rows).amax(1).float()


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
        # nearer to where color and texture are seen (docs/log.md).
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
        self,
        pixel_values: torch.Tensor,
        ids: torch.Tensor,
        labels: torch.Tensor,
        weights: torch.Tensor | None = None,
        parent: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """One batch of whole images or of crops of one size.

        Args:
            pixel_values: uint8 (B, 3, S, S), raw.
            ids: uint8 (B, d, d) region id of each cell.
            labels: int8 (B, rows, heads).
            weights: float (B, rows) of the regions; None weighs all that are in sight alike.
            parent: is for clicks alone.

        Returns:
            loss (), and accuracy (heads,).
        """
        self._middle.clear()
        cells, rows = patch_cells(ids), labels.shape[1]
        seen = in_sight(cells, rows)
        weights = seen if weights is None else weights * seen
        logits = self.head(self.features(pixel_values), cells, rows)
        loss, accuracy = dense_loss(logits, labels, weights)
        if self.middle_head is not None:
            early = self.middle_head(self._middle.pop(), cells, rows)
            loss = loss + _MIDDLE * dense_loss(early, labels, weights)[0]
        return {"loss": loss, "accuracy": accuracy}


class Dense:
    """ConvNeXt on class maps; items are scenes, or crops of them."""

    metrics: Mapping[str, Sequence[str]] = {"accuracy": tuple(HEADS)}
    parts: Mapping[str, str] = {"tower.": "convnext"}

    def __init__(self, statistics: tuple, grid: int, channels: int) -> None:
        """
        Args:
            statistics, grid, channels: see DensePretraining.
        """
        self.arguments = (statistics, grid, channels)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The tower with new heads."""
        assert isinstance(model, ConvNextTower)
        return DensePretraining(model, *self.arguments)

    def part_of(self, name: str) -> str | None:
        """Part of the tower; None for the heads."""
        return by_prefix(name, self.parts)

    def idle(self, module: nn.Module) -> frozenset[str]:
        """Nothing is known to be."""
        return frozenset()

    def collate(self, items: Sequence[dict[str, Any]]) -> Batch:
        """Stacks; class rows are padded to the most regions, with rows that no pixel points to."""
        out: Batch = {
            "pixel_values": torch.stack([i["pixel_values"] for i in items]),
            "ids": torch.stack([i["ids"] for i in items]),
        }
        for key, filler in (("labels", IGNORE), ("parent", 0), ("weights", 0.0)):
            if key in items[0]:
                out[key] = stack_rows([i[key] for i in items], filler)
        return out


def stack_rows(tables: Sequence[torch.Tensor], filler: float) -> torch.Tensor:
    """Tables of different lengths stacked, the shorter ones filled below."""
    return torch.nn.utils.rnn.pad_sequence(list(tables), batch_first=True, padding_value=filler)
