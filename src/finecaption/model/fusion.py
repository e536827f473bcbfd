"""Bring the towers to one grid and map them into the language model's space.

Legend: B images, R regions, g the grid of image tokens, T = g * g, H the adapter's width, D the
language model's width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from transformers.activations import ACT2FN


def normalise(pixels: torch.Tensor, mean: object, std: object) -> torch.Tensor:
    """Raw pixels or masks -> (x - mean) / std in float32.

    Args:
        pixels: (..., C, h, w), uint8 in 0..255 or floating in [0, 1].
        mean, std: C numbers.
    """
    values = pixels.float()
    if pixels.dtype == torch.uint8:
        values = values / 255.0
    shift = torch.tensor(mean, dtype=torch.float32, device=pixels.device).view(-1, 1, 1)
    scale = torch.tensor(std, dtype=torch.float32, device=pixels.device).view(-1, 1, 1)
    return (values - shift) / scale


def resize_grid(features: torch.Tensor, grid: int) -> torch.Tensor:
    """(N, C, n, n) -> (N, C, grid, grid): bilinear, in float32, back in the dtype it came in."""
    if features.shape[-1] == grid:
        return features
    resized = F.interpolate(
        features.float(), size=(grid, grid), mode="bilinear", align_corners=False
    )
    return resized.to(features.dtype)


def to_tokens(features: torch.Tensor) -> torch.Tensor:
    """(N, C, g, g) -> (N, T, C), row by row."""
    return features.flatten(2).transpose(1, 2)


class Adapter(nn.Module):
    """Linear -> GELU -> Linear over the channels [CLIP, ConvNeXt, SAM] (EAGLE's projector).

    The first linear layer is kept as its two blocks of columns, `clip_in` (with the bias) and
    `hr_in`: W [clip; hr] + b = W_clip clip + b + W_hr hr. The second term does not depend on the
    mask, so an image with many regions pays for it once.
    """

    def __init__(
        self, clip_channels: int, hr_channels: int, hidden: int, out: int, act: str = "gelu"
    ) -> None:
        super().__init__()
        self.clip_in = nn.Linear(clip_channels, hidden)
        self.hr_in = nn.Linear(hr_channels, hidden, bias=False) if hr_channels else None
        self.act = ACT2FN[act]
        self.out = nn.Linear(hidden, out)

    def high(self, hr: torch.Tensor) -> torch.Tensor | None:
        """W_hr hr, the mask-independent term.

        Args:
            hr: (B, C_hr, g, g).

        Returns:
            (B, T, H); None if both high-resolution towers are off.
        """
        if self.hr_in is None:
            return None
        part: torch.Tensor = self.hr_in(to_tokens(hr).to(self.hr_in.weight.dtype))
        return part

    def forward(
        self,
        clip: torch.Tensor,
        hr: torch.Tensor | None,
        image_index: torch.Tensor | None = None,
        part: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        Args:
            clip: (R, C_clip, g, g).
            hr: (B, C_hr, g, g), or None if both high-resolution towers are off or `part` is given.
            image_index: (R,) int64, the image of each region; None pairs them one to one.
            part: (B, T, H), what `high` made of `hr`.

        Returns:
            (R, T, D).
        """
        hidden = self.clip_in(to_tokens(clip).to(self.clip_in.weight.dtype))
        if part is None and hr is not None:
            part = self.high(hr)
        if part is not None:
            hidden = hidden + (part if image_index is None else part[image_index])
        return self.out(self.act(hidden))
