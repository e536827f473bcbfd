"""Vehicles: every look draws, boxes fit, values show."""

from __future__ import annotations

import io
import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import resvg_py
from PIL import Image

from finecaption_synth.art.core import Drawing, Look
from finecaption_synth.art.paint import HEX
from finecaption_synth.art.vehicles import DRAW
from finecaption_synth.sizes import pixels
from finecaption_synth.vocabulary import CATEGORIES, PITCHES

PAD = 20


def looks(name: str) -> list[Look]:
    """Every facing, shape, material and state; pitch, colours, words and variants in turn."""
    category = CATEGORIES[name]
    out = []
    for i, (facing, shape, material, state) in enumerate(
        itertools.product(
            category.facings or ("front",),
            category.shapes or (None,),
            category.materials,
            category.states,
        )
    ):
        pitch = PITCHES[(i + i // 2) % 2]
        colour = category.colours[i % len(category.colours)]
        accent = category.colours[(i + 1) % len(category.colours)]
        text = ("BOOKS", None, "ZOO")[i % 3] if category.text else None
        out.append(
            Look(
                name,
                colour,
                accent,
                f"e{i}",
                facing,
                pitch,
                0.8,
                i,
                material=material,
                shape=shape,
                state=state,
                text=text,
            )
        )
    return out


def document(drawing: Drawing, flat: bool) -> str:
    """The figure alone on a canvas as large as its box and a margin; flat: its matter in black."""
    x0, y0, x1, y1 = drawing.box
    view = f"{x0 - PAD} {y0 - PAD} {x1 - x0 + 2 * PAD} {y1 - y0 + 2 * PAD}"
    root = ET.fromstring(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}">'
        f"<defs>{drawing.defs}</defs>{drawing.svg}</svg>"
    )
    if flat:
        for parent in list(root.iter()):
            for child in list(parent):
                if child.get("class") == "fx":
                    parent.remove(child)
        for element in root.iter():
            element.attrib.pop("opacity", None)
            for key in ("fill", "stroke"):
                if element.get(key, "none") != "none":
                    element.set(key, "#000000")
    return ET.tostring(root, encoding="unicode")


def rendered(drawing: Drawing, flat: bool = False) -> np.ndarray:
    """RGBA, uint8, one pixel a local unit."""
    width = round(drawing.box[2] - drawing.box[0] + 2 * PAD)
    png = resvg_py.svg_to_bytes(
        svg_string=document(drawing, flat), width=width, skip_system_fonts=True
    )
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))


@pytest.mark.parametrize("name", DRAW)
def test_draws_every_look(name: str) -> None:
    seen = set()
    for look in looks(name):
        drawing = DRAW[name](look)
        document(drawing, flat=False)  # parses as XML
        ids = re.findall(r'\bid="([^"]+)"', drawing.defs + drawing.svg)
        assert len(ids) == len(set(ids))
        assert all(i.startswith(look.uid) for i in ids)
        assert set(re.findall(r"url\(#([^)]+)\)", drawing.svg)) <= set(ids)
        assert "style=" not in drawing.svg and "<text" not in drawing.svg
        assert len(drawing.svg) + len(drawing.defs) < 8000
        seen.add(drawing.svg)
    assert len(seen) == len(looks(name))


@pytest.mark.parametrize("name", DRAW)
def test_box_encloses_the_matter(name: str) -> None:
    for look in looks(name):
        drawing = DRAW[name](look)
        alpha = rendered(drawing, flat=True)[..., 3] > 127
        ys, xs = np.nonzero(alpha)
        x0, y0, x1, y1 = drawing.box
        found = (xs.min() + x0 - PAD, ys.min() + y0 - PAD,
                 xs.max() + 1 + x0 - PAD, ys.max() + 1 + y0 - PAD)  # fmt: skip
        assert np.abs(np.subtract(found, drawing.box)).max() <= 3, (look, found)
        assert 120 <= y1 - y0 <= 175


@pytest.mark.parametrize("name", DRAW)
def test_each_value_shows(name: str) -> None:
    category = CATEGORIES[name]
    base = looks(name)[0]
    for field, values in (
        ("colour", category.colours),
        ("material", category.materials),
        ("shape", category.shapes),
        ("state", category.states),
        ("facing", category.facings),
    ):
        pictures = [
            rendered(DRAW[name](Look(**{**vars(base), field: value}))).tobytes() for value in values
        ]
        assert len(pictures) == len(set(pictures)), field


def near(picture: np.ndarray, colour: str, within: float) -> int:
    """Opaque pixels whose RGB is within a distance of a colour."""
    rgb = np.array([int(HEX.get(colour, colour).lstrip("#")[i : i + 2], 16) for i in (0, 2, 4)])
    distance = np.linalg.norm(picture[..., :3].astype(float) - rgb, axis=-1)
    return int(((distance < within) & (picture[..., 3] > 250)).sum())


def test_parts_and_words() -> None:
    for name, draw in DRAW.items():
        for look in looks(name):
            svg = draw(look).svg
            assert ('data-part="wheels"' in svg) == (name != "boat")
            assert ('class="fx"' in svg) == (look.state == "moving")


@pytest.mark.parametrize("facing", ["front", "left", "right"])
def test_the_bus_word_is_large_and_unmirrored(facing: str) -> None:
    def bus(text: str | None) -> np.ndarray:
        return rendered(
            DRAW["bus"](
                Look(
                    "bus",
                    "green",
                    "red",
                    "e",
                    facing,
                    shape="boxy",
                    material="metal",
                    state="parked",
                    text=text,
                )
            )
        )

    plain, word, other = bus(None), bus("BOOKS"), bus("ZOO")
    assert (word != other).any()
    ink = (plain != word).any(axis=-1) & (word[..., :3].sum(axis=-1) < 260)
    rows = np.nonzero(ink.any(axis=1))[0]
    # capitals of 16 pixels on a canvas of 512 at the least height, strokes and board included
    least = pixels(0.92 * CATEGORIES["bus"].size, 0.0) / 170
    assert (rows.max() - rows.min()) * least >= 20


def test_the_bus_word_is_not_mirrored() -> None:
    boards = []
    for facing, cx in (("left", 30), ("right", -30)):
        drawing = DRAW["bus"](
            Look(
                "bus",
                "green",
                "red",
                "e",
                facing,
                shape="rounded",
                material="wood",
                state="parked",
                text="BOOKS",
            )
        )
        left, top = round(cx - drawing.box[0]) + PAD, -77 + 170 + PAD
        boards.append(rendered(drawing)[top - 14 : top + 15, left - 60 : left + 60])
    assert np.array_equal(*boards)
    assert not np.array_equal(boards[0], boards[0][:, ::-1])


def test_sail_fills_the_sky_above_the_hull() -> None:
    for shape, facing in itertools.product(CATEGORIES["boat"].shapes, ("left", "right")):
        areas = [
            (
                rendered(
                    DRAW["boat"](
                        Look(
                            "boat",
                            "red",
                            "blue",
                            "e",
                            facing,
                            material="wood",
                            shape=shape,
                            state=state,
                        )
                    ),
                    flat=True,
                )[:110, :, 3]
                > 127
            ).sum()
            for state in CATEGORIES["boat"].states
        ]
        assert areas[0] > 2 * areas[1]
