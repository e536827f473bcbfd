"""Example images: scenes of the synthetic world's test split, rendered on demand."""

from __future__ import annotations

import io
from functools import lru_cache

from finecaption.errors import InputError

EXAMPLES = {
    "park": "A park",
    "room": "A rabbit in a hoop",
    "street": "A street",
}
"""Name -> title."""
_SCENES = {"park": (13, 272), "room": (2, 342), "street": (2, 25)}  # seed, index: examples/make.py
_THUMB = 168


@lru_cache(maxsize=8)
def example(name: str, small: bool = False) -> bytes:
    """An example as PNG bytes, 512 x 512, or as a small JPEG.

    Raises:
        InputError: there is none of that name.
    """
    if name not in EXAMPLES:
        raise InputError(f"example {name[:40]!r}: there is none; choose {', '.join(EXAMPLES)}")
    from PIL import Image

    from finecaption.synth.compose import render_rgb, scene_svg
    from finecaption.synth.scene import sample_scene

    seed, index = _SCENES[name]
    picture = Image.fromarray(render_rgb(scene_svg(sample_scene("test", seed, index))))
    stream = io.BytesIO()
    if small:
        picture.resize((_THUMB, _THUMB), Image.Resampling.LANCZOS).save(stream, "JPEG", quality=88)
    else:
        picture.save(stream, "PNG")
    return stream.getvalue()


__all__ = ["EXAMPLES", "example"]
