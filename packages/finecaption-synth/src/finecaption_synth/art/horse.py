"""Horses, seen from the side: a body of outlined shapes, a mane in locks, hooves."""

from __future__ import annotations

from finecaption_synth.art.animal_heads import horse_head
from finecaption_synth.art.coats import (
    Coat,
    CoatFigure,
    Piece,
    Point,
    coat,
    finish,
    line,
    lit,
    oval,
    put,
    sheen,
    union,
    wedge,
)
from finecaption_synth.art.core import Drawing, Look, n
from finecaption_synth.art.paint import shade


def _hooves(
    c: Coat, legs: tuple[str, ...], feet: tuple[Point, ...], width: float, far: bool = False
) -> str:
    out = union([(d, width) for d in legs], c.far if far else c.limb, c.ink)
    for x, y in feet:
        w = width * 0.62
        out += union(
            [wedge((x - w, y), (x + w, y), (x + w + 2, y + 10), (x - w - 1, y + 10))], "#4a3f45"
        )
    return out


def _horse(look: Look, c: Coat) -> CoatFigure:
    plump, state, pose = look.build == "plump", look.state or "awake", look.pose or "standing"
    asleep = state == "sleeping"
    legs: tuple[str, ...]
    feet: tuple[Point, ...]
    mane = shade(c.base, -0.45) if look.colour == "black" else shade(c.base, 0.45)
    if look.colour == "white":
        mane = "#b9ae9f"
    leg = 19 if plump else 13
    neck_w = 44 if plump else 30
    out = ""
    if pose == "standing":
        back, belly = -128, -62 if plump else -90
        head = (96, -128) if asleep else (82, -168)
        out += _hooves(
            c,
            (f"M-44 {back + 30}L-40 -16", f"M52 {back + 34}L56 -16"),
            ((-40, -16), (56, -16)),
            leg,
            far=True,
        )
        tail = f"M-62 {back + 14}C-92 {back + 8} -84 {back + 60} -90 {back + 92}"
        d = (
            f"M-68 {back + 26}Q-66 {back - 2} -34 {back - 2}Q0 {back + 10} 34 {back}"
            f"Q66 {back - 4} 64 {back + 34}"
            f"Q58 {belly} 6 {belly}Q-34 {belly} -50 {belly + (2 if plump else -2)}"
            f"Q-68 {back + 56} -68 {back + 26}Z"
        )
        legs = (f"M-54 {back + 34}L-56 -12", f"M40 {back + 36}L40 -12")
        feet = ((-56.0, -12.0), (40.0, -12.0))
        base, seat = (44, back + 22), (-4.0, float(back + 4))
        rear = ""
    elif pose == "sitting":
        fat = 18 if plump else -10
        head = (72, -120) if asleep else (60, -162)
        tail = f"M{-62 - fat} -34C{-86 - fat} -36 {-92 - fat} -16 {-104 - fat} -10"
        d = (
            f"M{-64 - fat} -34Q{-66 - fat * 1.4} -78 -14 -112Q14 -134 38 -122"
            f"Q58 -104 {46 + fat * 0.6} -66"
            f"Q{40 + fat} -26 4 -14H-40Q-60 -14 {-64 - fat} -34Z"
        )
        out += _hooves(c, ("M40 -84L50 -16",), ((50, -16),), leg, far=True)
        legs, feet = ("M28 -84L32 -12",), ((32.0, -12.0),)
        base, seat = (24, -108), (-26.0, -106.0)
        rear = union(
            [(oval(-34 - fat * 0.6, -38, 30 + fat, 32 + fat * 0.4), 0), ("M-30 -16L-6 -11", leg)],
            c.body,
            c.ink,
        )
        rear += union([wedge((-2, -18), (10, -18), (13, -2), (-4, -2))], "#4a3f45")
    else:
        high = -84 if plump else -58
        head = (92, -60) if asleep else (76, -112)
        tail = "M-72 -30C-96 -28 -94 -12 -112 -9"
        d = (
            f"M-76 -22Q-78 {high} -34 {high}Q10 {high + 8} 40 {high - 4}Q70 {high + 10} 66 -22"
            f"Q62 -4 40 -4H-58Q-76 -4 -76 -22Z"
        )
        out += _hooves(c, ("M54 -18L88 -13",), ((90, -14),), leg, far=True)
        legs, feet = ("M44 -26L70 -12L40 -9",), ()
        base, seat = (46, high + 20), (-6.0, float(high))
        rear = union(
            [
                (oval(-42, -30 - (8 if plump else 0), 30, 26 + (8 if plump else 0)), 0),
                ("M-40 -10H-10", leg),
            ],
            c.body,
            c.ink,
        )
        rear += union([wedge((-8, -18), (6, -18), (10, -2), (-8, -2))], "#4a3f45")
    out += union([(tail, 17)], mane) + line(tail, shade(mane, 0.25), 2.2)
    hx, hy = head
    nx, ny = hx - 6, hy + 8
    neck = (
        f"M{base[0]} {base[1]}Q{n((base[0] + nx) / 2 - 4)} {n((base[1] + ny) / 2)} {nx} {ny}",
        neck_w,
    )
    if pose == "standing":
        out += union([(q, leg) for q in legs], c.limb, c.ink)
        out += union([(d, 0), (oval(46, back + 34, 22, 30), 0), neck], c.body, c.ink)
        out += union([(q, leg - 3) for q in legs], c.limb, edge=0) + _hooves(c, (), feet, leg)
        out += sheen(f"M-54 {back + 13}Q-44 {back + 7} -30 {back + 8}Q0 {back + 18} 22 {back + 14}")
    else:
        out += union([(d, 0), neck], c.body, c.ink) + lit(d, c) + rear + _hooves(c, legs, feet, leg)
    # The mane runs down the back of the neck, in locks.
    dx, dy = nx - base[0], ny - base[1]
    size = max(1.0, (dx * dx + dy * dy) ** 0.5)
    px, py = dy / size * neck_w * 0.5, -dx / size * neck_w * 0.5
    locks: list[Piece] = []
    for t in (-0.05, 0.25, 0.5, 0.75, 1.0):
        x, y = base[0] + dx * t + px, base[1] + dy * t + py
        locks.append((oval(x + 1, y, 10, 12), 0))
    out += union(locks, mane)
    out += put(horse_head(c, mane, state), hx, hy, 16 if asleep else 0)
    return CoatFigure(out, (hx + 4, hy), seat, (hx - 16, hy + 34))


def horse(look: Look) -> Drawing:
    """A horse from the side, standing about 210 high. Anchors: seat (its back), neck, head."""
    c = coat(look, 1.2)
    return finish(look, c, _horse(look, c))
