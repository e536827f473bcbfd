"""Masks as base64 of gzipped bytes, uint8 (H, W), as CompositionCap has them."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import zlib

import numpy as np

from finecaption.errors import InputError
from finecaption.io import mask_values
from finecaption.io.geometry import Size, check_size
from finecaption.io.masks import as_mask


def encode_base64_gzip(mask: np.ndarray) -> str:
    """A mask -> base64(gzip(uint8 H x W)), values 0 and 1, rows first; same mask, same bytes."""
    raw = as_mask(mask).astype(np.uint8).tobytes()
    return base64.b64encode(gzip.compress(raw, mtime=0)).decode("ascii")


def decode_base64_gzip(text: str | bytes, size: Size, field: str = "mask") -> np.ndarray:
    """base64(gzip(uint8 H x W)), CompositionCap's form -> bool (H, W); `size` is (width, height).

    Raises:
        InputError: not base64, not gzip, or not exactly H x W bytes.
    """
    width, height = check_size(size)
    try:
        packed = base64.b64decode(text, validate=True)
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            raw = stream.read(width * height + 1)  # one more shows a surplus; a bomb stays packed
    except (binascii.Error, ValueError, TypeError) as error:
        raise InputError(f"{field}: is not base64 text ({error})") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{field}: the base64 text does not hold gzip data ({error})") from error
    if len(raw) != width * height:
        amount = "more" if len(raw) > width * height else f"{len(raw)}"
        raise InputError(
            f"{field}: holds {amount} bytes where {height} x {width} = {width * height} belong; "
            "the image's size does not belong to this mask"
        )
    return mask_values.of_array(np.frombuffer(raw, np.uint8).reshape(height, width), field)
