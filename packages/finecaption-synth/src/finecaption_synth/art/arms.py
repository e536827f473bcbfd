"""Arms and hands of people, and the newspaper or mug that the hands bring to the face."""

from __future__ import annotations

import math
from dataclasses import dataclass

from finecaption_synth.art.clothes import Frame, Outfit, along
from finecaption_synth.art.core import Look
from finecaption_synth.art.paint import INK, shade
from finecaption_synth.art.pen import Pen, Point

PAPER = "#f4eeda"
PRINT = "#8f8b86"


@dataclass(frozen=True)
class Arm:
    """Joints of one arm; hand is "rest", "open" (spread) or "fist" (around a handle)."""

    shoulder: Point
    elbow: Point
    wrist: Point
    hand: str = "rest"


def arms_of(look: Look, f: Frame) -> tuple[Arm, Arm]:
    """(far or left arm, near or right arm); the second one's hand can hold a thing."""
    a = 0.72 if f.child else 1.0
    return _from_side(look, f, a) if f.side else _from_front(look, f, a)


def mouth_of(f: Frame) -> Point:
    """Where the mouth of a level head is."""
    low = f.cy + f.ry * (0.62 if f.child else 0.57)
    return (f.rx * 0.88 + f.stoop, low) if f.side else (0.0, low)


def mug_at(f: Frame) -> Point:
    """Center of a mug whose rim is at the mouth, at its corner so that the face shows."""
    x, y = mouth_of(f)
    if f.back:  # beyond the cheek, or the head would hide it
        return f.rx * 1.15 + 10, y
    return (x + 19, y + 10) if f.side else (x + f.rx * 0.5, y + 17)


def _from_side(look: Look, f: Frame, a: float) -> tuple[Arm, Arm]:
    x, y = s = (f.stoop * 0.6 - 2, f.sy + 13)
    d, state, pose = f.depth, look.state, look.pose
    near = Arm(s, (x - 5, y + 36 * a), (x + 5, y + 66 * a))
    far = Arm((x + 5, y), (x + 8, y + 35 * a), (x + 24 * a, y + 62 * a))
    if f.sitting:
        knee = (f.knee * 0.72, f.hip - f.lw * 0.72)
        near = Arm(s, (x - 2, y + 36 * a), knee)
        far = Arm((x + 5, y), (x + 6, y + 34 * a), (knee[0] + 8, knee[1] - 1))
    if state == "reading":
        hand = (d + 20 * a, y + 32 * a)
        return Arm(s, (x + 12, y + 38 * a), (hand[0] + 8, hand[1] - 4), "fist"), Arm(
            s, (x + 2, y + 40 * a), hand, "fist"
        )
    if state == "drinking":
        mx, my = mug_at(f)
        return far, Arm(s, (d + 8 * a, y + 36 * a), (mx + 3, my + 17), "fist")
    if look.holding:
        ahead = max(d + 24 * a, f.rx + f.stoop + 10 * a)
        near = Arm(s, (x + 6, y + 37 * a), (ahead, y + 34 * a), "fist")
    if pose == "walking":
        back = Arm((x + 4, y), (x - 16 * a, y + 32 * a), (x - 34 * a, y + 54 * a))
        fore = Arm(s, (x + 10 * a, y + 36 * a), (x + 38 * a, y + 52 * a))
        return back, near if look.holding else fore
    if pose == "waving":
        up = Arm(s, (d + 22 * a, y + 10 * a), (max(d, f.rx) + 30 * a, f.cy - 14), "open")
        return (up, near) if look.holding else (far, up)
    if pose == "arms raised":
        top = f.cy - f.ry - 2
        return (
            Arm(s, (x + 42 * a, y - 20 * a), (f.rx + 26, top - 6), "open"),
            Arm(s, (x - 32 * a, y - 24 * a), (-f.rx - 14, top), "open"),
        )
    return far, near


