"""Cats, dogs, rabbits and horses, in every pose, build, coat and state.

Bodies are put together from outlined shapes and limbs; side views are drawn facing right and
mirrored. Cats and dogs eat from a bowl, rabbits a carrot, horses hay.
"""

from __future__ import annotations

from collections.abc import Callable

from finecaption_synth.art.animal_heads import cat_head, dog_head, rabbit_head
from finecaption_synth.art.coats import (
    Coat,
    CoatFigure,
    Piece,
    Point,
    coat,
    finish,
    food_bowl,
    line,
    lit,
    oval,
    put,
    sheen,
    union,
)
from finecaption_synth.art.core import Drawing, Look, group, n
from finecaption_synth.art.horse import horse
from finecaption_synth.art.paint import HEX, INK


def _legs(c: Coat, feet: tuple[Point, ...], top: float, width: float, far: bool = False) -> str:
    """Straight legs with paws: each from (x, top) down to a foot."""
    lift = -4 if far else 0
    pieces: list[Piece] = []
    for hip, foot in feet:
        pieces.append((f"M{n(hip)} {n(top)}L{n(foot)} {n(-8 + lift)}", width))
        pieces.append((oval(foot + 4, -6 + lift, width * 0.78, 6), 0))
    return union(pieces, c.far if far else c.limb, c.ink)


# --- cat and dog --------------------------------------------------------------------------


def _tail_path(dog: bool, x: float, y: float, flat: bool) -> str:
    if not dog:
        if flat:
            return (
                f"M{n(x)} {n(y)}C{n(x - 22)} {n(y + 8)} {n(x - 40)} {n(y)} {n(x - 36)} {n(y - 18)}"
            )
        return (
            f"M{n(x)} {n(y)}C{n(x - 26)} {n(y + 2)} {n(x - 34)} {n(y - 26)} {n(x - 22)} "
            f"{n(y - 40)}Q{n(x - 12)} {n(y - 52)} {n(x - 24)} {n(y - 58)}"
        )
    if flat:
        return f"M{n(x)} {n(y)}Q{n(x - 22)} {n(y + 2)} {n(x - 30)} {n(y - 10)}"
    return f"M{n(x)} {n(y)}Q{n(x - 18)} {n(y - 6)} {n(x - 18)} {n(y - 34)}"


def _collar(look: Look, d: str) -> str:
    return line(d, INK, 10) + line(d, HEX[look.accent], 5.5)


