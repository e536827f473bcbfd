from __future__ import annotations

import io
import math
import random
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
import resvg_py
from PIL import Image

from finecaption_synth import vocabulary as voc
from finecaption_synth.art.arms import mouth_of, mug_at
from finecaption_synth.art.core import Drawing, Look
from finecaption_synth.art.pen import Pen, scaled, symmetric, tokens_of
from finecaption_synth.art.people import DRAW, frame_of

CATEGORIES = ("man", "woman", "boy", "girl")
PLAIN = Look(
    category="man", colour="blue", accent="orange", uid="u7", pose="standing", build="average",
    expression="happy", skin="tan", skin_texture="smooth", hair_style="short",
    hair_colour="brown", garment="coat", shoes="boots", accessory="no accessories", age="adult",
    state="idle",
)  # fmt: skip


def plain(category: str) -> Look:
    age = "child" if category in ("boy", "girl") else "adult"
    return replace(PLAIN, category=category, age=age)


def draw(look: Look) -> Drawing:
    return DRAW[look.category](look)


def random_look(rng: random.Random) -> Look:
    category = rng.choice(CATEGORIES)
    age = "child" if category in ("boy", "girl") else rng.choice(("adult", "elderly"))
    state = rng.choice(("idle", "idle", "reading", "drinking", "sleeping"))
    colour, accent = rng.sample(voc.COLOURS, 2)
    return Look(
        category=category, colour=colour, accent=accent, uid="u7", facing=rng.choice(voc.FACINGS),
        pitch=rng.choice(voc.PITCHES), variant=rng.randrange(2**31), state=state, age=age,
        pose=rng.choice(voc.POSES if state == "idle" else voc.POSES[:2]),
        build=rng.choice(voc.BUILDS), expression=rng.choice(voc.EXPRESSIONS),
        skin=rng.choice(voc.SKIN_TONES), hair_style=rng.choice(voc.HAIR_STYLES),
        skin_texture="wrinkled" if age == "elderly" else rng.choice(("smooth", "freckled")),
        hair_colour="grey" if age == "elderly" else rng.choice(voc.HAIR_COLOURS[:4]),
        garment=rng.choice(voc.GARMENTS), shoes=rng.choice(voc.SHOES),
        accessory=rng.choice(voc.ACCESSORIES),
    )  # fmt: skip


def document(drawing: Drawing, size: float = 1.0) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-200 -360 400 380" '
        f'width="{400 * size}" height="{380 * size}"><defs>{drawing.defs}</defs>{drawing.svg}</svg>'
    )


def without_light(svg: str) -> str:
    root = ET.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.get("class") == "fx":
                parent.remove(child)
    return ET.tostring(root, encoding="unicode")


def pixels(svg: str) -> np.ndarray:
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


@pytest.mark.parametrize("seed", range(24))
def test_the_box_encloses_the_matter_and_touches_it(seed: int) -> None:
    drawing = draw(random_look(random.Random(seed)))
    alpha = pixels(without_light(document(drawing)))[..., 3] > 40
    ys, xs = np.nonzero(alpha)
    seen = (xs.min() - 200, ys.min() - 360, xs.max() + 1 - 200, ys.max() + 1 - 360)
    assert np.abs(np.array(seen) - np.array(drawing.box)).max() <= 3, (seen, drawing.box)
    assert abs(drawing.box[3]) <= 4


def test_many_people_are_well_formed_with_prefixed_ids_and_reasonable_size() -> None:
    rng = random.Random(3)
    for _ in range(250):
        look = random_look(rng)
        drawing = draw(look)
        ET.fromstring(document(drawing))
        ids = re.findall(r'\bid="([^"]*)"', drawing.svg + drawing.defs)
        assert len(ids) == len(set(ids))
        assert all(i.startswith("u7") for i in ids)
        used = re.findall(r"url\(#([^)]*)\)", drawing.svg + drawing.defs)
        assert set(used) <= set(ids)
        assert "<use" not in drawing.svg and "style=" not in drawing.svg
        assert len(drawing.svg) + len(drawing.defs) < 9500
        x0, y0, x1, y1 = drawing.box
        assert {"hand", "seat", "head_top", "chest"} <= set(drawing.anchors)
        for x, y in drawing.anchors.values():
            assert x0 - 2 <= x <= x1 + 2 and y0 - 12 <= y <= y1
        assert draw(look) == drawing


