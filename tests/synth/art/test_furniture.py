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
from finecaption_synth.art.core import Drawing, Look
from finecaption_synth.art.furniture import DRAW

NAMES = ("chair", "table", "lamp", "cabinet")


def looks(name: str) -> list[Look]:
    """Every shape, state, facing and pitch, with colours and materials in turn."""
    c = voc.CATEGORIES[name]
    combos = itertools.product(c.shapes, c.states, c.facings or ("front",), voc.PITCHES)
    return [
        Look(name, c.colours[i % len(c.colours)],
             "white" if i % 11 == 3 else voc.VIVID[(i + 3) % 7], f"u{i}",
             facing=facing, pitch=pitch, variant=i, shape=shape, state=state,
             material=c.materials[i % len(c.materials)])
        for i, (shape, state, facing, pitch) in enumerate(combos)
    ]  # fmt: skip


def matter(drawing: Drawing) -> np.ndarray:
    """Where the drawing has matter: bool (440, 400), local (0, 0) at (200, 360)."""
    root = ET.fromstring(f"<g>{drawing.svg}</g>")

    def flatten(element: ET.Element) -> None:
        for child in list(element):
            if child.get("class") == "fx":
                element.remove(child)
                continue
            child.attrib.pop("opacity", None)
            for key in ("fill", "stroke"):
                if child.get(key, "none") != "none":
                    child.set(key, "#000")
            flatten(child)

    flatten(root)
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="440">'
        f'<defs>{drawing.defs}</defs><g transform="translate(200 360)">'
        f"{ET.tostring(root, encoding='unicode')}</g></svg>"
    )
    data = bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True))
    return np.asarray(Image.open(BytesIO(data)).convert("RGBA"))[..., 3] > 127


@pytest.mark.parametrize("name", NAMES)
def test_box_encloses_matter(name: str) -> None:
    for look in looks(name):
        drawing = DRAW[name](look)
        ys, xs = np.nonzero(matter(drawing))
        seen = (xs.min() - 200, ys.min() - 360, xs.max() + 1 - 200, ys.max() + 1 - 360)
        assert seen == pytest.approx(drawing.box, abs=3), look


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_unique_and_prefixed_and_resolve(name: str) -> None:
    for look in looks(name):
        drawing = DRAW[name](look)
        root = ET.fromstring(f"<g><g>{drawing.defs}</g>{drawing.svg}</g>")
        ids = [e.get("id") for e in root.iter() if e.get("id")]
        assert len(ids) == len(set(ids))
        assert all(str(i).startswith(look.uid) for i in ids)
        assert set(re.findall(r"url\(#(\w+)\)", drawing.svg)) <= set(ids)


@pytest.mark.parametrize("name", NAMES)
def test_every_value_changes_the_picture(name: str) -> None:
    c = voc.CATEGORIES[name]
    facings = c.facings or ("front",)
    combos = itertools.product(
        ("red", "white", "black"), c.materials, c.shapes, c.states, facings, voc.PITCHES
    )
    drawn = []
    for colour, material, shape, state, facing, pitch in combos:
        look = Look(name, colour, "pink", "u1", facing=facing, pitch=pitch, material=material,
                    shape=shape, state=state)  # fmt: skip
        drawing = DRAW[name](look)
        drawn.append(drawing.svg + drawing.defs)
    assert len(drawn) == len(set(drawn))


def test_seat_of_a_chair_lies_inside_it() -> None:
    for look in looks("chair"):
        drawing = DRAW["chair"](look)
        x, y = drawing.anchors["seat"]
        assert drawing.box[0] < x < drawing.box[2]
        assert -110 < y < -40


def test_chair_facing_right_mirrors_left() -> None:
    left, right = (
        DRAW["chair"](Look("chair", "red", "blue", "u1", facing=f, material="wood",
                           shape="round-backed", state="empty"))
        for f in ("left", "right")
    )  # fmt: skip
    assert right.box == (-left.box[2], left.box[1], -left.box[0], left.box[3])
    assert right.anchors["seat"][0] == -left.anchors["seat"][0]


def test_surface_of_a_table_is_matter() -> None:
    for look in looks("table"):
        drawing = DRAW["table"](look)
        mask = matter(drawing)
        (cx, cy), (rx, ry) = drawing.anchors["surface"], drawing.anchors["surface_right"]
        assert cy == ry
        assert cx < rx <= drawing.box[2]
        for t in (-0.9, 0, 0.9):
            assert mask[round(360 + cy), round(200 + rx * t)]


def test_only_a_lamp_that_is_on_glows() -> None:
    for look in looks("lamp"):
        svg = DRAW["lamp"](look).svg
        assert svg.count('data-part="shade"') == 1
        assert ('class="fx"' in svg) == (look.state == "switched on")
