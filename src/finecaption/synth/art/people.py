"""Men, women, boys and girls: bodies, poses, what they hold and how the layers go together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from finecaption.synth.art import clothes, faces, legs
from finecaption.synth.art.clothes import Frame, Outfit
from finecaption.synth.art.core import Drawing, Look
from finecaption.synth.art.paint import HEX, SKIN, shade
from finecaption.synth.art.pen import Pen, Point

PAPER = "#f4eeda"
PRINT = "#8f8b86"


def frame_of(look: Look) -> Frame:
    """Sizes of a body: about 280 units for adults, 200 for children, 8 less when stooped."""
    child = look.category in ("boy", "girl")
    female = look.category in ("woman", "girl")
    k = {"slim": 0.72, "average": 1.0, "broad": 1.42}[look.build or "average"]
    thin = {"slim": 0.78, "average": 1.0, "broad": 1.25}[look.build or "average"]
    head = {"slim": 0.95, "average": 1.0, "broad": 1.05}[look.build or "average"]
    belly = 1.14 if k > 1 else 0.94 if k < 1 else 1.0
    if child:
        sw, ww, hw, depth = (25, 22, 29, 19) if female else (30, 28, 28, 20)
        f = Frame(35 * head, 35 * head, -163, -126, -64, sw, ww, hw, depth, 15, 18)
    elif female:
        f = Frame(36 * head, 40 * head, -236, -190, -100, 36, 26, 38, 23, 16, 20)
    else:
        f = Frame(37 * head, 41 * head, -237, -190, -98, 47, 39, 36, 27, 20, 24)
    f = replace(
        f, sw=f.sw * (k * 0.5 + 0.5 if k > 1 else k), ww=f.ww * k * belly, hw=f.hw * k,
        depth=f.depth * k, aw=f.aw * thin, lw=f.lw * thin, child=child, female=female,
        belly=max(0.0, k - 1), side=look.facing in ("left", "right"), back=look.facing == "back",
    )  # fmt: skip
    if look.age == "elderly" and not child:
        f = replace(f, cy=f.cy + 8, stoop=12.0 if f.side else 0.0, rounded=True)
    if look.pose == "sitting":
        down = -f.hip - f.knee - 8
        f = replace(f, cy=f.cy + down, sy=f.sy + down, hip=f.hip + down, sitting=True)
    return f


@dataclass(frozen=True)
class Arm:
    """Joints of one arm; ``open`` for a spread hand."""

    shoulder: Point
    elbow: Point
    wrist: Point
    open: bool = False


def _arms(look: Look, f: Frame) -> tuple[Arm, Arm]:
    """(far or left arm, near or right arm) for the pose and state, seen from the front or side.

    The second one is the arm whose hand can hold a thing.
    """
    size = -(f.sy - f.hip) / 90 if not f.sitting else (0.69 if f.child else 1.0)
    a = max(0.72, size) if f.child else 1.0  # arm length
    state, pose = look.state, look.pose
    if f.side:
        s = (f.stoop * 0.6 - 2, f.sy + 12)
        d, x, y = f.depth, s[0], s[1]
        if state == "reading":
            hand = (d + 20 * a, y + 30 * a)
            return Arm(s, (x + 12, y + 36 * a), (hand[0] + 8, hand[1] - 4)), Arm(
                s, (x + 4, y + 40 * a), hand)
        hang = Arm(s, (x - 7, y + 36 * a), (d * 0.8 + 14, y + 62 * a))
        if f.sitting:
            hang = Arm(s, (x - 7, y + 34 * a), (f.knee * 0.62, f.hip - 14))
        if state == "drinking":
            return hang, Arm(s, (d + 16, y + 34 * a), (f.rx * 0.98 + f.stoop, f.cy + f.ry * 0.95))
        if pose == "waving":
            up = Arm(s, (d + 24 * a, y + 8), (max(d, f.rx) + 34 * a, f.cy - 14), True)
            return up, hang
        if pose == "arms raised":
            top = f.cy - f.ry - 2
            return Arm(s, (x + 42 * a, y - 20 * a), (f.rx + 26, top - 6), True), Arm(
                s, (x - 34 * a, y - 22 * a), (-f.rx - 14, top), True)
        if pose == "walking":
            return Arm(s, (x - 30 * a, y + 26 * a), (x - 42 * a, y + 52 * a)), Arm(
                s, (x + 14 * a, y + 36 * a), (x + 48 * a, y + 44 * a))
        return hang, hang
    sx = f.sw - f.aw * 0.42
    y = f.sy + (16 if f.rounded else 12)
    ls, rs = (-sx, y), (sx, y)
    if state == "reading":
        h = f.ww * 0.45 + 24 * a
        e = max(f.sw, f.ww) + 13 * a
        return (Arm(ls, (-e, y + 34 * a), (-h, y + 34 * a + 10)),
                Arm(rs, (e, y + 34 * a), (h, y + 34 * a + 10)))
    out = max(f.sw, f.ww) + 11 * a
    left = Arm(ls, (-out + 3, y + 34 * a), (-out - 1, y + 64 * a))
    right = Arm(rs, (out + 5, y + 32 * a), (out + 21 * a, y + 56 * a))
    if f.sitting:
        left = Arm(ls, (-out, y + 32 * a), (-f.hw * 0.82, f.hip - 6))
        right = Arm(rs, (out + 4, y + 32 * a), (out + 18 * a, y + 54 * a))
    if state == "drinking":
        reach = f.rx * (1.2 if f.back else 0.56)
        return left, Arm(rs, (out + 16 * a, y + 16 * a), (reach, f.cy + f.ry * 1.02))
    if pose == "waving":
        e = max(f.sw + 24 * a, f.rx + 14)
        return Arm(ls, (-e, y + 2), (-max(e + 4, f.rx + 30), f.cy - 12), True), right
    if pose == "arms raised":
        e = max(f.sw + 20 * a, f.rx * 1.3 + 8)
        w = f.rx * 1.3 + 18
        top = f.cy - f.ry - 2
        return (Arm(ls, (-e, y - 20 * a), (-w, top), True),
                Arm(rs, (e, y - 20 * a), (w, top), True))  # fmt: skip
    if pose == "walking":
        left = Arm(ls, (-out - 10, y + 28 * a), (-f.ww * 0.35, y + 46 * a))
        right = Arm(rs, (out + 14, y + 26 * a), (out + 26 * a, y + 54 * a))
    return left, right


def _newspaper(pen: Pen, f: Frame, x: float, y: float) -> None:
    """An open newspaper held in both hands, about (x, y)."""
    k = 0.78 if f.child else 1.0
    with pen.group(x, y):
        if f.side:
            pen.path(["M", -6 * k, -24 * k, "L", 30 * k, -36 * k, "L", 34 * k, 20 * k, "L", -2 * k,
                      30 * k, "Z"], PAPER)
            pen.line(["M", 2 * k, -18 * k, "L", 25 * k, -26 * k], "#4b464d", 5)
            rows: list[str | float] = []
            for i in range(4):
                rows += ["M", 3 * k, (-8 + i * 9) * k, "L", 26 * k, (-15 + i * 9) * k]
            pen.line(rows, PRINT, 2.4)
            return
        w = (f.ww * 0.45 + 24 * (0.72 if f.child else 1)) + (30 if f.back else 10 * k)
        for s in (-1, 1):
            pen.path(["M", 0, -20 * k, "L", s * w, -28 * k, "L", s * w, 22 * k, "L", 0, 28 * k,
                      "Z"], PAPER if s < 0 else shade(PAPER, 0.07))
            pen.line(["M", s * 7, -15 * k, "L", s * (w - 7), -20 * k], "#4b464d", 5.5)
            rows = []
            for i in range(3):
                rows += ["M", s * 7, (-4 + i * 9) * k, "L", s * (w - 7), (-9 + i * 9) * k]
            pen.line(rows, PRINT, 2.6)


def _mug(pen: Pen, f: Frame, x: float, y: float) -> None:
    k = 1.05 if f.child else 1.25
    with pen.group(x, y, 28 if f.side else -24):
        s = 1 if f.side else -1
        pen.ellipse(-s * -14 * k, 0, 7 * k, 8 * k, "none", "#3a2f38", stroke_width=4)
        pen.path(["M", -12 * k, -14 * k, "L", 12 * k, -14 * k, "L", 11 * k, 14 * k, "Q", 0, 17 * k,
                  -11 * k, 14 * k, "Z"], "#f8f5ee")
        pen.path(["M", -11.5 * k, -4 * k, "L", 11.5 * k, -4 * k, "L", 11 * k, 5 * k, "L", -11 * k,
                  5 * k, "Z"], "#6d7f9c", None)


def _arm(pen: Pen, arm: Arm, f: Frame, o: Outfit) -> None:
    clothes.draw_arm(pen, arm.shoulder, arm.elbow, arm.wrist, f, o, arm.open)


def _scarf(pen: Pen, f: Frame, look: Look) -> None:
    c = HEX[look.accent]
    k = 0.75 if f.child else 1.0
    y = f.sy + (7 if f.child else 4)  # below the lips
    w = (f.depth * 0.5 + 18 if f.side else min(f.sw, 44) * 0.5 + 16) * (0.9 if f.child else 1)
    dark = shade(c, 0.25 if look.accent != "black" else -0.3)
    with pen.group(f.stoop * 0.8, y, data_part="scarf"):
        tx = -w * 0.65 if f.side else w * 0.3
        pen.path(["M", tx - 9 * k, 0, "L", tx + 9 * k, 0, "L", tx + 13 * k, 62 * k, "L",
                  tx - 11 * k, 64 * k, "Z"], c)
        for i in (44, 54):
            pen.line(["M", tx - 10 * k, i * k, "L", tx + 12 * k, i * k], dark, 3.4)
        pen.path(["M", -w, -4, "Q", -w, -14, -w * 0.7, -13, "Q", 0, -4, w * 0.7, -13, "Q", w, -14,
                  w, -4, "Q", w, 10 * k, 0, 13 * k, "Q", -w, 10 * k, -w, -4, "Z"], c)
        pen.line(["M", -w * 0.85, 0, "Q", 0, 10, w * 0.85, 0], dark, 3)


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
        pen.path(["M", -22 * k, -6, "Q", -22 * k, -12, -16 * k, -12, "L", 16 * k, -12, "Q", 22 * k,
                  -12, 22 * k, -6, "L", 24 * k, 24 * k, "Q", 0, 31 * k, -24 * k, 24 * k, "Z"], c)
        pen.path(["M", -22 * k, -6, "Q", -22 * k, -12, -16 * k, -12, "L", 16 * k, -12, "Q", 22 * k,
                  -12, 22 * k, -6, "L", 22 * k, 4, "Q", 0, 16 * k, -22 * k, 4, "Z"], dark)
        pen.ellipse(0, 9 * k, 4, 4, "#f1d37a")


def _lights(pen: Pen, f: Frame, look: Look, arm: Arm) -> None:
    """Marks in the air that are no matter: Zs of sleep, arcs of a waving hand."""
    if look.state == "sleeping":
        with pen.group(f.rx + 8, f.cy - f.ry * 0.6, class_="fx"):
            for x, y, s in ((0.0, 0.0, 9.0), (15.0, -20.0, 13.0), (36.0, -46.0, 18.0)):
                a, b = (x + s, x) if look.facing == "left" else (x, x + s)  # mirrored later
                z: list[str | float] = ["M", a, y - s, "L", b, y - s, "L", a, y, "L", b, y]
                pen.line(z, "#ffffff", 7)
                pen.line(z, "#4a5a8c", 3.6)
    elif look.pose == "waving":
        x, y = arm.wrist
        with pen.group(x, y - 8, class_="fx"):
            for side in (-1, 1):
                pen.line(["M", side * 21, -14, "Q", side * 27, -2, side * 21, 10], "#5b5563", 3)


def _compose(look: Look) -> tuple[Pen, Frame, Arm]:
    f = frame_of(look)
    o = clothes.outfit_of(look, SKIN[look.skin or "tan"])
    far, near = _arms(look, f)
    if f.side and look.pose == "waving":
        far, near = near, far  # the raised arm is the near one, in full view
    h = faces.head_of(look, f.rx, f.ry)
    tilt = (11.0 if not f.side else 16.0) if look.state == "sleeping" else 0.0
    if look.state == "reading" and f.side:
        tilt = 8.0
    tilt += 5.0 if f.stoop else 0.0
    head = (f.stoop, f.cy + (3 if tilt else 0))
    pen = Pen()
    paper = ((far.wrist[0] + near.wrist[0]) / 2, (far.wrist[1] + near.wrist[1]) / 2 - 6)
    mug = (near.wrist[0] - (0 if f.side or f.back else 13), near.wrist[1] - 15)
    hidden = f.back and look.state in ("reading", "drinking")

    # From behind, hands on the knees or on a newspaper are hidden by the body.
    behind = f.back and (look.state == "reading" or f.sitting) and look.pose != "waving"

    def on_head(draw: Callable[[], None]) -> None:
        with pen.group(*head, tilt):
            draw()

    def props(drawn: bool) -> None:
        if drawn and look.state == "reading":
            _newspaper(pen, f, *paper)
        elif drawn and look.state == "drinking":
            _mug(pen, f, *mug)

    with pen.group(stroke_linejoin="round", stroke_linecap="round", stroke_width="2.6"):
        if f.back:
            props(hidden)
            if behind:
                _arm(pen, far, f, o)
            if hidden:
                _arm(pen, near, f, o)
        else:
            on_head(lambda: faces.draw_behind(pen, h))
        if f.side:
            _arm(pen, far, f, o)
        lap_first = f.back and f.sitting
        legs.draw_legs(pen, f, o, look)
        if lap_first:
            legs.draw_lap(pen, f, o)
        pen.limb([(f.stoop * 0.9, f.cy + f.ry * 0.7), (f.stoop * 0.7, f.sy + 4)],
                 f.aw * (1.05 if f.female else 1.35), shade(o.skin, 0.12))  # fmt: skip
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
        if look.state == "reading" and not f.back:
            props(True)
        if not f.side and not behind:
            _arm(pen, far, f, o)
        if look.accessory == "bag" and not early:
            _bag(pen, f, look)
        if look.state == "drinking" and not f.back:
            props(True)
        if not hidden:
            _arm(pen, near, f, o)
        _lights(pen, f, look, near if f.side else far)
    free = near
    if look.state == "drinking" or (f.side and look.pose in ("waving", "arms raised")):
        free = far
    return pen, f, free


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
        "hand": clothes.hand_centre(free.elbow, free.wrist, f),
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