def _pet_side(look: Look, c: Coat, dog: bool) -> CoatFigure:
    plump = look.build == "plump"
    state, pose = look.state or "awake", look.pose or "standing"
    hx: float
    hy: float
    back: float
    belly: float
    up = 16 if dog else 0  # longer legs
    wide = 16 if plump else 10.5
    tail_w = 11 if dog else 9.5
    neck_w = 28 if plump else 20
    eating, asleep = state == "eating", state == "sleeping"
    tail: Piece
    neck: Piece
    seat: Point
    angle = 32 if eating else 18 if asleep else 0
    out = ""
    if pose == "standing":
        back = -64 - up
        belly = -24 - up * 0.9 if plump else -42 - up
        hx, hy = (62, -46) if eating else (54, -74 - up) if asleep else (48, -84 - up)
        out += _legs(c, ((-28, -24), (36, 40)), back + 24, wide, far=True)
        tail = (_tail_path(dog, -44, back + 10, flat=asleep and dog), tail_w)
        d = (
            f"M-50 {n(back + 20)}Q-50 {n(back - 2)} -26 {n(back)}"
            f"Q4 {n(back + (2 if plump else 8))} 30 "
            f"{n(back - 2)}Q48 {n(back)} 46 {n(back + 24)}Q44 {n(belly)} 10 {n(belly)}"
            f"Q{-30 if plump else -20} {n(belly)} {-36 if plump else -30} "
            f"{n(belly + (0 if plump else 4))}"
            f"Q-50 {n(belly - 6)} -50 {n(back + 20)}Z"
        )
        neck = (f"M30 {n(back + 16)}L{n(hx - 8)} {n(hy + 10)}", neck_w)
        out += union([tail], c.limb, c.ink) + _legs(c, ((-38, -38), (28, 28)), back + 24, wide)
        out += union([(d, 0), neck], c.body, c.ink)
        out += union(
            [(f"M-38 {n(back + 26)}L-38 -20", wide - 4), (f"M28 {n(back + 26)}L28 -20", wide - 4)],
            c.limb,
            edge=0,
        )
        out += sheen(f"M-40 {n(back + 9)}Q-6 {n(back + (6 if plump else 11))} 22 {n(back + 8)}")
        seat, bowl = (-6.0, back), 82.0
    elif pose == "sitting":
        hx, hy = (46, -48) if eating else (30, -80 - up) if asleep else (24, -88 - up)
        fat = 17 if plump else -2
        tail = (_tail_path(dog, -34 - fat, -9, flat=True), tail_w)
        d = (
            f"M{n(-38 - fat * 1.6)} -18Q{n(-40 - fat * 1.6)} {n(-56 - up * 0.6)} -2 {n(-80 - up)}"
            f"Q{n(26 + fat * 0.6)} {n(-82 - up)} {n(28 + fat)} {n(-50 - up * 0.5)}"
            f"Q{n(30 + fat)} -20 16 -4H-24Z"
        )
        neck = (f"M8 {n(-68 - up)}L{n(hx - 6)} {n(hy + 10)}", neck_w)
        out += union([tail], c.limb, c.ink) + _legs(c, ((22, 26),), -48 - up * 0.5, wide, far=True)
        out += union([(d, 0), neck], c.body, c.ink) + lit(d, c)
        out += _legs(c, ((14, 14),), -48 - up * 0.5, wide)
        haunch = oval(-20 - fat * 0.8, -24 - fat * 0.5, 20 + fat * 0.8, 22 + fat * 0.5)
        out += union([(haunch, 0), (oval(-8, -7, 17, 7), 0)], c.body, c.ink) + lit(haunch, c)
        seat, bowl = (-16.0, -64.0 - up), 64.0
    else:
        hx, hy = (60, -34) if eating else (60, -33) if asleep else (52, -58)
        high = -56 if plump else -38
        tail = (_tail_path(dog, -56, -10, flat=True), tail_w)
        d = (
            f"M-60 -14Q-62 {n(high)} -26 {n(high)}Q10 {n(high + 4)} 34 {n(high - 2)}"
            f"Q52 {n(high + 8)} 48 -14"
            f"Q46 -3 30 -3H-46Q-58 -3 -60 -14Z"
        )
        neck = (f"M32 {n(high + 14)}L{n(hx - 6)} {n(hy + 6)}", neck_w)
        out += union([tail, ("M34 -10H62", wide - 1)], c.limb, c.ink)
        out += union([(d, 0), neck], c.body, c.ink) + lit(d, c)
        out += union(
            [(oval(-32, -22 - (6 if plump else 0), 22, 19 + (6 if plump else 0)), 0)], c.body, c.ink
        )
        out += union([("M-34 -7H-10", wide - 2), ("M22 -8H54", wide)], c.limb, c.ink)
        seat, bowl = (-10.0, float(high)), 90.0
        if eating:
            angle = 14
        elif asleep:
            angle = 4
    if dog and not eating:
        out += _collar(
            look, f"M{n(hx - 24)} {n(hy + 18)}Q{n(hx - 10)} {n(hy + 32)} {n(hx + 4)} {n(hy + 27)}"
        )
    out += put((dog_head if dog else cat_head)(c, False, state), hx, hy, angle)
    out += food_bowl(bowl, look) if eating else ""
    return CoatFigure(out, (hx, hy), seat, (hx - 10, hy + 26))


