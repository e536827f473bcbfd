"""Heads of people put together, with hats and what tells girls and boys apart.

The origin is the head's center.
"""

from __future__ import annotations

import random

from finecaption_synth.art import features, hair, profile
from finecaption_synth.art.core import Look
from finecaption_synth.art.head import Head
from finecaption_synth.art.paint import HAIR, HEX, shade
from finecaption_synth.art.pen import Pen, scaled, symmetric

# A bow in the color of the hair would not be seen: (hair, accent) to the color of the bow.
_BOW = {
    (HAIR["red"], "red"): "blue",
    (HAIR["red"], "orange"): "blue",
    (HAIR["blond"], "yellow"): "purple",
    (HAIR["blond"], "orange"): "purple",
    (HAIR["brown"], "brown"): "pink",
    (HAIR["black"], "black"): "pink",
}


def draw_behind(pen: Pen, h: Head) -> None:
    """Hair that hangs behind neck and shoulders; drawn before the body."""
    if not h.side:
        hair.draw_under(pen, h)


def draw_head(pen: Pen, h: Head, look: Look) -> None:
    """The whole head with hair, face, glasses and hat, seen from look.facing (side: right)."""
    if look.facing == "back":
        _ears(pen, h)
        pen.path(_skull(h), h.skin)
        hair.draw_back(pen, h)
    elif h.side:
        _side(pen, h, look)
    else:
        _front(pen, h, look)
    _trims(pen, h, look)
    if h.hat:
        _hat(pen, h, look)


def _ears(pen: Pen, h: Head) -> None:
    big = 0.17 if h.female else 0.2 if h.child else 0.23
    if h.elderly:
        big += 0.05
    y = h.ry * (0.22 if h.child else 0.12)
    for s in (-1, 1):
        pen.ellipse(s * h.rx * 1.02, y, h.rx * big, h.ry * big, h.skin)
        pen.line(
            f"M {s * h.rx * 1.08} {y - 3} Q {s * h.rx} {y} {s * h.rx * 1.08} {y + 4}", h.dark, 2
        )


def _skull(h: Head) -> list[str | float]:
    """Round for children, tapered for women, square for men, heavy below for the old."""
    rx, ry = h.rx, h.ry
    if h.child:
        cheek, jaw, wide = 0.62, 0.72, 1.04
    elif h.female:
        cheek, jaw, wide = 0.5, 0.62 if h.elderly else 0.46, 1.0
    else:
        cheek, jaw, wide = 0.66, 0.98 if h.elderly else 0.92, 1.0
    if h.plump:
        jaw += 0.14
    return symmetric(
        (0, -ry),
        ((rx * 0.7, -ry), (rx * wide, -ry * 0.6), (rx * wide, -ry * 0.05)),
        ((rx * wide, ry * cheek), (rx * jaw, ry), (0, ry)),
    )


def _front(pen: Pen, h: Head, look: Look) -> None:
    rx, ry = h.rx, h.ry
    hair.draw_around(pen, h)
    _ears(pen, h)
    pen.path(_skull(h), h.skin)
    if h.plump and not h.beard:
        pen.line(scaled("M -0.36 0.9 Q 0 1.0 0.36 0.9", rx, ry), h.dark, 2.4)
    if h.style == "bald":
        pen.ellipse(-rx * 0.32, -ry * 0.7, rx * 0.28, ry * 0.13, shade(h.skin, -0.5), None)
        if h.elderly and not h.hat:
            hair.draw_spots(pen, h, ((0.5, -0.72), (0.2, -0.86)))
    features.draw_beard(pen, h)
    hair.draw_front(pen, h)
    features.draw_face(pen, h, look)


def _side(pen: Pen, h: Head, look: Look) -> None:
    rx, ry = h.rx, h.ry
    hair.draw_side_around(pen, h)
    profile.draw_skull(pen, h)
    if h.style == "bald":
        pen.ellipse(-rx * 0.1, -ry * 0.7, rx * 0.3, ry * 0.13, shade(h.skin, -0.5), None)
        if h.elderly and not h.hat:
            hair.draw_spots(pen, h, ((-0.62, -0.4), (-0.35, -0.1), (-0.7, 0)))
    profile.draw_side_beard(pen, h)
    if h.style == "long":
        profile.draw_ear(pen, h)
        hair.draw_side(pen, h)
    else:
        hair.draw_side(pen, h)
        profile.draw_ear(pen, h)
    profile.draw_side_face(pen, h, look)


def _trims(pen: Pen, h: Head, look: Look) -> None:
    """What tells women, girls and boys apart whatever their hair: earrings, bow, cowlick."""
    rx, ry = h.rx, h.ry
    covered = look.facing == "back" and h.style == "long"
    if h.female and not h.child and not covered:
        ears: tuple[float, ...] = (-rx * 0.16,) if h.side else (-rx * 1.06, rx * 1.06)
        for x in ears if not (h.hat and h.style == "bun") else ears[:1]:
            pen.ellipse(x, ry * (0.42 if h.side else 0.38), 4.8, 6.4, "#f3c53a")
    if h.female and h.child:
        x, y = (-rx * 0.66, -ry * 0.98) if not h.side else (-rx * 0.1, -ry * 1.02)
        if h.hat:
            x, y = (-rx * 1.0, -ry * 0.05) if not h.side else (-rx * 0.85, ry * 0.1)
        c = HEX[_BOW.get((h.hair, look.accent), look.accent)]
        with pen.group(x, y, 0 if h.side or h.hat else -28):
            for s in (-1, 1):
                pen.path(f"M 0 0 L {s * 18} -12 Q {s * 23} 0 {s * 18} 12 Z", c)
            pen.ellipse(0, 0, 5, 5, shade(c, 0.2))
    if h.child and not h.female and h.style not in ("bald", "bun") and not h.hat:
        y = -ry * (1.22 if h.style == "curly" else 1.04)
        pen.path(
            f"M -10 {y + 3} Q -8 {y - 15} 7 {y - 17} Q 1 {y - 8} 3 {y - 5} Q 11 {y - 12} "
            f"17 {y - 10} Q 11 {y - 3} 10 {y + 4} Z",
            h.hair,
        )


def _hat(pen: Pen, h: Head, look: Look) -> None:
    rx, ry = h.rx, h.ry
    c = HEX[look.accent]
    x = -rx * 0.05 if h.side else 0
    flat = random.Random(look.variant).random() < 0.5
    with pen.group(x, -ry * 0.62, -4 if h.side else 0, data_part="hat"):
        crown = (
            symmetric((0, -ry * 0.9), ((rx * 0.78, -ry * 0.9),), ((rx * 1.0, 0),), ((0, 3),))
            if flat
            else symmetric((0, -ry * 0.95), ((rx * 1.05, -ry * 0.95), (rx * 1.04, 0)), ((0, 3),))
        )
        pen.path(crown, c)
        pen.path(
            symmetric((0, -ry * 0.24), ((rx * 0.97, -ry * 0.24),), ((rx * 1.03, 0),), ((0, 3),)),
            shade(c, 0.35 if look.accent != "black" else -0.35),
            None,
        )
        pen.ellipse(0, 1, rx * 1.48, ry * 0.15, shade(c, -0.1))
