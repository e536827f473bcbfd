"""What the cases draw: an image with a thing in it, the truth of its mask, and files of both."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 160, 120
SIZE = (WIDTH, HEIGHT)
BOX = (40, 30, 100, 90)
"""x0, y0, x1, y1 of the thing in an image of SIZE."""
POLYGON = [40, 30, 100, 30, 100, 90, 40, 90]
RED, BLUE = (200, 30, 30), (60, 120, 200)


def truth(size: tuple[int, int] = SIZE) -> np.ndarray:
    """The mask of the thing, bool (H, W): x from 1/4 to 5/8, y from 1/4 to 3/4."""
    width, height = size
    mask = np.zeros((height, width), bool)
    mask[height // 4 : 3 * height // 4, width // 4 : 5 * width // 8] = True
    return mask


TRUTH = truth()


def image(size: tuple[int, int] = SIZE) -> Image.Image:
    """A red thing on blue."""
    pixels = np.empty((size[1], size[0], 3), np.uint8)
    pixels[:] = BLUE
    pixels[truth(size)] = RED
    return Image.fromarray(pixels)


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def gray(values: np.ndarray) -> Image.Image:
    """An image of these numbers."""
    return Image.fromarray(values)


def write_json(path: Path, value: Any) -> Path:
    """A file of JSON; NaN stays as Python writes it."""
    path.write_text(json.dumps(value))
    return path


def rle(mask: np.ndarray = TRUTH) -> dict[str, Any]:
    """Uncompressed COCO RLE, made here and not by the product."""
    flat = mask.ravel(order="F").astype(np.int8)
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *changes.tolist(), flat.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *runs] if flat[0] else runs}


def coco(
    folder: Path,
    annotations: Sequence[dict[str, Any]],
    images: Sequence[Any] | None = None,
    **more: Any,
) -> Path:
    """A file in COCO's layout beside `images/pic.png`; annotations are filled up."""
    (folder / "images").mkdir(exist_ok=True)
    image().save(folder / "images/pic.png")
    entry = {"id": 1, "file_name": "pic.png", "width": WIDTH, "height": HEIGHT}
    blank = {"image_id": 1, "category_id": 1, "iscrowd": 0}
    body = {
        "images": [entry] if images is None else images,
        "annotations": [{"id": at, **blank, **one} for at, one in enumerate(annotations, 1)],
        "categories": [{"id": 1, "name": "thing"}],
        **more,
    }
    return write_json(folder / "coco.json", body)  # fmt: skip


def described(source: object) -> list[Any]:
    """What `finecaption batch` makes of a source before the model: a list of the regions of each
    image, masks or boxes, or [] for a whole image.

    Raises:
        InputError: of the first entry that cannot be used.
    """
    from finecaption.bulk import open_jobs
    from finecaption.bulk.jobs import Bad, load
    from finecaption.errors import InputError
    from finecaption.types import Region

    found: list[Any] = []
    for job in open_jobs([str(source)]):
        if isinstance(job, Bad):
            raise InputError(job.what)
        opened = load(job)
        found.append([r.mask if isinstance(r, Region) else (r.box, tuple(map(tuple, r.points)))
                      for r in opened.regions])  # fmt: skip
    return found