def _pet_front(look: Look, c: Coat, dog: bool) -> CoatFigure:
    plump = look.build == "plump"
    state, pose = look.state or "awake", look.pose or "standing"
    up = 16 if dog else 0
    wide = 16 if plump else 10.5
    eating, asleep = state == "eating", state == "sleeping"
    tail_w = 11 if dog else 9.5
    seat: Point
    hy: float
    out = ""
    if pose == "standing":
        rx, ry, cy = (40, 34, -54 - up) if plump else (21, 26, -58 - up)
        hy = -44 if eating else -74 - up if asleep else -84 - up
        out += union([(_tail_path(dog, -rx + 10, cy + 4, flat=False), tail_w)], c.limb, c.ink)
        far = rx * 0.82
        for s in (-1, 1):
            out += _legs(c, ((s * far, s * far - 4),), cy, wide, far=True)
        out += union([(oval(0, cy, rx, ry), 0)], c.body, c.ink) + lit(oval(0, cy, rx, ry), c)
        near = 19 if plump else 11
        out += "".join(_legs(c, ((s * near, s * near - 4),), cy + 4, wide) for s in (-1, 1))
        seat = (0.0, cy - ry)
    elif pose == "sitting":
        w = 48 if plump else 29
        hy = -52 if eating else -82 - up if asleep else -90 - up
        out += union([(_tail_path(dog, -w + 6, -8, flat=True), tail_w)], c.limb, c.ink)
        t = -60 - up * 0.4 if eating else -82 - up
        d = (
            f"M-14 {n(t)}Q{n(-w * 0.8)} {n(t + 30)} {n(-w)} -16Q{n(-w)} -3 {n(-w + 12)} -3"
            f"H{n(w - 12)}"
            f"Q{n(w)} -3 {n(w)} -16Q{n(w * 0.8)} {n(t + 30)} 14 {n(t)}Z"
        )
        out += union([(d, 0)], c.body, c.ink) + lit(d, c)
        for s in (-1, 1):
            out += union(
                [
                    (oval(s * (w - 8), -18, 13 + (4 if plump else 0), 17), 0),
                    (oval(s * (w - 6), -6, 14, 6), 0),
                ],
                c.limb,
                c.ink,
            )
        out += "".join(_legs(c, ((s * 9, s * 9 - 4),), t * 0.6, wide - 1) for s in (-1, 1))
        seat = (0.0, t)
    else:
        rx, ry = (66, 33) if plump else (48, 21)
        hy = -36 if eating or asleep else -58 if plump else -52
        out += union([(_tail_path(dog, -rx + 8, -12, flat=True), tail_w)], c.limb, c.ink)
        d = (
            f"M{-rx} -16Q{-rx} {-2 * ry} 0 {-2 * ry}Q{rx} {-2 * ry} {rx} -16"
            f"Q{rx} -4 {rx - 14} -4H{14 - rx}Q{-rx} -4 {-rx} -16Z"
        )
        out += union([(d, 0)], c.body, c.ink) + lit(d, c)
        out += union([(oval(s * 26, -9, 15, 8.5), 0) for s in (-1, 1)], c.limb, c.ink)
        seat = (0.0, -2.0 * ry)
    if dog and not eating and pose != "lying down":
        out += _collar(look, f"M-18 {n(hy + 24)}Q0 {n(hy + 38)} 18 {n(hy + 24)}")
    out += put((dog_head if dog else cat_head)(c, True, state), 0, hy)
    if eating:
        out += group(food_bowl(0, look, 27), transform="translate(0 2)")
    return CoatFigure(out, (6, hy), seat, (0, hy + 30))


def cat(look: Look) -> Drawing:
    """A cat, standing about 120 high. Anchors: seat, neck, head."""
    c = coat(look)
    front = look.facing not in ("left", "right")
    return finish(look, c, _pet_front(look, c, False) if front else _pet_side(look, c, False))


def dog(look: Look) -> Drawing:
    """A dog, standing about 140 high, with a collar in the accent. Anchors: seat, neck, head."""
    c = coat(look, 1.1)
    front = look.facing not in ("left", "right")
    return finish(look, c, _pet_front(look, c, True) if front else _pet_side(look, c, True))


# --- rabbit -------------------------------------------------------------------------------


def _puff(x: float, y: float, r: float, c: Coat) -> str:
    return union([(oval(x, y, r, r), 0)], c.soft, c.ink) + line(
        f"M{n(x - 4)} {n(y - 3)}Q{n(x)} {n(y)} {n(x - 3)} {n(y + 4)}", c.line, 1.6
    )


