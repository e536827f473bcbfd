"""Example images: scenes of the synthetic world's test split, as files beside this one."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

from finecaption.errors import InputError

EXAMPLES = {
    "park": "A park",
    "room": "A rabbit in a hoop",
    "street": "A street",
}
"""Name -> title."""
_FOLDER = Path(__file__).parent / "examples"  # copies of examples/*.png, made by examples/make.py
_THUMB = 168


@lru_cache(maxsize=8)
def example(name: str, small: bool = False) -> bytes:
    """An example as PNG bytes, 512 x 512, or as a small JPEG.

    Raises:
        InputError: there is none of that name.
    """
    if name not in EXAMPLES:
        raise InputError(f"example {name[:40]!r}: there is none; choose {', '.join(EXAMPLES)}")
    file = _FOLDER / f"{name}.png"
    if not small:
        return file.read_bytes()
    from PIL import Image

    stream = io.BytesIO()
    with Image.open(file) as image:
        thumbnail = image.convert("RGB").resize((_THUMB, _THUMB), Image.Resampling.LANCZOS)
    thumbnail.save(stream, "JPEG", quality=88)
    return stream.getvalue()


__all__ = ["EXAMPLES", "example"]
