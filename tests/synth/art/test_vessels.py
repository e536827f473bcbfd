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
from finecaption_synth.art.vessels import DRAW

NAMES = ("vase", "cup", "bottle", "bowl")


def looks(name: str) -> list[Look]:
    """Every shape, state and pitch, with colours and materials in turn."""
    c = voc.CATEGORIES[name]
    out = []
    for i, (shape, state, pitch) in enumerate(itertools.product(c.shapes, c.states, voc.PITCHES)):
        colour = c.colours[i % len(c.colours)]
        out.append(
            Look(name, colour, voc.VIVID[(i + 3) % 7] if i % 11 != 3 else "white", f"u{i}",
                 pitch=pitch, variant=i, material=c.materials[i % len(c.materials)],
                 shape=shape, state=state)
        )  # fmt: skip
    return out


def matter(drawing: Drawing) -> np.ndarray:
    """Where the drawing has matter: bool (400, 400), local (0, 0) at (200, 300)."""
    root = ET.fromstring(f"<g>{drawing.svg}</g>")

    def flatten(element: ET.Element) -> None:
        for child in list(element):
            if child.get("class") == "fx":
                element.remove(child)
                continue
            for key in ("opacity", "fill-opacity", "stroke-opacity"):
                child.attrib.pop(key, None)
            for key in ("fill", "stroke"):
                if child.get(key, "none") != "none":
                    child.set(key, "#000")
            flatten(child)

    flatten(root)
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="400">'
        f'<defs>{drawing.defs}</defs><g transform="translate(200 300)">'
        f"{ET.tostring(root, encoding='unicode')}</g></svg>"
    )
    data = bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True))
    return np.asarray(Image.open(BytesIO(data)).convert("RGBA"))[..., 3] > 127


@pytest.mark.parametrize("name", NAMES)
def test_box_encloses_matter(name: str) -> None:
    for look in looks(name):
        drawing = DRAW[name](look)
        ys, xs = np.nonzero(matter(drawing))
        seen = (xs.min() - 200, ys.min() - 300, xs.max() + 1 - 200, ys.max() + 1 - 300)
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
    drawn = {
        DRAW[name](Look(name, col, "pink", "u1", material=m, shape=s, state=t, pitch=p)).svg
        + DRAW[name](Look(name, col, "pink", "u1", material=m, shape=s, state=t, pitch=p)).defs
        for col, m, s, t, p in itertools.product(
            ("red", "white", "black"), c.materials, c.shapes, c.states, voc.PITCHES
        )
    }
    assert len(drawn) == 3 * len(c.materials) * len(c.shapes) * len(c.states) * 2


@pytest.mark.parametrize("name", NAMES)
def test_all_vessels_can_be_held_and_filled(name: str) -> None:
    for look in looks(name):
        drawing = DRAW[name](look)
        x0, y0, x1, y1 = drawing.box
        for anchor in ("grip", "inside"):
            x, y = drawing.anchors[anchor]
            assert x0 <= x <= x1
            assert y0 <= y <= y1


def test_flowers_are_a_part_only_of_a_filled_vase() -> None:
    for look in looks("vase"):
        assert ('data-part="flowers"' in DRAW["vase"](look).svg) == (look.state != "empty")


def test_steam_is_light_not_matter() -> None:
    for look in looks("cup"):
        assert ('class="fx"' in DRAW["cup"](look).svg) == (look.state == "steaming")
