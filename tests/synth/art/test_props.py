from __future__ import annotations

import io
import itertools
import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
import resvg_py
from PIL import Image

from finecaption_synth.art.core import Drawing, Look
from finecaption_synth.art.props import DRAW
from finecaption_synth.vocabulary import CATEGORIES, PITCHES

HALF, DOWN = 150.0, 50.0  # of the window in which a prop is drawn, in local units


def looks(name: str) -> list[Look]:
    c = CATEGORIES[name]
    out = []
    choices = (c.materials or (None,), c.shapes or (None,), c.states or (None,), PITCHES)
    for i, (material, shape, state, pitch) in enumerate(itertools.product(*choices)):
        colour = c.colours[i % len(c.colours)]
        out.append(
            Look(name, colour, "red", "u7", pitch=pitch, variant=i, material=material,
                 shape=shape, state=state)
        )  # fmt: skip
    return out


def matter(drawing: Drawing) -> np.ndarray:
    """Silhouette (330, 300) bool, a pixel a unit: x from -150 to 150, y from -280 to 50."""
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-HALF} {DOWN - 330} 300 330">'
    svg += f"<defs>{drawing.defs}</defs>{drawing.svg}</svg>"
    tree = ET.fromstring(svg)
    for parent in list(tree.iter()):
        for child in list(parent):
            if child.get("class") == "fx":
                parent.remove(child)
    ET.register_namespace("", "http://www.w3.org/2000/svg")
    text = re.sub(r' opacity="[^"]*"', "", ET.tostring(tree, encoding="unicode"))
    png = resvg_py.svg_to_bytes(svg_string=text, width=300, skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))[..., 3] > 127


def test_every_prop_of_the_vocabulary_is_drawn() -> None:
    assert set(DRAW) == {name for name, c in CATEGORIES.items() if c.group == "prop"}


@pytest.mark.parametrize("name", DRAW)
def test_box_encloses_the_matter(name: str) -> None:
    for look in looks(name):
        drawing = DRAW[name](look)
        ys, xs = np.nonzero(matter(drawing))
        found = (xs.min() - HALF, ys.min() + DOWN - 330, xs.max() + 1 - HALF,
                 ys.max() + 1 + DOWN - 330)  # fmt: skip
        assert found == pytest.approx(drawing.box, abs=3), look


@pytest.mark.parametrize("name", DRAW)
def test_xml_and_ids(name: str) -> None:
    for look in looks(name):
        drawing = DRAW[name](look)
        assert drawing == DRAW[name](look)
        text = f"<svg><defs>{drawing.defs}</defs>{drawing.svg}</svg>"
        ids = [e.get("id") for e in ET.fromstring(text).iter() if e.get("id")]
        assert len(ids) == len(set(ids))
        assert all(i is not None and i.startswith("u7") for i in ids)
        assert set(re.findall(r"url\(#(\w+)\)", text)) <= set(ids)
        assert len(text) < 6000


@pytest.mark.parametrize("name", DRAW)
def test_different_values_look_different(name: str) -> None:
    c = CATEGORIES[name]
    base: dict[str, Any] = {
        "colour": c.colours[0],
        "material": (c.materials or (None,))[0],
        "shape": (c.shapes or (None,))[0],
        "state": (c.states or (None,))[0],
    }
    for field, values in (("colour", c.colours), ("material", c.materials),
                          ("shape", c.shapes), ("state", c.states)):  # fmt: skip
        drawn = set()
        for value in values:
            drawing = DRAW[name](Look(name, accent="red", uid="u1", **{**base, field: value}))
            drawn.add(drawing.svg + drawing.defs)
        assert len(drawn) == len(values), field


@pytest.mark.parametrize("shape", ["round", "square"])
def test_hoop_is_empty_inside(shape: str) -> None:
    drawing = DRAW["hoop"](Look("hoop", "red", "blue", "u1", material="wood", shape=shape))
    x, y = drawing.anchors["inside"]
    solid = matter(drawing)
    row, column = int(y - DOWN + 330), int(x + HALF)
    assert not solid[row - 50 : row + 50, column - 50 : column + 50].any()
    assert solid[row].sum() == pytest.approx(2 * 17, abs=6)  # the frame, cut on both sides


def test_ball_bounces_clear_of_the_ground() -> None:
    resting, bouncing = (
        DRAW["ball"](Look("ball", "red", "blue", "u1", material="wood", state=state))
        for state in ("resting", "bouncing")
    )
    assert resting.box[3] == 0 and 'class="fx"' not in resting.svg
    assert bouncing.box[3] < -25 and 'class="fx"' in bouncing.svg


def test_things_held_have_a_grip_on_their_matter() -> None:
    for name in ("balloon", "umbrella", "book"):
        for look in looks(name):
            drawing = DRAW[name](look)
            x, y = drawing.anchors["grip"]
            row, column = int(y - DOWN + 330), int(x + HALF)
            near = matter(drawing)[row - 3 : row + 4, column - 3 : column + 4]
            assert near.any(), look
