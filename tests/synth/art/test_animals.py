"""Animals: every value draws, stands apart from the others, and lies in its box."""

from __future__ import annotations

import io
import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import resvg_py
from PIL import Image

from finecaption_synth.art.animals import DRAW
from finecaption_synth.art.core import Drawing, Look
from finecaption_synth.vocabulary import (
    ANIMAL_BUILDS,
    ANIMAL_COLOURS,
    ANIMAL_POSES,
    CATEGORIES,
    COATS,
)

STATES = ("awake", "sleeping", "eating")


def look(category: str, **kw: object) -> Look:
    values = dict(
        category=category, colour="grey", accent="red", uid="q1", facing="left", pose="standing",
        build="slim", state="awake", coat="plain",
    ) | kw  # fmt: skip
    return Look(**values)  # type: ignore[arg-type]  # values come from the vocabulary


def matter(drawing: Drawing) -> tuple[float, float, float, float]:
    """The box of the rendered silhouette, light left out, in local units."""
    root = ElementTree.fromstring(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-256 -384 512 512" width="512" '
        f'height="512"><defs>{drawing.defs}</defs>{drawing.svg}</svg>'
    )
    for parent in list(root.iter()):
        for child in list(parent):
            if child.get("class") == "fx":
                parent.remove(child)
    text = ElementTree.tostring(root, encoding="unicode")
    text = re.sub(r"(</?)ns0:", r"\1", text).replace("xmlns:ns0", "xmlns")
    png = bytes(resvg_py.svg_to_bytes(svg_string=text, skip_system_fonts=True))
    ys, xs = np.nonzero(np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[..., 3] > 40)
    return xs.min() - 256, ys.min() - 384, xs.max() - 255, ys.max() - 383


@pytest.mark.parametrize("category", DRAW)
def test_every_value_draws_and_differs(category: str) -> None:
    seen = set()
    facings = CATEGORIES[category].facings
    for facing, pose, build, state, coat in itertools.product(
        facings, ANIMAL_POSES, ANIMAL_BUILDS, STATES, COATS
    ):
        d = DRAW[category](
            look(category, facing=facing, pose=pose, build=build, state=state, coat=coat)
        )
        root = ElementTree.fromstring(f"<svg><defs>{d.defs}</defs>{d.svg}</svg>")
        ids = [e.get("id", "") for e in root.iter() if e.get("id")]
        assert len(ids) == len(set(ids)) and all(i.startswith("q1") for i in ids)
        assert all(i in ids for i in re.findall(r"url\(#(\w+)\)", d.svg))
        assert {"seat", "neck"} <= set(d.anchors)
        assert abs(d.box[3]) < 8, "stands on the ground"
        seen.add(d.svg + d.defs)
    assert len(seen) == len(facings) * 3 * 2 * 3 * 3


@pytest.mark.parametrize("category", DRAW)
@pytest.mark.parametrize("pose", ANIMAL_POSES)
def test_box_encloses_matter(category: str, pose: str) -> None:
    for facing, state in itertools.product(CATEGORIES[category].facings, STATES):
        d = DRAW[category](look(category, facing=facing, pose=pose, state=state, build="plump"))
        assert np.allclose(matter(d), d.box, atol=3), (facing, state)


@pytest.mark.parametrize("category", DRAW)
def test_standing_height_is_nominal_and_left_mirrors_right(category: str) -> None:
    left = DRAW[category](look(category))
    right = DRAW[category](look(category, facing="right"))
    nominal = {"cat": 110, "dog": 130, "rabbit": 110, "horse": 210}[category]
    assert abs(left.box[3] - left.box[1] - nominal) <= 25
    assert left.box[0] == pytest.approx(-right.box[2])
    assert left.anchors["head"][0] < 0 < right.anchors["head"][0]


@pytest.mark.parametrize("category", DRAW)
def test_colours_differ_and_only_sleepers_have_light(category: str) -> None:
    assert len({DRAW[category](look(category, colour=c)).svg for c in ANIMAL_COLOURS}) == 5
    for state in STATES:
        has_light = 'class="fx"' in DRAW[category](look(category, state=state)).svg
        assert has_light == (state == "sleeping")
