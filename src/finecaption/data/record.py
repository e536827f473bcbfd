"""One sample as one JSON object: the line of our own JSONL, and what the stored forms hold.

Keys as the fields of `RegionSample`; `mask` is COCO RLE with a counts string, `size` is given as
`width` and `height`, fields at their default are left out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.types import RegionSample

NEEDED = ("image", "width", "height", "task", "text")
OPTIONAL = (
    "mask",
    "attribute",
    "image_id",
    "region_id",
    "split",
    "source",
    "licence",
    "prompt",
)
_DEFAULTS: dict[str, Any] = {
    name: RegionSample.__dataclass_fields__[name].default for name in OPTIONAL
}


def compact_rle(mask: Mapping[str, Any] | np.ndarray) -> dict[str, Any]:
    """Any mask of a sample -> `{"size": [H, W], "counts": str}`; a counts string is kept as it is.

    Raises:
        InputError: an uncompressed RLE that is broken.
    """
    if isinstance(mask, np.ndarray):
        return masks.encode_rle(mask)
    counts = mask["counts"]
    if isinstance(counts, bytes):
        counts = counts.decode("ascii", "replace")
    if isinstance(counts, str):
        return {"size": [int(side) for side in mask["size"]], "counts": counts}
    return masks.encode_rle(masks.decode_rle(mask))


def to_record(sample: RegionSample, root: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """A sample -> its JSON object.

    Args:
        sample: its image must be a file.
        root: folder that the path of the image is written relative to, with forward slashes.

    Raises:
        InputError: the image is an array.
    """
    if isinstance(sample.image, np.ndarray):
        raise InputError("image: is an array; save it as a file first, a record holds its path")
    image = str(sample.image)
    if root is not None:
        image = Path(os.path.relpath(image, root)).as_posix()
    record: dict[str, Any] = {
        "image": image,
        "width": sample.size[0],
        "height": sample.size[1],
        "task": sample.task,
        "text": sample.text,
    }
    for name in OPTIONAL:
        value = getattr(sample, name)
        if name == "mask" and value is not None:
            record[name] = compact_rle(value)
        elif value != _DEFAULTS[name]:
            record[name] = value
    return record


def from_record(record: Any, root: str | os.PathLike[str] | None = None) -> RegionSample:
    """The inverse of `to_record`.

    Raises:
        InputError: a field is missing, unknown or wrong, by name.
    """
    if not isinstance(record, Mapping):
        raise InputError(f"record must be a JSON object; got {type(record).__name__}")
    unknown = sorted(set(record) - {*NEEDED, *OPTIONAL})
    missing = [name for name in NEEDED if name not in record]
    if missing:
        raise InputError(f"{missing[0]}: is missing; a record needs {', '.join(NEEDED)}")
    if unknown:
        raise InputError(
            f"{unknown[0]}: is not a field of a record; the fields are "
            f"{', '.join((*NEEDED, *OPTIONAL))}"
        )
    image = record["image"]
    if not isinstance(image, str) or not image:
        raise InputError(f"image: must be the path of an image; got {image!r}")
    fields = {name: record[name] for name in OPTIONAL if record.get(name) is not None}
    for name, value in fields.items():
        if name != "mask" and not isinstance(value, str):
            raise InputError(f"{name}: must be text; got {value!r}")
    return RegionSample(
        image=image if root is None else str(Path(root) / image),
        size=(record["width"], record["height"]),
        task=record["task"],
        text=record["text"],
        **fields,
    )