def _rabbit_side(look: Look, c: Coat) -> CoatFigure:
    plump, state, pose = look.build == "plump", look.state or "awake", look.pose or "standing"
    asleep = state == "sleeping"
    wide = 13 if plump else 9
    out, angle = "", 14 if asleep else 0
    seat: Point
    if pose == "standing":  # on four legs, back level and clear of the ground
        belly = -18 if plump else -32
        hx, hy = (46, -54) if asleep else (44, -62)
        out += _puff(-46, -44, 10, c)
        out += union(
            [("M-20 -34L-14 -10", wide), (oval(-8, -8, 12, 5), 0), ("M28 -34L32 -10", wide)],
            c.far,
            c.ink,
        )
        d = (
            f"M-44 -34Q-44 -60 -14 -60Q14 -58 30 -62Q46 -54 40 -36Q34 {belly} 4 {belly}"
            f"Q-40 {belly} -44 -34Z"
        )
        out += union([(d, 0), (f"M28 -46L{hx - 6} {hy + 8}", 22 if plump else 18)], c.body, c.ink)
        out += lit(d, c)
        hip = oval(-26, -36, 17 if plump else 14, 18)
        out += union(
            [
                (hip, 0),
                ("M-30 -28L-34 -8", wide),
                (oval(-25, -6, 16, 6), 0),
                ("M22 -36L22 -8", wide),
                (oval(25, -6, 10, 5.5), 0),
            ],
            c.limb,
            c.ink,
        )
        seat = (-10.0, -60.0)
    elif pose == "sitting":  # upright on its haunches, forepaws before the chest
        fat = 11 if plump else 0
        hx, hy = (16, -74) if asleep else (12, -82)
        out += _puff(-34 - fat, -14, 10, c)
        d = (
            f"M{-28 - fat} -16Q{-30 - fat} -66 0 -74Q{20 + fat * 0.5} -72 {22 + fat} -40"
            f"Q{22 + fat} -8 10 -4H-20Z"
        )
        out += union([(d, 0)], c.body, c.ink) + lit(d, c)
        out += union(
            [
                (oval(-10 - fat * 0.6, -24, 20 + fat * 0.8, 20 + fat * 0.4), 0),
                (oval(8, -7, 22, 7), 0),
            ],
            c.limb,
            c.ink,
        )
        out += union([(f"M12 -52Q22 -42 {32 + fat * 0.5} -46", wide)], c.limb, c.ink)
        seat = (-14.0, -56.0)
    else:  # stretched out flat, hind legs behind
        high = -46 if plump else -29
        hx, hy = (46, -26) if asleep else (44, -42)
        angle = 0 if asleep else angle
        out += _puff(-62, -24, 10, c)
        out += union([("M-40 -8H-72", wide)], c.limb, c.ink)
        d = (
            f"M-58 -14Q-56 {high} -20 {high}Q14 {high} 36 -34Q50 -26 46 -10Q44 -3 32 -3H-46"
            f"Q-58 -4 -58 -14Z"
        )
        out += union([(d, 0)], c.body, c.ink) + lit(d, c)
        out += union([(oval(-34, -18, 20, 15), 0), ("M18 -7H46", wide - 1)], c.limb, c.ink)
        seat = (-10.0, float(high))
    out += put(rabbit_head(c, False, state), hx, hy, angle)
    return CoatFigure(out, (hx + 12, hy - 20), seat, (hx - 10, hy + 22))


def _rabbit_front(look: Look, c: Coat) -> CoatFigure:
    plump, state, pose = look.build == "plump", look.state or "awake", look.pose or "standing"
    asleep = state == "sleeping"
    wide = 13 if plump else 9
    out = ""
    if pose == "standing":
        rx, ry = (38, 25) if plump else (20, 20)
        cy, hy = -40, -60 if not asleep else -52
        for s in (-1, 1):
            out += _legs(c, ((s * rx * 0.85, s * rx * 0.95 - 4),), cy, wide, far=True)
        out += union([(oval(0, cy, rx, ry), 0)], c.body, c.ink) + lit(oval(0, cy, rx, ry), c)
        near = 17 if plump else 10
        out += "".join(_legs(c, ((s * near, s * near - 4),), cy + 6, wide) for s in (-1, 1))
        seat = (0.0, -60.0)
    elif pose == "sitting":
        w, hy = 40 if plump else 25, -82 if not asleep else -72
        d = f"M-12 -72Q{-w} -52 {-w} -22Q{-w} -4 0 -4Q{w} -4 {w} -22Q{w} -52 12 -72Z"
        out += union([(d, 0)], c.body, c.ink) + lit(d, c)
        for s in (-1, 1):
            out += union([(oval(s * (w - 6), -8, 19 if plump else 15, 8), 0)], c.limb, c.ink)
            out += union([(f"M{s * (w - 12)} -50L{s * 7} -38", wide)], c.limb, c.ink)
        seat = (0.0, -72.0)
    else:
        rx, ry = (62, 26) if plump else (44, 16)
        hy = -26 if asleep else -40
        d = (
            f"M{-rx} -12Q{-rx} {-2 * ry} 0 {-2 * ry}Q{rx} {-2 * ry} {rx} -12"
            f"Q{rx} -3 {rx - 12} -3H{12 - rx}Q{-rx} -3 {-rx} -12Z"
        )
        out += union([(d, 0)], c.body, c.ink) + lit(d, c)
        out += union([(oval(s * 24, -7, 13, 7), 0) for s in (-1, 1)], c.limb, c.ink)
        seat = (0.0, -2.0 * ry)
    out += put(rabbit_head(c, True, state), 0, hy)
    return CoatFigure(out, (12, hy - 20), seat, (0, hy + 24))


def rabbit(look: Look) -> Drawing:
    """A rabbit, standing about 115 high with its ears. Anchors: seat, neck, head."""
    c = coat(look)
    front = look.facing not in ("left", "right")
    return finish(look, c, _rabbit_front(look, c) if front else _rabbit_side(look, c))


DRAW: dict[str, Callable[[Look], Drawing]] = {
    "cat": cat,
    "dog": dog,
    "rabbit": rabbit,
    "horse": horse,
}
