"""The rows of the ablation: nine ways of telling a model which region is meant.

Legend: s the side of CLIP's square, on which everything is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from finecaption.errors import InputError

Told = Literal["nothing", "box in words", "drawn box", "contour", "mask"]
BINS = 32  # places along a side that a box in words can name, as Kosmos-2 has them
RED = np.array((255, 0, 0), np.uint8)  # of what is drawn, as ViP-LLaVA's prompts call it


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: of its folder.
        title: in the table.
        told: how the model learns which region is meant.
        convnext, sam: the high-resolution towers that it has.
        published: the row of the paper's Table 2 that is made like it; empty where there is none.
    """

    name: str
    title: str
    told: Told
    convnext: bool = False
    sam: bool = False
    published: str = ""


ROWS: tuple[Row, ...] = (
    Row("whole", "Whole image", "nothing"),
    Row("box-text", "Box as text", "box in words", published="LLaVA-1.6-13B (box)"),
    Row("drawn-box", "Drawn box", "drawn box"),
    Row("contour", "Contour", "contour", published="ViP-LLaVA-13B (contour)"),
    Row("mask", "Mask, low resolution only", "mask", published="Alpha-CLIP-13B (mask, 336)"),
    Row("box-convnext", "Box as text + ConvNeXt", "box in words", convnext=True,
        published="LLaVA-HR-X (box, 1024)"),
    Row("mask-convnext", "Mask + ConvNeXt", "mask", convnext=True),
    Row("mask-sam", "Mask + SAM", "mask", sam=True),
    Row("full", "Mask + ConvNeXt + SAM", "mask", convnext=True, sam=True,
        published="FineCaption-8B (mask, 1024)"),
)  # fmt: skip


def find_row(name: str) -> Row:
    """A row by name.

    Raises:
        InputError: there is none.
    """
    for row in ROWS:
        if row.name == name:
            return row
    raise InputError(f"no row {name!r}; there are {', '.join(r.name for r in ROWS)}")


# --- telling the region -------------------------------------------------------------------------


def outline(mask: np.ndarray) -> np.ndarray:
    """Pixels around a region: bool (s, s) from uint8 or bool (s, s); half and more is region.

    The ring of pixels that touch it from outside; where it reaches the picture's edge, the edge.
    """
    region = _solid(mask)
    padded = np.pad(region, 1)
    near = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    edge = np.zeros_like(region)
    edge[[0, -1]], edge[:, [0, -1]] = True, True
    return (near & ~region) | (region & edge)


def _solid(mask: np.ndarray) -> np.ndarray:
    values = np.asarray(mask)
    if values.dtype == bool:
        return values
    region = values >= 128
    return region if region.any() else values == values.max()


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    ys, xs = np.nonzero(_solid(mask))
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def marked(picture: np.ndarray, mask: np.ndarray, told: Told) -> np.ndarray:
    """CLIP's picture with the region drawn on it: uint8 (s, s, 3); a line is one pixel wide."""
    if told == "contour":
        line = outline(mask)
    elif told == "drawn box":
        x0, y0, x1, y1 = _box(mask)
        filled = np.zeros(mask.shape, bool)
        filled[y0:y1, x0:x1] = True
        line = outline(filled)
    else:
        return picture
    out = np.array(picture)
    out[line] = RED
    return out


def box_words(mask: np.ndarray) -> list[int]:
    """A region's box in words, 0-based: left, top, right, bottom; x in 0..31, y in 32..63.

    The bins of Kosmos-2: floor for the upper left, ceil - 1 for the lower right corner.
    """
    x0, y0, x1, y1 = (v * BINS / mask.shape[0] for v in _box(mask))
    return [int(x0), BINS + int(y0), math.ceil(x1) - 1, BINS + math.ceil(y1) - 1]


def with_box(ids: Sequence[int], image_token: int, words: Sequence[int]) -> list[int]:
    """A prompt's ids with the words of a box right behind its image tokens."""
    end = max(i for i, token in enumerate(ids) if token == image_token) + 1
    return [*ids[:end], *words, *ids[end:]]


def tell_picture(picture: np.ndarray, mask: np.ndarray, row: Row) -> torch.Tensor:
    """uint8 (3, s, s) as a row's CLIP sees it."""
    drawn = np.array(marked(picture, mask, row.told))  # a copy: shared arrays are read-only
    return torch.from_numpy(drawn).permute(2, 0, 1).contiguous()


def tell_mask(mask: np.ndarray, row: Row) -> torch.Tensor:
    """uint8 (s, s) as a row's alpha convolution sees it."""
    return torch.from_numpy(np.array(mask) if row.told == "mask" else np.full_like(mask, 255))