def _from_front(look: Look, f: Frame, a: float) -> tuple[Arm, Arm]:
    state, pose = look.state, look.pose
    sx = f.sw - f.aw * 0.42
    y = f.sy + (18 if f.rounded else 13)
    ls, rs = (-sx, y), (sx, y)
    out = max(f.sw, f.ww) + 9 * a
    left = Arm(ls, (-out + 1, y + 35 * a), (-out - 1, y + 66 * a))
    right = Arm(rs, (out - 1, y + 35 * a), (out + 1, y + 66 * a))
    if f.sitting:
        e = max(out, f.knees + 6) + 4
        left = Arm(ls, (-e, y + 34 * a), (-f.knees - 3, f.hip - 2))
        right = Arm(rs, (e, y + 34 * a), (f.knees + 3, f.hip - 2))
    if state == "reading":
        h, e = f.ww * 0.45 + 26 * a, max(f.sw, f.ww) + 13 * a
        return (
            Arm(ls, (-e, y + 34 * a), (-h, y + 34 * a + 10), "fist"),
            Arm(rs, (e, y + 34 * a), (h, y + 34 * a + 10), "fist"),
        )
    if state == "drinking":
        mx, my = mug_at(f)
        return left, Arm(rs, (out + 14 * a, y + 18 * a), (mx + 17, my + 15), "fist")
    if look.holding:
        right = Arm(rs, (out + 5 * a, y + 34 * a), (out + 25 * a, y + 18 * a), "fist")
    if pose == "waving":
        e = max(f.sw + 24 * a, f.rx + 14)
        up = Arm(ls, (-e, y + 2), (-max(e + 4, f.rx + 30), f.cy - 12), "open")
        return up, right
    if pose == "arms raised":
        e, w = max(f.sw + 20 * a, f.rx * 1.3 + 8), f.rx * 1.3 + 18
        top = f.cy - f.ry - 2
        return (
            Arm(ls, (-e, y - 20 * a), (-w, top), "open"),
            Arm(rs, (e, y - 20 * a), (w, top), "open"),
        )
    if pose == "walking":
        # One arm swings back, away from the body; the other forward, across its edge.
        left = Arm(ls, (-out - 8, y + 32 * a), (-out - 15 * a, y + 58 * a))
        if not look.holding:
            right = Arm(rs, (out + 5, y + 32 * a), (out - 14 * a, y + 54 * a))
    return left, right


def hand_center(arm: Arm, f: Frame) -> Point:
    """Center of the hand at the end of an arm."""
    dx, dy = arm.wrist[0] - arm.elbow[0], arm.wrist[1] - arm.elbow[1]
    size = math.hypot(dx, dy) or 1.0
    reach = f.aw * 0.62
    return arm.wrist[0] + dx / size * reach, arm.wrist[1] + dy / size * reach


def _hand(pen: Pen, arm: Arm, f: Frame, o: Outfit) -> None:
    """A hand along the forearm: fingers and thumb."""
    w = f.aw
    r = max(w * 0.56, 8.5)
    turn = math.degrees(math.atan2(arm.wrist[1] - arm.elbow[1], arm.wrist[0] - arm.elbow[0]))
    with pen.group(*hand_center(arm, f), turn):
        if arm.hand == "open":
            tips = ""
            for angle in (-0.95, -0.3, 0.3, 0.95):
                tips += f" M 0 0 L {w * 1.1 * math.cos(angle)} {w * 1.1 * math.sin(angle)}"
            pen.line(tips, INK, w * 0.42 + 2.6)
            pen.line(tips, o.skin, w * 0.42 - 2.6)
            pen.ellipse(0, 0, r, r, o.skin)
            pen.ellipse(2, 0, r - 1.6, r - 1.8, o.skin, None)
        elif arm.hand == "fist":
            pen.ellipse(r * 0.1, 0, r * 1.05, r * 1.05, o.skin)
            for i in (-0.5, 0.0, 0.5):
                pen.line(f"M {r * 0.25} {i * r} L {r * 1.0} {i * r}", shade(o.skin, 0.5), 2)
        else:
            side = -1 if arm.wrist[0] > 0 or f.side else 1
            pen.ellipse(r * 0.25, side * -r * 0.72, r * 0.62, r * 0.36, o.skin)
            pen.ellipse(r * 0.35, 0, r * 1.15, r * 0.86, o.skin)


