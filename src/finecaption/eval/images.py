"""Thumbnails for reports, with the region outlined."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from finecaption.errors import InputError
from finecaption.eval.records import Record
from finecaption.eval.truth import installed_truth
from finecaption.io import masks
from finecaption.io.html import PALETTE
from finecaption.io.images import load_image

SIDE = 440  # pixels of the longer side
QUALITY = 82
_DIM = 0.28  # of what is outside the region
_FINE = 2  # times as large is the outline drawn, and shrunk


@lru_cache(maxsize=16)
def _pixels(name: str, path: str | None) -> Image.Image | None:
    if path is not None and Path(path).is_file():
        try:
            return load_image(path)
        except InputError:
            return None
    truth = installed_truth()
    pixels = None if truth is None else truth.render(name)
    return None if pixels is None else Image.fromarray(pixels)


def image_of(record: Record) -> Image.Image | None:
    """The image of a record of predictions or wholes, RGB; None if it is not to be had any more.

    An image of the synthetic world is drawn again from its name.
    """
    return _pixels(record["picture"], record.get("image"))


def outlined(record: Record) -> Image.Image | None:
    """The image with the record's region outlined, if it has one; longer side SIDE or less.

    What is outside the region is a little darker, so that a small region is found at a glance.
    """
    picture = image_of(record)
    if picture is None:
        return None
    mask: np.ndarray | None = None
    if "mask" in record:
        mask = masks.decode_rle(record["mask"])
        if mask.shape != (picture.height, picture.width):
            return None
    scale = min(1.0, SIDE / max(picture.size))
    width, height = (max(1, round(side * scale)) for side in picture.size)
    shown = picture.resize((width, height), Image.Resampling.LANCZOS)
    if mask is None:
        return shown
    inside = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
    inside = inside.resize(shown.size, Image.Resampling.BOX)
    dark = Image.blend(shown, Image.new("RGB", shown.size), _DIM)
    shown = Image.composite(shown, dark, inside)
    overlay = Image.new("RGBA", (width * _FINE, height * _FINE), (255, 255, 255, 0))
    pen = ImageDraw.Draw(overlay)
    for colour, breadth in (("#ffffff", 4.2), (PALETTE[0], 2.2)):
        for loop in masks.contours(mask):
            corners = [(x * scale * _FINE, y * scale * _FINE) for x, y in loop.tolist()]
            pen.line([*corners, corners[0]], colour, round(breadth * _FINE), joint="curve")
    overlay = overlay.resize(shown.size, Image.Resampling.BOX)
    shown.paste(overlay, mask=overlay.getchannel("A"))
    return shown