FIELDS = [
    ("pose", voc.POSES), ("build", voc.BUILDS), ("expression", voc.EXPRESSIONS),
    ("skin", voc.SKIN_TONES), ("skin_texture", ("smooth", "freckled")),
    ("hair_style", voc.HAIR_STYLES), ("hair_colour", voc.HAIR_COLOURS),
    ("garment", voc.GARMENTS), ("shoes", voc.SHOES), ("accessory", voc.ACCESSORIES),
    ("facing", voc.FACINGS), ("state", ("idle", "reading", "drinking", "sleeping")),
    ("colour", voc.COLOURS),
]  # fmt: skip


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize(("field", "values"), FIELDS)
def test_every_value_can_be_told_apart(field: str, values: tuple[str, ...], category: str) -> None:
    pictures = [
        pixels(document(draw(replace(plain(category), **{field: v})), 0.5)).astype(int)
        for v in values
    ]
    for i, a in enumerate(pictures):
        for b in pictures[:i]:
            assert (np.abs(a - b).max(axis=-1) > 45).sum() > 20


@pytest.mark.parametrize("facing", voc.FACINGS)
def test_categories_and_ages_differ_from_every_side(facing: str) -> None:
    looks = [replace(plain(c), facing=facing) for c in CATEGORIES]
    looks += [
        replace(look, age="elderly", skin_texture="wrinkled", hair_colour="grey")
        for look in looks[:2]
    ]
    pictures = [pixels(document(draw(look), 0.5)).astype(int) for look in looks]
    for i, a in enumerate(pictures):
        for b in pictures[:i]:
            assert (np.abs(a - b).max(axis=-1) > 60).sum() > 100


@pytest.mark.parametrize("accessory", ["hat", "scarf", "bag"])
@pytest.mark.parametrize("facing", voc.FACINGS)
def test_parts_are_marked(accessory: str, facing: str) -> None:
    for category in CATEGORIES:
        svg = draw(replace(plain(category), accessory=accessory, facing=facing)).svg
        assert set(re.findall(r'data-part="([^"]*)"', svg)) == {accessory}
    assert "data-part" not in draw(replace(PLAIN, accessory="glasses", facing=facing)).svg


def test_the_garments_colour_leads_the_clothed_body() -> None:
    for colour, hue in (("red", (216, 57, 47)), ("green", (79, 154, 72))):
        for garment in voc.GARMENTS:
            image = pixels(document(draw(replace(PLAIN, colour=colour, garment=garment))))
            body = image[172:340]  # below the shoulders
            matter = body[..., 3] > 200
            near = np.abs(body[..., :3].astype(int) - hue).max(axis=-1) < 50
            assert (near & matter).sum() > 0.3 * matter.sum(), (colour, garment)


def test_left_is_the_mirror_image_of_right() -> None:
    right = draw(replace(PLAIN, facing="right"))
    left = draw(replace(PLAIN, facing="left"))
    assert left.box == (-right.box[2], right.box[1], -right.box[0], right.box[3])
    assert left.anchors["hand"] == (-right.anchors["hand"][0], right.anchors["hand"][1])
    assert right.anchors["hand"][0] > 0


def test_faces_are_hidden_from_behind() -> None:
    svgs = {
        draw(replace(PLAIN, facing="back", expression=e, skin_texture=t)).svg
        for e in voc.EXPRESSIONS
        for t in ("smooth", "freckled")
    }
    assert len(svgs) == 1


def test_heights_and_sitting() -> None:
    heights = {c: -draw(plain(c)).box[1] for c in CATEGORIES}
    assert all(270 <= heights[c] <= 300 for c in ("man", "woman"))
    assert all(190 <= heights[c] <= 225 for c in ("boy", "girl"))
    for category in CATEGORIES:
        sitting = draw(replace(plain(category), pose="sitting"))
        assert -sitting.box[1] < heights[category] - 15
        assert -70 < sitting.anchors["seat"][1] < -20


def test_pen_records_extent_through_moves_and_ignores_light() -> None:
    pen = Pen()
    with pen.group(10, 20, 90):
        pen.path(["M", 0, 0, "L", 4, 0], "#000", None)
    assert pen.box == pytest.approx((10, 20, 10, 24))
    with pen.group(class_="fx"):
        pen.ellipse(500, 500, 5, 5, "#fff")
    assert pen.box == pytest.approx((10, 20, 10, 24))


