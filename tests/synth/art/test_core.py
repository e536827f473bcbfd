from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from finecaption_synth.art.core import attrs, el, group, n, points


@pytest.mark.parametrize(
    "value, text",
    [(1, "1"), (1.5, "1.5"), (2.0, "2"), (0.126, "0.13"), (-0.001, "0"), (-3.10, "-3.1"), (0, "0")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert n(value) == text


def test_attributes_are_named_as_svg_names_them() -> None:
    text = attrs(stroke_width=2, class_="fx", data_part="hat", fill=None, cx=0.5)
    assert text == 'stroke-width="2" class="fx" data-part="hat" cx="0.5"'


def test_elements_nest() -> None:
    svg = group(el("circle", cx=1, r=2.25), group(el("path", d="M0 0")), data_part="hat")
    root = ET.fromstring(svg)
    assert root.tag == "g" and root.get("data-part") == "hat"
    assert [child.tag for child in root] == ["circle", "g"]
    assert root[0].attrib == {"cx": "1", "r": "2.25"}
    assert group() == "<g></g>"


def test_points_are_pairs() -> None:
    assert points((0, 1), (2.5, -3)) == "0,1 2.5,-3"
