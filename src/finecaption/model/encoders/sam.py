"""SAM's image encoder with its pretrained neck, folded to the grid of image tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from transformers import SamVisionConfig, SamVisionModel


class SamTower(nn.Module):
    """transformers' `SamVisionModel`, then a pixel-unshuffle."""

    def __init__(self, config: SamVisionConfig, unshuffle: int = 2) -> None:
        """
        Args:
            config: of the vision encoder.
            unshuffle: how many neck cells a side go into one image token.
        """
        super().__init__()
        self.model = SamVisionModel(config)
        self.unshuffle = unshuffle

    def image_embeddings(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """The neck's output, which SAM's mask decoder takes.

        Args:
            pixel_values: (B, 3, S, S), normalized.

        Returns:
            (B, C, S / 16, S / 16). The image is placed centered in the square, as for the other
            towers, not in the top left corner as SAM itself does.
        """
        encoder = self.model.vision_encoder
        weight = encoder.patch_embed.projection.weight
        return encoder(pixel_values.to(weight.dtype)).last_hidden_state

    def fold(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Neck output (B, C, n, n) -> features (B, C * u * u, n / u, n / u)."""
        return F.pixel_unshuffle(embeddings, self.unshuffle)

    def unfold(self, features: torch.Tensor) -> torch.Tensor:
        """Inverse of `fold`."""
        return F.pixel_shuffle(features, self.unshuffle)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) normalized -> (B, C * u * u, S / 16 / u, S / 16 / u)."""
        return self.fold(self.image_embeddings(pixel_values))
