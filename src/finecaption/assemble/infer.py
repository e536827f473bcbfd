"""A tower's configuration out of the shapes of its weights, for files that come without one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from finecaption.errors import InputError

from .names import Format

Shapes = Mapping[str, tuple[int, ...]]

# openai/CLIP clip/model.py: heads of 64 channels in every released ViT.
_CLIP_HEAD = 64
# timm models/convnext.py: `convnext_xxlarge` is made with norm_eps 1e-5, the other sizes with
# timm's default 1e-6. Told apart by the width of the stem; other widths take the xxlarge's.
_TIMM_1E6_WIDTHS = frozenset({40, 48, 64, 80, 96, 128, 192, 256})
CLIP_CONVNEXT_EPS = 1e-5
IMAGENET_CONVNEXT_EPS = 1e-6


def clip_config(form: Format, shapes: Shapes, where: str) -> dict[str, Any]:
    """For `CLIPVisionConfig`, of an OpenAI or Alpha-CLIP vision transformer."""
    own = _Own(form, shapes, where)
    width, _, patch, _ = own["conv1.weight", 4]
    tokens, _ = own["positional_embedding", 2]
    grid = _square(tokens - 1, where, "positional_embedding")
    if width % _CLIP_HEAD:
        raise InputError(
            f"{where}: width {width} is no multiple of {_CLIP_HEAD}, the channels of each of "
            "CLIP's heads; give it as a transformers folder with a config.json"
        )
    return {
        "hidden_size": width,
        "intermediate_size": own["transformer.resblocks.0.mlp.c_fc.weight", 2][0],
        "num_hidden_layers": own.count(r"transformer\.resblocks\.(\d+)\."),
        "num_attention_heads": width // _CLIP_HEAD,
        "image_size": grid * patch,
        "patch_size": patch,
        "projection_dim": own.get("proj", (0, 512))[1],
        "hidden_act": "quick_gelu",
    }


def convnext_config(form: Format, shapes: Shapes, where: str) -> dict[str, Any]:
    """For `ConvNextConfig`, of a timm or open_clip ConvNeXt."""
    own = _Own(form, shapes, where)
    stages = own.count(r"stages\.(\d+)\.")
    return {
        "patch_size": own["stem.0.weight", 4][-1],
        "depths": [own.count(rf"stages\.{stage}\.blocks\.(\d+)\.") for stage in range(stages)],
        "hidden_sizes": [
            own[f"stages.{stage}.blocks.0.conv_dw.weight", 4][0] for stage in range(stages)
        ],
        "num_stages": stages,
    }


def convnext_eps(form: Format, hidden_sizes: list[int]) -> float:
    """The epsilon of a ConvNeXt's norms: nothing in a file tells it.

    1e-6 for transformers' folders, which are run with it, and for timm's sizes below XXL; 1e-5 for
    CLIP's ConvNeXt-XXL and for any other size.
    """
    if form.name == "transformers ConvNeXt" or hidden_sizes[0] in _TIMM_1E6_WIDTHS:
        return IMAGENET_CONVNEXT_EPS
    return CLIP_CONVNEXT_EPS


def sam_config(form: Format, shapes: Shapes, where: str) -> dict[str, Any]:
    """For `SamVisionConfig`, of a Meta SAM image encoder.

    Raises:
        InputError: no way to tell which blocks attend globally, or an encoder without relative
            positions.
    """
    own = _Own(form, shapes, where)
    _, grid, _, width = own["pos_embed", 4]
    patch = own["patch_embed.proj.weight", 4][-1]
    layers = own.count(r"blocks\.(\d+)\.")
    reach = [(own[f"blocks.{i}.attn.rel_pos_h", 2][0] + 1) // 2 for i in range(layers)]
    windows = sorted({size for size in reach if size != grid})
    if len(windows) != 1:
        raise InputError(
            f"{where}: blocks attend over {reach} of {grid} cells; one window size is expected "
            "beside the global blocks; give it as a transformers folder with a config.json"
        )
    channels = own["neck.0.weight", 4][0]
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // own["blocks.0.attn.rel_pos_h", 2][1],
        "global_attn_indexes": [i for i, size in enumerate(reach) if size == grid],
        "window_size": windows[0],
        "mlp_dim": own["blocks.0.mlp.lin1.weight", 2][0],
        "image_size": grid * patch,
        "patch_size": patch,
        "output_channels": channels,
        "num_pos_feats": channels // 2,
    }


class _Own:
    """Shapes by the names after the format's prefix; a missing one stops with its name."""

    def __init__(self, form: Format, shapes: Shapes, where: str) -> None:
        self._prefix = form.prefix(shapes) or ""
        self._shapes, self._where = shapes, where

    def __getitem__(self, key: tuple[str, int]) -> tuple[int, ...]:
        name, dimensions = self._prefix + key[0], key[1]
        if name not in self._shapes:
            raise InputError(f"{self._where}: missing key {name}")
        shape = self._shapes[name]
        if len(shape) != dimensions:
            raise InputError(f"{self._where}: {name} is {shape}, expected {dimensions} dimensions")
        return shape

    def get(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        return self._shapes.get(self._prefix + name, default)

    def count(self, pattern: str) -> int:
        """One more than the largest number that the pattern's group finds."""
        finder = re.compile(re.escape(self._prefix) + pattern)
        found = [int(m[1]) for m in map(finder.match, self._shapes) if m]
        if not found:
            raise InputError(f"{self._where}: missing keys {pattern}")
        return 1 + max(found)


def _square(cells: int, where: str, name: str) -> int:
    side = math.isqrt(max(cells, 0))
    if not side or side * side != cells:
        raise InputError(f"{where}: {name} has {cells} cells beside the class token, no square")
    return side


__all__ = ["clip_config", "convnext_config", "convnext_eps", "sam_config"]
