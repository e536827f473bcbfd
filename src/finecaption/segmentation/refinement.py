"""Finer masks than SAM's decoder gives: a step from a quarter to half of the image's resolution.

It sees the raw pixels, in the spirit of HQ-SAM (arXiv:2306.01567) and SAM 2 (arXiv:2408.00714),
through a convolution made for each prompt, as in CondInst (arXiv:2003.05664).

Legend: B images, P prompts per image, N = B * P, K points per prompt, S the side of the
high-resolution square in pixels, n = S / 16 the neck's grid and C its channels, l = S / 4 the grid
of SAM's masks, F channels of the image's own features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from finecaption.segmentation.configuration import ClickDecoderConfig

_NEARNESS = (1 / 32, 1 / 8)  # widths of the clicks' maps, of the square's side
_MAPS = 5


class Refinement(nn.Module):
    """Doubles the resolution of SAM's mask logits, with features of the raw pixels.

    It works on SAM's own mask grid, l = S / 4, and gives four logits a cell: as fine as layers on
    the doubled grid, and several times as fast.
    """

    def __init__(self, config: ClickDecoderConfig) -> None:
        super().__init__()
        hidden, channels, width = config.hidden_size, config.refine_channels, config.refine_width
        self.width = width
        self.side = config.image_size
        self.up = config.patch_size // 4
        self.stem = nn.Conv2d(3, channels, 4, stride=4)
        self.spread = nn.Conv2d(hidden, channels * self.up**2, 1)
        self.mix = nn.Conv2d(channels, channels, 3, padding=1)
        # What lies under a click says more of the wanted thing than where it lies.
        self.touch = nn.Linear(channels, hidden)
        self.control = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, width * (channels + 1))
        )
        self.place = nn.Conv2d(_MAPS, hidden, 1)
        self.context = nn.Conv2d(hidden // 8 + 1 + _MAPS, width, 1)
        self.join = nn.Conv2d(width, width, 3, padding=1)
        self.out = nn.Conv2d(width, 4, 1)

    def features(self, embeddings: torch.Tensor, pixel_values: torch.Tensor) -> torch.Tensor:
        """Neck output (B, C, n, n) and raw pixels (B, 3, S, S), 0..255 -> (B, F, l, l)."""
        pixels = pixel_values.to(embeddings.dtype) / 127.5 - 1
        coarse = F.pixel_shuffle(self.spread(embeddings), self.up)
        return F.gelu(self.mix(F.gelu(self.stem(pixels) + coarse)))

    def maps(
        self, points: torch.Tensor, labels: torch.Tensor, boxes: torch.Tensor | None
    ) -> torch.Tensor:
        """The prompts as images, (B * P, 5, l, l); arguments as `ClickDecoder.forward`.

        Nearness (Gaussian, two widths) to clicks on the thing and to others, as CondInst's
        relative positions; then 1 inside a box, -1 outside, 0 without a box.
        """
        cells = self.side // 4
        centres = (torch.arange(cells, device=points.device, dtype=points.dtype) + 0.5) * 4
        square = (points.flatten(0, 1).unsqueeze(-1) - centres) ** 2  # (N, K, 2, l)
        signs = labels.flatten(0, 1)
        found = []
        for width in _NEARNESS:
            near = torch.exp(-square / (2 * (width * self.side) ** 2))
            for sign in (1, 0):
                rows = near[:, :, 1] * (signs == sign).unsqueeze(-1)
                found.append(rows.transpose(1, 2) @ near[:, :, 0])
        inside = torch.zeros_like(found[0])
        if boxes is not None:
            x0, y0, x1, y1 = boxes.reshape(-1, 4, 1).unbind(1)
            columns, rows = (
                ((centres >= low) & (centres < high)).to(points.dtype)
                for low, high in ((x0, x1), (y0, y1))
            )
            inside = 2 * (rows.unsqueeze(2) * columns.unsqueeze(1)) - 1
            inside = inside * (~boxes.isnan().any(-1)).reshape(-1, 1, 1)
        return torch.stack((*found, inside), dim=1)

    def at(self, features: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Token parts (B, P, K, C) from the features at places (B, P, K, 2), 0..1."""
        grid = (places * 2 - 1).to(features.dtype)
        found = F.grid_sample(features, grid, align_corners=False, padding_mode="border")
        return self.touch(found.permute(0, 2, 3, 1))

    def forward(
        self,
        features: torch.Tensor,
        token: torch.Tensor,
        upscaled: torch.Tensor,
        logits: torch.Tensor,
        maps: torch.Tensor,
    ) -> torch.Tensor:
        """
        Args:
            features: (B, F, l, l).
            token: (B, P, C), the mask token after the transformer and what the clicks touch.
            upscaled: (B * P, C / 8, l, l), SAM's upscaled embedding.
            logits: (B * P, 1, l, l), SAM's mask.
            maps: (B * P, 5, l, l).

        Returns:
            (B * P, 1, 2 l, 2 l).
        """
        control = self.control(token).unflatten(-1, (self.width, -1))  # (B, P, width, F + 1)
        weight, bias = control.split((features.shape[1], 1), dim=-1)
        own = weight.flatten(1, 2) @ features.flatten(2) + bias.flatten(1, 2)
        context = self.context(torch.cat((upscaled, logits, maps), dim=1))
        joined = F.relu(own.view(context.shape) + context)
        fine = F.pixel_shuffle(self.out(F.relu(self.join(joined))), 2)
        return fine + F.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)