def draw_arm(pen: Pen, arm: Arm, f: Frame, o: Outfit) -> None:
    """One arm with sleeve and hand."""
    w, joints = f.aw, [arm.shoulder, arm.elbow, arm.wrist]
    if o.garment in ("dress", "t-shirt and shorts"):
        pen.limb(joints, w * 0.86, o.skin)
        _hand(pen, arm, f, o)
        dress = o.garment == "dress"
        end = along(arm.shoulder, arm.elbow, 0.4 if dress else 0.66)
        pen.limb([arm.shoulder, end], w * (1.3 if f.female or not dress else 1.15), o.main, o.line)
        return
    _hand(pen, arm, f, o)
    pen.limb(joints, w, o.sleeve, o.line)
    if o.garment == "coat":
        pen.slab(
            along(arm.wrist, arm.elbow, 0.3),
            along(arm.wrist, arm.elbow, -0.05),
            (w * 1.15, w * 1.25),
            o.deep,
            o.line,
        )
    elif o.garment == "striped sweater":
        pen.slab(
            along(arm.wrist, arm.elbow, 0.12),
            along(arm.wrist, arm.elbow, -0.08),
            (w * 1.1, w),
            o.deep,
            o.line,
        )


def draw_newspaper(pen: Pen, f: Frame, x: float, y: float) -> None:
    """An open newspaper held in both hands, about (x, y)."""
    k = 0.78 if f.child else 1.0
    with pen.group(x, y):
        if f.side:
            pen.path(
                f"M {-6 * k} {-24 * k} L {30 * k} {-36 * k} L {34 * k} {20 * k} L {-2 * k} "
                f"{30 * k} Z",
                PAPER,
            )
            pen.line(f"M {2 * k} {-18 * k} L {25 * k} {-26 * k}", "#4b464d", 5)
            rows = ""
            for i in range(4):
                rows += f" M {3 * k} {(-8 + i * 9) * k} L {26 * k} {(-15 + i * 9) * k}"
            pen.line(rows, PRINT, 2.4)
            return
        w = (f.ww * 0.45 + 24 * (0.72 if f.child else 1)) + (30 if f.back else 10 * k)
        for s in (-1, 1):
            pen.path(
                f"M 0 {-20 * k} L {s * w} {-28 * k} L {s * w} {22 * k} L 0 {28 * k} Z",
                PAPER if s < 0 else shade(PAPER, 0.07),
            )
            pen.line(f"M {s * 7} {-15 * k} L {s * (w - 7)} {-20 * k}", "#4b464d", 5.5)
            rows = ""
            for i in range(3):
                rows += f" M {s * 7} {(-4 + i * 9) * k} L {s * (w - 7)} {(-9 + i * 9) * k}"
            pen.line(rows, PRINT, 2.6)


def draw_mug(pen: Pen, f: Frame, x: float, y: float) -> None:
    """A mug about (x, y), tipped to the mouth on its left."""
    k = 1.05 if f.child else 1.25
    with pen.group(x, y, -32):
        pen.ellipse(14 * k, 1, 7 * k, 8 * k, "none", "#3a2f38", stroke_width=4)
        pen.path(
            f"M {-12 * k} {-14 * k} L {12 * k} {-14 * k} L {11 * k} {14 * k} Q 0 {17 * k} "
            f"{-11 * k} {14 * k} Z",
            "#f8f5ee",
        )
        pen.path(
            f"M {-11.5 * k} {-4 * k} L {11.5 * k} {-4 * k} L {11 * k} {5 * k} "
            f"L {-11 * k} {5 * k} Z",
            "#6d7f9c",
            None,
        )
