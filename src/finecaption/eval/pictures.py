"""Pictures for reports: a region's outline on its picture, small enough to stand in a page."""

from __future__ import annotations

import base64
import io
import re
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from finecaption import masks
from finecaption.draw import annotate
from finecaption.errors import InputError
from finecaption.eval.records import Record
from finecaption.images import load_image
from finecaption.synth.compose import render_rgb
from finecaption.synth.observe import observe
from finecaption.synth.scene import SPLITS, sample_scene
from finecaption.types import Caption, Region

_NAME = re.compile(r"(?P<split>[a-z-]+)-(?P<seed>-?\d+)-(?P<index>\d{6,})")
SIDE = 440  # pixels of the longer side
_QUALITY = 82


@lru_cache(maxsize=16)
def _pixels(name: str, path: str | None) -> Image.Image | None:
    if path is not None and Path(path).is_file():
        try:
            return load_image(path)
        except InputError:
            return None
    found = _NAME.fullmatch(name)
    if found is None or found["split"] not in SPLITS:
        return None
    scene = sample_scene(found["split"], int(found["seed"]), int(found["index"]))
    return Image.fromarray(render_rgb(observe(scene).svg))


def picture_of(record: Record) -> Image.Image | None:
    """The picture of a record of predictions or wholes, RGB; None if it is not to be had any more.

    A picture of the drawn world is drawn again from its name.
    """
    return _pixels(record["picture"], record.get("image"))


def outlined(record: Record) -> Image.Image | None:
    """The picture with the record's region outlined, if it has one; longer side SIDE."""
    picture = picture_of(record)
    if picture is None:
        return None
    if "mask" in record:
        mask = masks.decode_rle(record["mask"])
        if mask.shape != (picture.height, picture.width):
            return None
        picture = annotate(picture, [Caption(Region(np.asarray(mask)))])
    picture = picture.copy()
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return picture


def data_uri(picture: Image.Image) -> str:
    """A picture as JPEG inside an address, so that a page needs no other file."""
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
