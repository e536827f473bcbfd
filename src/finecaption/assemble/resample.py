"""Position embeddings for another image size.

Computed in float32. Absolute embeddings are bicubic, as the fine-tuning of ViTs at other sizes has
it (and timm and transformers do); relative ones linear, as segment-anything's `get_rel_pos` does.
"""

from __future__ import annotations

import math
import re

import torch
import torch.nn.functional as F

_CLIP = "model.clip.vision.embeddings.position_embedding.weight"
_SAM = "model.sam.model.vision_encoder.pos_embed"
_SAM_RELATIVE = re.compile(r"model\.sam\.model\.vision_encoder\.layers\.\d+\.attn\.rel_pos_[hw]")

Shape = tuple[int, ...]


def can_resample(name: str, have: Shape, want: Shape) -> bool:
    """Whether a tensor of our `name` is a position embedding that only differs in its extent."""
    if len(have) != len(want) or have[-1] != want[-1]:
        return False
    if name == _CLIP:
        return all(_is_square(shape[0] - 1) for shape in (have, want))
    if name == _SAM:
        return have[0] == want[0] == 1
    return bool(_SAM_RELATIVE.fullmatch(name))


def resample(name: str, values: torch.Tensor, want: Shape) -> torch.Tensor:
    """A position embedding at another extent.

    Args:
        name: ours, one that `can_resample` accepts.
        values: CLIP (1 + n * n, W), class token first; SAM (1, h, w, W); relative (2n - 1, d).
        want: its new shape.

    Returns:
        float32, of shape `want`.
    """
    values = values.float()
    if name == _CLIP:
        return torch.cat([values[:1], _clip_grid(values[1:], math.isqrt(want[0] - 1))])
    if name == _SAM:
        return _bicubic(values.permute(0, 3, 1, 2), want[1:3]).permute(0, 2, 3, 1).contiguous()
    line = F.interpolate(values.T[None], size=want[0], mode="linear", align_corners=False)
    return line[0].T.contiguous()


def _clip_grid(cells: torch.Tensor, side: int) -> torch.Tensor:
    old = math.isqrt(cells.shape[0])
    grid = cells.T.reshape(1, -1, old, old)
    return _bicubic(grid, (side, side)).flatten(2)[0].T


def _bicubic(grid: torch.Tensor, size: Shape) -> torch.Tensor:
    return F.interpolate(grid, size=size, mode="bicubic", align_corners=False)


def _is_square(cells: int) -> bool:
    return cells > 0 and math.isqrt(cells) ** 2 == cells


__all__ = ["can_resample", "resample"]
