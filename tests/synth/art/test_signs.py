from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from io import BytesIO

import numpy as np
import pytest
import resvg_py
from PIL import Image

from finecaption_synth import vocabulary as voc
from finecaption_synth.art import signs
from finecaption_synth.art.core import Drawing, Look
from finecaption_synth.sizes import pixels

SIGN = voc.CATEGORIES["sign"]


def looks() -> list[Look]:
    combos = itertools.product(SIGN.shapes, SIGN.states, voc.PITCHES, SIGN.materials)
    return [
        Look("sign", SIGN.colours[i % 11], "pink", f"u{i}", pitch=pitch, shape=shape, state=state,
             material=material, text=None if i % 7 == 6 else voc.WORDS[i % len(voc.WORDS)])
        for i, (shape, state, pitch, material) in enumerate(combos)
    ]  # fmt: skip


def extent(drawing: Drawing) -> tuple[int, int, int, int]:
    """xyxy of the opaque pixels in local units."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="400">'
        f'<defs>{drawing.defs}</defs><g transform="translate(200 300)">{drawing.svg}</g></svg>'
    )
    data = bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True))
    ys, xs = np.nonzero(np.asarray(Image.open(BytesIO(data)).convert("RGBA"))[..., 3] > 127)
    return xs.min() - 200, ys.min() - 300, xs.max() + 1 - 200, ys.max() + 1 - 300


def test_box_encloses_matter() -> None:
    for look in looks():
        drawing = signs.DRAW["sign"](look)
        assert extent(drawing) == pytest.approx(drawing.box, abs=3), look


def test_ids_are_unique_and_prefixed_and_resolve() -> None:
    for look in looks():
        drawing = signs.DRAW["sign"](look)
        root = ET.fromstring(f"<g><g>{drawing.defs}</g>{drawing.svg}</g>")
        ids = [e.get("id") for e in root.iter() if e.get("id")]
        assert len(ids) == len(set(ids))
        assert all(str(i).startswith(look.uid) for i in ids)
        assert set(re.findall(r"url\(#(\w+)\)", drawing.svg)) <= set(ids)


def test_every_value_changes_the_picture() -> None:
    drawn = []
    combos = itertools.product(SIGN.shapes, SIGN.states, voc.PITCHES, SIGN.materials, voc.WORDS)
    for shape, state, pitch, material, text in combos:
        look = Look("sign", "red", "pink", "u1", pitch=pitch, shape=shape, state=state,
                    material=material, text=text)  # fmt: skip
        drawing = signs.DRAW["sign"](look)
        drawn.append(drawing.svg + drawing.defs)
    assert len(drawn) == len(set(drawn))


@pytest.mark.parametrize("shape", SIGN.shapes)
def test_letters_are_15_pixels_high_on_the_smallest_sign(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heights = []

    def note(word: str, cx: float, cy: float, height: float, *args: object, **kw: object) -> str:
        heights.append(height)
        return ""

    monkeypatch.setattr(signs, "lettering", note)
    for text, pitch in itertools.product(voc.WORDS, voc.PITCHES):
        look = Look("sign", "red", "pink", "u1", pitch=pitch, shape=shape, state="clean",
                    material="wood", text=text)  # fmt: skip
        drawing = signs.DRAW["sign"](look)
        scale = pixels(0.92 * SIGN.size, 0.02) / (drawing.box[3] - drawing.box[1])
        assert heights.pop() * scale >= 15
