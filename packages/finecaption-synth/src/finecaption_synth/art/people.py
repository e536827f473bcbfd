"""Men, women, boys and girls: bodies, poses, what they hold and how the layers go together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from finecaption_synth.art import arms, clothes, faces, legs
from finecaption_synth.art.arms import Arm
from finecaption_synth.art.clothes import Frame
from finecaption_synth.art.core import Drawing, Look
from finecaption_synth.art.head import head_of
from finecaption_synth.art.paint import HEX, SKIN, shade
from finecaption_synth.art.pen import Pen


def frame_of(look: Look) -> Frame:
    """Sizes of a body: about 280 units for adults, 200 for children, 8 less when stooped."""
    child = look.category in ("boy", "girl")
    female = look.category in ("woman", "girl")
    k = {"slim": 0.54, "average": 1.0, "broad": 1.52}[look.build or "average"]
    deep = {"slim": 0.48, "average": 1.0, "broad": 1.54}[look.build or "average"]
    thin = {"slim": 0.6, "average": 1.0, "broad": 1.32}[look.build or "average"]
    head = {"slim": 0.88, "average": 1.0, "broad": 1.12}[look.build or "average"]
    belly = 1.14 if k > 1 else 0.94 if k < 1 else 1.0
    if child:
        sw, ww, hw, depth = (26, 24, 30, 21) if female else (31, 30, 29, 22)
        f = Frame(39 * head, 38, -161, -126, -64, sw, ww, hw, depth, 15, 18)
    elif female:
        f = Frame(34 * head, 39, -237, -190, -100, 36, 26, 38, 23, 16, 20)
    else:
        f = Frame(35 * head, 41, -237, -190, -98, 47, 39, 36, 27, 20, 24)
    f = replace(
        f,
        sw=f.sw * (k * 0.5 + 0.5 if k > 1 else k),
        ww=f.ww * k * belly,
        hw=f.hw * k,
        depth=f.depth * deep,
        aw=f.aw * thin,
        lw=f.lw * thin,
        child=child,
        female=female,
        belly=max(0.0, k - 1),
        side=look.facing in ("left", "right"),
        back=look.facing == "back",
    )
    if look.age == "elderly" and not child:
        f = replace(f, cy=f.cy + 16, stoop=14.0 if f.side else 0.0, rounded=True, sw=f.sw * 0.95)
    if look.pose == "sitting":
        down = -f.hip - f.knee - 8
        f = replace(f, cy=f.cy + down, sy=f.sy + down, hip=f.hip + down, sitting=True)
    return f


def _scarf(pen: Pen, f: Frame, look: Look) -> None:
    c = HEX[look.accent]
    k = 0.75 if f.child else 1.0
    y = f.sy + (7 if f.child else 4)  # below the lips
    w = (f.depth * 0.5 + 18 if f.side else min(f.sw, 44) * 0.5 + 16) * (0.9 if f.child else 1)
    dark = shade(c, 0.25 if look.accent != "black" else -0.3)
    with pen.group(f.stoop * 0.8, y, data_part="scarf"):
        tx = -w * 0.65 if f.side else w * 0.3
        pen.path(
            f"M {tx - 9 * k} 0 L {tx + 9 * k} 0 L {tx + 13 * k} {62 * k} L {tx - 11 * k} "
            f"{64 * k} Z",
            c,
        )
        for i in (44, 54):
            pen.line(f"M {tx - 10 * k} {i * k} L {tx + 12 * k} {i * k}", dark, 3.4)
        pen.path(
            f"M {-w} -4 Q {-w} -14 {-w * 0.7} -13 Q 0 -4 {w * 0.7} -13 Q {w} -14 {w} -4 "
            f"Q {w} {10 * k} 0 {13 * k} Q {-w} {10 * k} {-w} -4 Z",
            c,
        )
        pen.line(f"M {-w * 0.85} 0 Q 0 10 {w * 0.85} 0", dark, 3)


def _strap(pen: Pen, f: Frame, look: Look) -> None:
    c = shade(HEX[look.accent], 0.15 if look.accent != "black" else -0.25)
    with pen.group(data_part="bag"):
        if f.side:
            pts = [(f.stoop * 0.6 + 6, f.sy - 2), (-f.depth * 0.3, f.hip - 10)]
        else:
            pts = [(f.sw * 0.62, f.sy - 1), (-f.hw - 2, f.hip - 12)]
        pen.limb(pts, 8.5, c)


def _bag(pen: Pen, f: Frame, look: Look) -> None:
    c = HEX[look.accent]
    dark = shade(c, 0.25 if look.accent != "black" else -0.3)
    k = 0.8 if f.child else 1.0
    x = -f.depth * 0.3 if f.side else -f.hw - 6
    with pen.group(x, f.hip - 10 * k, data_part="bag"):
        pen.path(
            f"M {-22 * k} -6 Q {-22 * k} -12 {-16 * k} -12 L {16 * k} -12 Q {22 * k} -12 "
            f"{22 * k} -6 L {24 * k} {24 * k} Q 0 {31 * k} {-24 * k} {24 * k} "
            "Z",
            c,
        )
        pen.path(
            f"M {-22 * k} -6 Q {-22 * k} -12 {-16 * k} -12 L {16 * k} -12 Q {22 * k} -12 "
            f"{22 * k} -6 L {22 * k} 4 Q 0 {16 * k} {-22 * k} 4 Z",
            dark,
        )
        pen.ellipse(0, 9 * k, 4, 4, "#f1d37a")


def _lights(pen: Pen, f: Frame, look: Look, arm: Arm) -> None:
    """Marks in the air that are no matter: Zs of sleep, arcs of a waving hand."""
    if look.state == "sleeping":
        with pen.group(f.rx + 8, f.cy - f.ry * 0.6, class_="fx"):
            for x, y, s in ((0.0, 0.0, 9.0), (15.0, -20.0, 13.0), (36.0, -46.0, 18.0)):
                a, b = (x + s, x) if look.facing == "left" else (x, x + s)  # mirrored later
                z: str = f"M {a} {y - s} L {b} {y - s} L {a} {y} L {b} {y}"
                pen.line(z, "#ffffff", 7)
                pen.line(z, "#4a5a8c", 3.6)
    elif look.pose == "waving":
        x, y = arm.wrist
        with pen.group(x, y - 8, class_="fx"):
            for side in (-1, 1):
                pen.line(f"M {side * 21} -14 Q {side * 27} -2 {side * 21} 10", "#5b5563", 3)


def _compose(look: Look) -> tuple[Pen, Frame, Arm]:
    f = frame_of(look)
    o = clothes.outfit_of(look, SKIN[look.skin or "tan"])
    far, near = arms.arms_of(look, f)
    h = head_of(look, f.rx, f.ry)
    tilt = (11.0 if not f.side else 16.0) if look.state == "sleeping" else 0.0
    if look.state == "reading" and f.side:
        tilt = 8.0
    tilt += 5.0 if f.stoop else 0.0
    head = (f.stoop, f.cy + (3 if tilt else 0))
    pen = Pen()
    paper = ((far.wrist[0] + near.wrist[0]) / 2, (far.wrist[1] + near.wrist[1]) / 2 - 6)

    # From behind, the body hides an arm that reaches forward and what it holds.
    prop = f.back and look.state in ("reading", "drinking")
    lap = f.back and (look.state == "reading" or (f.sitting and look.pose != "waving"))
    far_first = f.side or lap
    stride = f.back and look.pose == "walking" and not look.holding
    near_first = prop or lap or stride

    def on_head(draw: Callable[[], None]) -> None:
        with pen.group(*head, tilt):
            draw()

    def props() -> None:
        if look.state == "reading":
            arms.draw_newspaper(pen, f, *paper)
        elif look.state == "drinking":
            arms.draw_mug(pen, f, *arms.mug_at(f))

    with pen.group(stroke_linejoin="round", stroke_linecap="round", stroke_width="2.6"):
        if f.back:
            props()
        else:
            on_head(lambda: faces.draw_behind(pen, h))
        if far_first:
            arms.draw_arm(pen, far, f, o)
        if near_first:
            arms.draw_arm(pen, near, f, o)
        lap_first = f.back and f.sitting
        legs.draw_legs(pen, f, o, look)
        if lap_first:
            legs.draw_lap(pen, f, o)
        pen.limb(
            [(f.stoop * 0.9, f.cy + f.ry * 0.7), (f.stoop * 0.7, f.sy + 4)],
            f.aw * (1.05 if f.female else 1.35),
            shade(o.skin, 0.12),
        )
        clothes.draw_torso(pen, f, o, look)
        if f.sitting and not lap_first:
            legs.draw_lap(pen, f, o)
        if look.accessory == "bag":
            _strap(pen, f, look)
        on_head(lambda: faces.draw_head(pen, h, look))
        if look.accessory == "scarf":
            _scarf(pen, f, look)
        early = look.accessory == "bag" and f.side
        if early:
            _bag(pen, f, look)
        if not f.back and look.state == "reading":
            props()
        if not far_first:
            arms.draw_arm(pen, far, f, o)
        if look.accessory == "bag" and not early:
            _bag(pen, f, look)
        if not f.back and look.state == "drinking":
            props()
        if not near_first:
            arms.draw_arm(pen, near, f, o)
        raised = near if f.side and near.hand == "open" else far
        _lights(pen, f, look, raised)
    return pen, f, far if "open" in near.hand or look.state == "drinking" else near


def draw_person(look: Look) -> Drawing:
    """A man, woman, boy or girl.

    Args:
        look: with category man, woman, boy or girl; fields left None take a plain value.

    Returns:
        The drawing. Anchors, in local units: hand (centre of a free hand), seat (underside of
        the hips), head_top, chest. A sitting figure rests on nothing: its feet are on the
        ground and seat says where a seat belongs. Parts: hat, scarf, bag.
    """
    pen, f, free = _compose(look)
    shift = -f.knee * 0.5 if f.sitting and f.side else 0.0
    flip = look.facing == "left"
    top = f.cy - f.ry - (f.ry * 0.5 if look.accessory == "hat" else 4)
    seat_y = f.hip + 10 if f.sitting else f.hip + 6
    spots = {
        "hand": arms.hand_center(free, f),
        "seat": (0.0, seat_y),
        "head_top": (f.stoop, top),
        "chest": (f.stoop * 0.5, f.sy + 0.45 * (f.hip - f.sy)),
    }
    s = -1 if flip else 1
    anchors = {k: (s * (x + shift), y) for k, (x, y) in spots.items()}
    x0, y0, x1, y1 = pen.box
    x0, x1 = sorted((s * (x0 + shift), s * (x1 + shift)))
    svg = "".join(pen.out)
    if flip or shift:
        move = f"translate({s * shift:.1f} 0)" + (" scale(-1 1)" if flip else "")
        svg = f'<g transform="{move}">{svg}</g>'
    return Drawing(svg, (x0, y0, x1, y1), clothes.defs_of(look), anchors)


DRAW: dict[str, Callable[[Look], Drawing]] = {
    name: draw_person for name in ("man", "woman", "boy", "girl")
}
