"""Plants: every value draws, stands apart from the others, and lies in its box."""

from __future__ import annotations

import io
import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import resvg_py
from PIL import Image

from finecaption_synth.art.core import Look
from finecaption_synth.art.extent import extent
from finecaption_synth.art.paint import HEX, rgb
from finecaption_synth.art.plants import DRAW, potted
from finecaption_synth.vocabulary import CATEGORIES


def look(category: str, **kw: object) -> Look:
    c = CATEGORIES[category]
    values = dict(category=category, colour=c.colours[0], accent="purple", uid="q1",
                  shape=c.shapes[0], state=c.states[0]) | kw  # fmt: skip
    return Look(**values)  # type: ignore[arg-type]  # values come from the vocabulary


def render(svg: str, defs: str) -> np.ndarray:
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-256 -384 512 512" width="512" '
        f'height="512"><defs>{defs}</defs>{svg}</svg>'
    )
    png = bytes(resvg_py.svg_to_bytes(svg_string=text, skip_system_fonts=True))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


@pytest.mark.parametrize("category", DRAW)
def test_every_value_draws_differs_and_lies_in_its_box(category: str) -> None:
    c = CATEGORIES[category]
    seen = set()
    for shape, state, variant in itertools.product(c.shapes, c.states, (0, 7)):
        d = DRAW[category](look(category, shape=shape, state=state, variant=variant))
        root = ElementTree.fromstring(f"<svg><defs>{d.defs}</defs>{d.svg}</svg>")
        ids = [e.get("id", "") for e in root.iter() if e.get("id")]
        assert len(ids) == len(set(ids)) and all(i.startswith("q1") for i in ids)
        assert all(i in ids for i in re.findall(r"url\(#(\w+)\)", d.svg))
        ys, xs = np.nonzero(render(d.svg, d.defs)[..., 3] > 40)
        box = xs.min() - 256, ys.min() - 384, xs.max() - 255, ys.max() - 383
        assert np.allclose(box, d.box, atol=3), (shape, state, variant)
        assert 80 <= d.box[3] - d.box[1] <= 330
        assert abs(d.box[3]) < 6
        seen.add(d.svg)
    assert len(seen) == len(c.shapes) * len(c.states) * 2


@pytest.mark.parametrize("category", DRAW)
def test_the_main_colour_shows(category: str) -> None:
    c = CATEGORIES[category]
    for shape, state, colour in itertools.product(
        c.shapes, c.states, (c.colours[0], c.colours[-1])
    ):
        d = DRAW[category](look(category, shape=shape, state=state, colour=colour))
        pixels = render(d.svg, d.defs)
        inside = pixels[pixels[..., 3] > 200][:, :3].astype(int)
        near = np.abs(inside - np.array(rgb(HEX[colour]))).max(1) < 40
        least = 0.08 if state == "bare" else 0.2
        assert near.mean() > least, (shape, state, colour, near.mean())


def test_pots_and_grip() -> None:
    assert potted(look("flower", variant=4)) and not potted(look("flower", variant=5))
    assert "#c48a6c" in DRAW["flower"](look("flower", variant=4)).svg
    held = DRAW["flower"](look("flower", variant=5))
    assert "#c48a6c" not in held.svg
    x, y = held.anchors["grip"]
    assert held.box[0] < x < held.box[2] and held.box[1] < y < 0


def test_extent_follows_transforms_and_leaves_light_out() -> None:
    svg = (
        '<g transform="translate(10 5) scale(2)" stroke="#000" stroke-width="1">'
        '<path d="M0 0Q5 10 10 0T20 0H22V-3Z" fill="none"/></g>'
        '<circle class="fx" cx="500" cy="0" r="9" fill="#fff"/>'
    )
    assert extent(svg) == pytest.approx((9, -6, 55, 16), abs=1.1)
    with pytest.raises(ValueError, match="no matter"):
        extent('<g class="fx"><circle r="3" fill="#fff"/></g>')
    with pytest.raises(ValueError, match="path command"):
        extent('<path d="M0 0A5 5 0 0 1 3 3" fill="#fff"/>')
