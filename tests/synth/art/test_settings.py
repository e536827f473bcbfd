from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import resvg_py
from PIL import Image

from finecaption_synth.art.settings import HORIZON, SETTINGS, SIZE
from finecaption_synth.vocabulary import INDOOR, OUTDOOR, PITCHES

CASES = [(name, pitch) for name in SETTINGS for pitch in PITCHES]


def document(name: str, pitch: str, variant: int) -> str:
    backdrop = SETTINGS[name](pitch, variant)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}">'
        f"<defs>{backdrop.defs}</defs>{backdrop.svg}</svg>"
    )


def picture(name: str, pitch: str, variant: int) -> np.ndarray:
    png = resvg_py.svg_to_bytes(
        svg_string=document(name, pitch, variant), width=128, skip_system_fonts=True
    )
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))


def test_every_setting_of_the_vocabulary_is_drawn() -> None:
    assert set(SETTINGS) == set(OUTDOOR + INDOOR)
    assert set(HORIZON) == set(PITCHES)


@pytest.mark.parametrize(("name", "pitch"), CASES)
def test_backdrop_is_opaque_pale_and_full_bleed(name: str, pitch: str) -> None:
    pixels = picture(name, pitch, 3)
    assert pixels.shape == (128, 128, 4)
    assert pixels[..., 3].min() == 255
    luma = pixels[..., :3].mean(axis=-1)
    assert np.percentile(luma, 2) > 130  # pale: figures with dark outlines stand out
    assert luma.std() < 40


@pytest.mark.parametrize(("name", "pitch"), CASES)
def test_backdrop_is_pure_and_varies(name: str, pitch: str) -> None:
    drawn = [SETTINGS[name](pitch, variant) for variant in range(40)]
    assert drawn[7] == SETTINGS[name](pitch, 7)
    assert len({backdrop.defs for backdrop in drawn}) >= 4  # palettes
    assert len({round(backdrop.ground[0]) for backdrop in drawn}) > 20  # horizons
    assert max(len(b.svg) + len(b.defs) for b in drawn) < 9000


@pytest.mark.parametrize(("name", "pitch"), CASES)
def test_ids_are_unique_prefixed_and_defined(name: str, pitch: str) -> None:
    text = document(name, pitch, 11)
    ids = [e.get("id") for e in ET.fromstring(text).iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert all(i is not None and i.startswith("bg") for i in ids)
    assert set(part.split(")")[0] for part in text.split("url(#")[1:]) <= set(ids)


@pytest.mark.parametrize(("name", "pitch"), CASES)
def test_zones_lie_below_each_other(name: str, pitch: str) -> None:
    for variant in range(40):
        backdrop = SETTINGS[name](pitch, variant)
        far, near = backdrop.ground
        assert 80 < backdrop.limit <= far + 6 and far + 120 < near < SIZE
        if backdrop.road:
            assert far <= backdrop.road[0] < backdrop.road[1] < near
        if backdrop.water:
            assert 80 < backdrop.water[0] < backdrop.water[1] < backdrop.limit


def test_roads_and_water_are_where_one_expects_them() -> None:
    roads = {n: sum(SETTINGS[n]("eye level", v).road is not None for v in range(40))
             for n in SETTINGS}  # fmt: skip
    assert roads["street"] == 40
    assert 5 < roads["snow"] < roads["meadow"] < 35
    assert {n for n, k in roads.items() if k} == {"street", "snow", "meadow"}
    assert {n for n in SETTINGS if SETTINGS[n]("eye level", 0).water} == {"beach"}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_two_pitches_look_different(name: str) -> None:
    low, high = (picture(name, pitch, 5)[..., :3].astype(float) for pitch in PITCHES)
    assert np.abs(low - high).mean() > 4
