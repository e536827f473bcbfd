"""The three towers: mask-aware CLIP (low resolution, sees the mask), ConvNeXt and SAM (high)."""

from __future__ import annotations

from .convnext import ConvNextTower
from .mask_clip import AlphaConv, MaskAwareCLIP
from .sam import SamTower

__all__ = ["AlphaConv", "ConvNextTower", "MaskAwareCLIP", "SamTower"]
