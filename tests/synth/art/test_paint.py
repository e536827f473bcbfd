from __future__ import annotations

import io
import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import resvg_py
from PIL import Image

from finecaption_synth import vocabulary as voc
from finecaption_synth.art.core import el, group
from finecaption_synth.art.paint import HAIR, HEX, SKIN, mix, paint, rgb, saturate, shade


def picture(inner: str, defs: str, size: int = 96) -> np.ndarray:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}">'
        f"<defs>{defs}</defs>{inner}</svg>"
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, background="#000000", skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def swatch(material: str | None, colour: str, scale: float = 1.0) -> np.ndarray:
    """A surface of 96 canvas pixels, drawn in local units of ``scale`` pixels."""
    fill, defs = paint(material, colour, "u", scale)
    side = 96 / scale
    return picture(
        group(el("rect", width=side, height=side, fill=fill), transform=f"scale({scale})"), defs
    )


def test_every_value_has_a_colour() -> None:
    assert set(HEX) == set(voc.COLOURS)
    assert set(SKIN) == set(voc.SKIN_TONES)
    assert set(HAIR) == set(voc.HAIR_COLOURS)


def test_mixing_goes_from_one_colour_to_the_other() -> None:
    assert mix("#102030", "#506070", 0) == "#102030"
    assert mix("#102030", "#506070", 1) == "#506070"
    assert mix("#102030", "#506070", 0.5) == "#304050"
    assert rgb("red") == rgb(HEX["red"]) == (0xD8, 0x39, 0x2F)


@pytest.mark.parametrize("colour", HEX)
def test_shades_get_darker_and_lights_lighter(colour: str) -> None:
    sums = [sum(rgb(shade(colour, t))) for t in (0.6, 0.3, 0, -0.3, -0.6)]
    assert sums == sorted(sums) and len(set(sums)) == 5


def test_saturation_is_multiplied() -> None:
    def spread(colour: str) -> int:
        return max(rgb(colour)) - min(rgb(colour))

    assert spread(saturate("#a06060", 2)) > spread("#a06060") > spread(saturate("#a06060", 0.5))
    assert saturate("#a06060", 0) == "#808080"


@pytest.mark.parametrize("material", [*voc.MATERIALS, None], ids=str)
def test_a_fill_has_the_definitions_that_it_needs(material: str | None) -> None:
    fill, defs = paint(material, "blue", "u3x", 1.7)
    (node,) = ET.fromstring(f"<defs>{defs}</defs>")
    assert fill == f"url(#{node.get('id')})" and node.get("id", "").startswith("u3x")


@pytest.mark.parametrize("colour", HEX)
def test_a_painted_surface_has_the_colour_of_its_name(colour: str) -> None:
    seen = swatch(None, colour).mean((0, 1))
    assert min(HEX, key=lambda name: np.abs(seen - rgb(name)).sum()) == colour


@pytest.mark.parametrize("colour", HEX)
def test_materials_of_one_colour_look_different(colour: str) -> None:
    swatches = {m: swatch(m, colour) for m in voc.MATERIALS}
    for a, b in itertools.combinations(voc.MATERIALS, 2):
        assert np.abs(swatches[a] - swatches[b]).mean() > 8, (a, b)
    for material, seen in swatches.items():
        assert seen.std((0, 1)).max() > 8, material


@pytest.mark.parametrize("material", ["wood", "fabric", "stone", "brick", "wicker"])
def test_the_pitch_of_a_texture_does_not_depend_on_the_size(material: str) -> None:
    assert np.abs(swatch(material, "red", 2.5) - swatch(material, "red")).mean() < 6
    fill, defs = paint(material, "red", "u", 1.0)
    wrong = picture(group(el("rect", width=40, height=40, fill=fill), transform="scale(2.5)"), defs)
    assert np.abs(wrong - swatch(material, "red")).mean() > 12
