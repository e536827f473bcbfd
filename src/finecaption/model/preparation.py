"""Images and masks to the model's two squares, as uint8 arrays: no torch, no tokenizer.

The same functions serve data preparation, training and inference, so that all see the same pixels.
Every image and mask goes through `finecaption.io.geometry.place_in_square`: scaled to fit,
centered, padded; nothing is ever cropped, because a crop can delete a region.

Legend: s / S the side in pixels of the low / high resolution square; size is (width, height).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from finecaption.errors import InputError
from finecaption.io.geometry import place_in_square
from finecaption.io.masks import as_mask

# OpenAI CLIP's mean color, which is ImageNet's too within one level: near 0 in every tower once
# normalized, as LLaVA pads.
PAD_RGB = (123, 117, 104)

# Area-averaging never loses a thin region, but rounding could lose a tiny one; its brightest cell
# is raised to this coverage (of 255).
_FAINTEST_PEAK = 64


def place_image(picture: Image.Image, side: int) -> np.ndarray:
    """An RGB image in the square: uint8 (side, side, 3). Bicubic, antialiased."""
    place = place_in_square(picture.size, side)
    canvas = Image.new("RGB", (side, side), PAD_RGB)
    resized = picture.convert("RGB").resize(place.new_size, Image.Resampling.BICUBIC)
    canvas.paste(resized, place.offset)
    return np.asarray(canvas)


def place_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """A mask (H, W) in the square: uint8 (side, side), the foreground fraction of each cell.

    Args:
        mask: bool (H, W), or what `finecaption.io.masks.as_mask` takes; at the image's size.
        side: of the square.

    Returns:
        0 (nothing, and the padding) to 255 (all foreground). Area-averaged: a nearest-neighbor
        resize would lose regions thinner than a cell. At least one cell reaches 25 %.

    Raises:
        InputError: the mask is unusable or has no foreground.
    """
    mask = as_mask(mask)
    if not mask.any():
        raise InputError("mask: has no foreground; mark at least one pixel of the region")
    height, width = mask.shape
    place = place_in_square((width, height), side)
    # Mode F, so that faint cells are not rounded away before the peak is known.
    share = Image.fromarray(mask.astype(np.float32)).resize(place.new_size, Image.Resampling.BOX)
    values = np.asarray(share) * 255.0
    peak = float(values.max())
    if peak < _FAINTEST_PEAK:
        values = values * (_FAINTEST_PEAK / max(peak, 1e-6))
    canvas = np.zeros((side, side), np.uint8)
    left, top, right, bottom = place.box
    canvas[top:bottom, left:right] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return canvas


def prepare_image(
    picture: Image.Image, clip_size: int, image_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """One image for both resolutions.

    Returns:
        uint8 (s, s, 3) for CLIP and uint8 (S, S, 3) for ConvNeXt and SAM, raw RGB.
    """
    return place_image(picture, clip_size), place_image(picture, image_size)


def prepare_mask(mask: np.ndarray, clip_size: int) -> np.ndarray:
    """One region's soft mask for the mask-aware CLIP: uint8 (s, s). As `place_mask`."""
    return place_mask(mask, clip_size)


def whole_image_mask(size: tuple[int, int], clip_size: int) -> np.ndarray:
    """The mask that says "all of the image" (not of the padding): uint8 (s, s)."""
    width, height = size
    return place_mask(np.ones((height, width), bool), clip_size)


__all__ = [
    "PAD_RGB",
    "place_image",
    "place_mask",
    "prepare_image",
    "prepare_mask",
    "whole_image_mask",
]