def test_symmetric_mirrors_the_right_half() -> None:
    tokens = symmetric((0, 0), ((5, 1), (6, 4)), ((0, 9),))
    assert tokens == ["M", 0, 0, "Q", 5, 1, 6, 4, "L", 0, 9, "L", 0, 9,
                      "L", -6, 4, "Q", -5, 1, 0, 0, "Z"]  # fmt: skip


def test_a_path_is_written_in_units_of_a_head() -> None:
    assert tokens_of("M 0 1.5 Q -2 3 4 5 Z") == ["M", 0, 1.5, "Q", -2, 3, 4, 5, "Z"]
    assert scaled("M 0.5 -1 L 1 2 Z", 40, 10) == ["M", 20, -10, "L", 40, 20, "Z"]
    by_text, by_tokens = Pen(), Pen()
    by_text.path("M 0 0 L 4 7 Z", "#fff")
    by_tokens.path(["M", 0, 0, "L", 4, 7, "Z"], "#fff")
    assert (by_text.out, by_text.box) == (by_tokens.out, by_tokens.box)


@pytest.mark.parametrize("facing", voc.FACINGS)
@pytest.mark.parametrize("pose", ["standing", "walking", "waving"])
@pytest.mark.parametrize("category", CATEGORIES)
def test_a_held_thing_sits_in_a_fist_beside_the_body(category: str, pose: str, facing: str) -> None:
    look = replace(plain(category), facing=facing, pose=pose, holding="cup", skin="tan")
    drawing = draw(look)
    x, y = drawing.anchors["hand"]
    row, column = math.floor(y) + 360, math.floor(x) + 200
    patch = pixels(document(drawing))[row - 1 : row + 2, column - 1 : column + 2, :3].astype(int)
    assert np.abs(patch - (224, 170, 123)).max(axis=-1).min() < 12  # skin, beside finger lines
    frame = frame_of(look)
    reach = frame.depth if facing in ("left", "right") else max(frame.sw, frame.ww)
    assert abs(x) > reach + 5
    assert draw(replace(look, holding=None)).svg != drawing.svg


def test_a_drinker_has_the_mug_at_the_mouth() -> None:
    for category in CATEGORIES:
        for facing in ("front", "right"):
            frame = frame_of(replace(plain(category), facing=facing))
            (mx, my), (x, y) = mouth_of(frame), mug_at(frame)
            assert 10 < math.hypot(mx - x, my - y) < 28


def test_ages_have_proportions_of_their_own() -> None:
    def heads(look: Look) -> float:
        return -draw(look).box[1] / (2 * frame_of(look).ry)

    adult, child = heads(plain("man")), heads(plain("boy"))
    assert child < 0.87 * adult
    old = replace(plain("man"), age="elderly", skin_texture="wrinkled", hair_colour="grey")
    assert frame_of(old).cy > frame_of(plain("man")).cy + 10  # the head sinks between the shoulders


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_expression_shows_in_the_front_half_of_a_profile(category: str) -> None:
    look = replace(plain(category), facing="right")
    frame = frame_of(look)
    shots = [
        pixels(document(draw(replace(look, expression=e)))).astype(int) for e in voc.EXPRESSIONS
    ]
    top, bottom = round(frame.cy - frame.ry) + 360, round(frame.cy + frame.ry * 1.2) + 360
    for i, a in enumerate(shots):
        for b in shots[:i]:
            changed = np.abs(a - b).max(axis=-1) > 45
            assert changed[top:bottom, 200:].sum() > 150
            assert changed.sum() == changed[top:bottom, 190:].sum()


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_hat_leaves_hair_in_sight(category: str) -> None:
    for facing in voc.FACINGS:
        for style in voc.HAIR_STYLES[:-1]:
            look = replace(plain(category), facing=facing, hair_style=style, accessory="hat")
            red, black = (
                pixels(document(draw(replace(look, hair_colour=c)), 0.5)).astype(int)
                for c in ("red", "black")
            )
            assert (np.abs(red - black).max(axis=-1) > 60).sum() > 30, (facing, style)
