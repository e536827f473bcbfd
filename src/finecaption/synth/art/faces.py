"""Heads of people: faces, expressions, hair, hats and glasses. The origin is the head's centre."""

from __future__ import annotations

import random
from dataclasses import dataclass

from finecaption.synth.art.core import Look
from finecaption.synth.art.paint import HAIR, HEX, INK, SKIN, mix, shade
from finecaption.synth.art.pen import LINE, Pen, scallops, symmetric

MOUTH = "#7c2433"
LIPS = "#cc2f50"
PUPIL = "#2a2027"


@dataclass(frozen=True)
class Head:
    """Sizes and colours that every part of one head shares."""

    rx: float
    ry: float
    female: bool
    child: bool
    elderly: bool
    skin: str
    hair: str
    style: str
    hat: bool
    side: bool

    @property
    def dark(self) -> str:
        return shade(self.skin, 0.35)

    @property
    def sheen(self) -> str:
        return shade(self.hair, -0.3)


def head_of(look: Look, rx: float, ry: float) -> Head:
    """The head of a person of this look with half width rx and half height ry."""
    hair = "grey" if look.age == "elderly" else look.hair_colour or "brown"
    return Head(
        rx, ry, look.category in ("woman", "girl"), look.category in ("boy", "girl"),
        look.age == "elderly", SKIN[look.skin or "tan"], HAIR[hair], look.hair_style or "short",
        look.accessory == "hat", look.facing in ("left", "right"),
    )  # fmt: skip


def draw_behind(pen: Pen, h: Head) -> None:
    """Hair that hangs behind neck and shoulders; drawn before the body."""
    rx, ry = h.rx, h.ry
    if h.style == "long" and not h.side:
        d = symmetric((0, -ry), ((rx * 1.3, -ry), (rx * 1.25, ry * 0.2)),
                      ((rx * 1.2, ry * 1.1), (rx * 1.38, ry * 1.7)), ((rx, ry * 2), (0, ry * 1.8)))
        pen.path(d, shade(h.hair, 0.2))


def draw_head(pen: Pen, h: Head, look: Look) -> None:
    """The whole head with hair, face, glasses and hat, seen from look.facing (side: right)."""
    if look.facing == "back":
        _back(pen, h)
    elif h.side:
        _side(pen, h, look)
    else:
        _front(pen, h, look)
    _trims(pen, h, look)
    if h.hat:
        _hat(pen, h, look)


def _jaw(h: Head) -> float:
    if h.female:
        return 0.62 if h.child else 0.5
    return 0.8 if h.child else 0.95


def _ears(pen: Pen, h: Head) -> None:
    big = 0.17 if h.female else 0.23
    for s in (-1, 1):
        pen.ellipse(s * h.rx * 1.02, h.ry * 0.1, h.rx * big, h.ry * big, h.skin)


def _skull(h: Head) -> list[str | float]:
    rx, ry = h.rx, h.ry
    return symmetric((0, -ry), ((rx * 0.7, -ry), (rx, -ry * 0.6), (rx, -ry * 0.05)),
                     ((rx, ry * 0.5), (rx * _jaw(h), ry), (0, ry)))


def _front(pen: Pen, h: Head, look: Look) -> None:
    rx, ry = h.rx, h.ry
    if h.style == "curly":
        pen.path(scallops(0, -ry * 0.12, rx * 1.3, ry * 1.05, 11), h.hair)
    elif h.style == "long":
        for s in (-1, 1):
            pen.path(["M", 0, -ry, "Q", s * rx * 1.3, -ry, s * rx * 1.22, 0, "Q", s * rx * 1.15,
                      ry * 0.9, s * rx * 1.4, ry * 1.75, "Q", s * rx * 0.95, ry * 1.95,
                      s * rx * 0.62, ry * 1.62, "Q", s * rx * 0.9, ry, s * rx * 0.7, ry * 0.4,
                      "Z"], h.hair)
            pen.line(["M", s * rx * 1.06, ry * 0.5, "Q", s * rx, ry * 1.2, s * rx * 1.12,
                      ry * 1.6], h.sheen, 3)
    _bun(pen, h)
    _ears(pen, h)
    pen.path(_skull(h), h.skin)
    if h.style == "bald":
        pen.ellipse(-rx * 0.32, -ry * 0.68, rx * 0.28, ry * 0.13, shade(h.skin, -0.5), None)
    _cheeks(pen, h, look, (-0.58, 0.58))
    _beard(pen, h)
    _fringe(pen, h)
    pen.line(["M", -2, ry * 0.12, "Q", rx * 0.2, ry * 0.3, -1, ry * 0.3], h.dark, 2.6)
    for s in (-1, 1):
        _eye(pen, h, look, s * rx * 0.43, s)
        _brow(pen, h, look, s * rx * 0.43, s)
    if not h.female and not h.child:
        pen.ellipse(0, ry * 0.6, 17, 13, h.skin, None)
    _mouth(pen, h, look, 0, ry * 0.58, 1)
    if look.accessory == "glasses":
        for s in (-1, 1):
            pen.ellipse(s * rx * 0.45, ry * 0.01, 14.5, 14, "none", PUPIL, stroke_width=4)
        pen.line(["M", -3, 0, "Q", 0, -4, 3, 0], PUPIL, 4)


def _side(pen: Pen, h: Head, look: Look) -> None:
    rx, ry = h.rx, h.ry
    if h.style == "curly":
        pen.path(scallops(-rx * 0.3, -ry * 0.15, rx * 1.12, ry * 1.08, 10), h.hair)
    elif h.style == "long":
        pen.path(["M", 0, -ry * 1.1, "Q", -rx * 1.3, -ry, -rx * 1.2, ry * 0.1, "Q", -rx * 1.15, ry,
                  -rx * 1.4, ry * 1.75, "Q", -rx * 0.9, ry * 2, -rx * 0.4, ry * 1.7, "Q", 0, ry,
                  rx * 0.1, 0, "Z"], h.hair)
        pen.line(["M", -rx * 0.8, ry * 0.6, "Q", -rx * 0.75, ry * 1.2, -rx * 0.92, ry * 1.65],
                 h.sheen, 3)
    _bun(pen, h)
    chin = 0.86 if not h.female else 0.72
    pen.path(["M", 0, -ry, "C", rx * 0.62, -ry, rx * 0.95, -ry * 0.7, rx * 0.93, -ry * 0.25,
              "L", rx * 0.92, -ry * 0.05, "Q", rx * 1.38, ry * 0.3, rx * 0.96, ry * 0.33,
              "L", rx * 0.93, ry * 0.55, "Q", rx * 1.0, ry * 0.95, rx * chin * 0.75, ry,
              "Q", 0, ry * 1.02, -rx * 0.3, ry * 0.8, "C", -rx * 0.9, ry * 0.7, -rx * 1.05,
              ry * 0.1, -rx, -ry * 0.25, "C", -rx * 0.95, -ry * 0.8, -rx * 0.5, -ry, 0, -ry, "Z"],
             h.skin)  # fmt: skip
    if h.style == "bald":
        pen.ellipse(rx * 0.15, -ry * 0.7, rx * 0.28, ry * 0.13, shade(h.skin, -0.5), None)
    _cheeks(pen, h, look, (0.4,))
    _beard(pen, h)
    _fringe(pen, h)
    pen.ellipse(-rx * 0.14, ry * 0.12, rx * 0.17, ry * 0.2, h.skin)
    pen.line(["M", -rx * 0.17, ry * 0.05, "Q", -rx * 0.02, ry * 0.12, -rx * 0.16, ry * 0.2],
             h.dark, 2)
    _eye(pen, h, look, rx * 0.52, 1)
    _brow(pen, h, look, rx * 0.56, 1)
    _mouth(pen, h, look, rx * 0.66, ry * 0.62, 0.72)
    if look.accessory == "glasses":
        pen.line(["M", rx * 0.2, -ry * 0.02, "L", -rx * 0.14, -ry * 0.02], PUPIL, 4)
        pen.ellipse(rx * 0.56, ry * 0.01, 13, 14, "none", PUPIL, stroke_width=4)


def _back(pen: Pen, h: Head) -> None:
    rx, ry = h.rx, h.ry
    _ears(pen, h)
    pen.path(_skull(h), h.skin)
    if h.style == "bald":
        pen.ellipse(-rx * 0.3, -ry * 0.55, rx * 0.3, ry * 0.15, shade(h.skin, -0.5), None)
        for y in (0.62, 0.76):
            pen.line(["M", -rx * 0.3, ry * y, "Q", 0, ry * (y + 0.08), rx * 0.3, ry * y], h.dark, 2)
    elif h.style == "curly":
        pen.path(scallops(0, -ry * 0.12, rx * 1.3, ry * 1.08, 11), h.hair)
        curls: list[str | float] = []
        for x, y in ((-0.6, -0.6), (0.1, -0.8), (0.7, -0.35), (-0.2, -0.1), (0.4, 0.35),
                     (-0.75, 0.2)):  # fmt: skip
            curls += ["M", x * rx - 7, y * ry, "Q", x * rx, y * ry - 11, x * rx + 7, y * ry]
        pen.line(curls, h.sheen, 3)
    elif h.style == "long":
        pen.path(symmetric((0, -ry * 1.12), ((rx * 1.25, -ry * 1.1), (rx * 1.2, ry * 0.1)),
                           ((rx * 1.1, ry), (rx * 1.3, ry * 1.75)),
                           ((rx * 0.6, ry * 2.15), (0, ry * 2.05))), h.hair)
        for x in (-0.55, 0, 0.55):
            pen.line(["M", x * rx * 0.8, -ry * 0.4, "L", x * rx * 1.1, ry * 1.6], h.sheen, 3)
    else:
        low = 0.62 if h.style == "short" else 0.5
        pen.path(symmetric((0, -ry * 1.12), ((rx * 1.15, -ry * 1.1), (rx * 1.07, -ry * 0.05)),
                           ((rx * 1.05, ry * 0.4), (rx * 0.6, ry * low)),
                           ((rx * 0.3, ry * (low + 0.18)), (0, ry * low))), h.hair)
        pen.line(["M", -rx * 0.6, -ry * 0.5, "Q", -rx * 0.2, -ry * 0.85, rx * 0.3, -ry * 0.75],
                 h.sheen, 4)
        if h.style == "bun":
            for x in (-0.5, 0, 0.5):
                pen.line(["M", x * rx, ry * 0.35, "Q", x * rx * 0.8, -ry * 0.3, x * rx * 0.3,
                          -ry * 0.9], h.sheen, 2.6)
    _bun(pen, h)


def _bun(pen: Pen, h: Head) -> None:
    """The knot of a bun: on top, or low beside the neck under a hat."""
    if h.style != "bun":
        return
    r = h.rx * 0.5
    x, y = (0.0, -h.ry * 1.3) if not h.side else (-h.rx * 0.5, -h.ry * 1.22)
    if h.hat:
        x, y = (h.rx * 1.05, h.ry * 0.62) if not h.side else (-h.rx * 1.12, h.ry * 0.4)
    pen.ellipse(x, y, r * 1.1, r, h.hair)
    pen.line(["M", x - r * 0.6, y, "Q", x, y - r * 0.8, x + r * 0.5, y - r * 0.1], h.sheen, 3)


def _fringe(pen: Pen, h: Head) -> None:
    """Hair over the forehead (front) or over top and back of the head (side)."""
    rx, ry, style = h.rx, h.ry, h.style
    if style == "bald":
        return
    if h.side:
        if style == "curly":
            pen.path(scallops(-rx * 0.28, -ry * 0.52, rx * 0.95, ry * 0.48, 9, 1.2), h.hair)
            pen.ellipse(-rx * 0.62, -ry * 0.05, rx * 0.42, ry * 0.5, h.hair, None)
            return
        low = {"short": 0.5, "bun": 0.3, "long": 0.6}[style]
        pen.path(["M", rx * 0.95, -ry * 0.5, "Q", rx * 0.9, -ry * 1.15, 0, -ry * 1.14, "Q",
                  -rx * 1.15, -ry * 1.12, -rx * 1.1, -ry * 0.1, "Q", -rx * 1.08, ry * low,
                  -rx * 0.6, ry * (low + 0.15), "Q", -rx * 0.42, ry * 0.2, -rx * 0.3, -ry * 0.05,
                  "L", rx * 0.08, ry * 0.05, "L", rx * 0.2, -ry * 0.45, "Q", rx * 0.6, -ry * 0.45,
                  rx * 0.95, -ry * 0.5, "Z"], h.hair)
        pen.line(["M", -rx * 0.7, -ry * 0.5, "Q", -rx * 0.3, -ry * 0.9, rx * 0.3, -ry * 0.85],
                 h.sheen, 4)
        return
    if style == "curly":
        curls: list[str | float] = []
        for x, y in ((-0.95, -0.3), (0.95, -0.3), (-0.62, -0.72), (0.62, -0.72), (-0.2, -0.86),
                     (0.25, -0.86)):  # fmt: skip
            pen.ellipse(x * rx, y * ry, rx * 0.31, ry * 0.25, h.hair, None)
            curls += ["M", x * rx - 6, y * ry, "Q", x * rx, y * ry - 9, x * rx + 6, y * ry]
        pen.line(curls, h.sheen, 2.6)
        return
    top: list[str | float] = ["M", -rx * 1.07, ry * 0.02, "C", -rx * 1.2, -ry * 1.45]
    top += [rx * 1.2, -ry * 1.45, rx * 1.07, ry * 0.02, "L", rx * 0.93, -ry * 0.05]
    if style == "short":
        top += ["Q", rx * 0.9, -ry * 0.5, rx * 0.6, -ry * 0.58, "Q", -rx * 0.1, -ry * 0.5,
                -rx * 0.45, -ry * 0.78, "Q", -rx * 0.85, -ry * 0.55]  # fmt: skip
    else:
        part = -0.95 if style == "long" else -0.8
        top += ["Q", rx * 0.82, -ry * 0.62, 0, ry * part, "Q", -rx * 0.82, -ry * 0.62]
    top += [-rx * 0.93, -ry * 0.05, "Z"]
    pen.path(top, h.hair)
    pen.line(["M", rx * 0.15, -ry * 0.93, "Q", rx * 0.6, -ry * 0.88, rx * 0.82, -ry * 0.5],
             h.sheen, 4)


def _trims(pen: Pen, h: Head, look: Look) -> None:
    """What tells women, girls and boys apart whatever their hair: earrings, bow, cowlick."""
    rx, ry = h.rx, h.ry
    if h.female:
        for x in (-rx * 0.14,) if h.side else (-rx * 1.06, rx * 1.06):
            pen.ellipse(x, ry * (0.42 if h.side else 0.36), 4.6, 5.4, "#f3c53a")
    if h.female and h.child:
        x, y = (-rx * 0.62, -ry * 0.98) if not h.side else (-rx * 0.3, -ry * 1.1)
        if h.hat:
            x, y = (-rx * 1.0, -ry * 0.12) if not h.side else (-rx * 0.85, ry * 0.1)
        c = HEX[look.accent]
        with pen.group(x, y, 0 if h.side or h.hat else -28):
            for s in (-1, 1):
                pen.path(["M", 0, 0, "L", s * 17, -11, "Q", s * 21, 0, s * 17, 11, "Z"], c)
            pen.ellipse(0, 0, 5, 5, shade(c, 0.2))
    if h.child and not h.female and h.style != "bald" and not h.hat:
        y = -ry * (1.22 if h.style == "curly" else 1.7 if h.style == "bun" else 1.02)
        x = -rx * 0.5 if h.side and h.style == "bun" else 0
        pen.path(["M", x - 10, y + 3, "Q", x - 8, y - 15, x + 7, y - 17, "Q", x + 1, y - 8, x + 3,
                  y - 5, "Q", x + 11, y - 12, x + 17, y - 10, "Q", x + 11, y - 3, x + 10, y + 4,
                  "Z"], h.hair)  # fmt: skip


def _hat(pen: Pen, h: Head, look: Look) -> None:
    rx, ry = h.rx, h.ry
    c = HEX[look.accent]
    x = -rx * 0.05 if h.side else 0
    flat = random.Random(look.variant).random() < 0.5
    with pen.group(x, -ry * 0.6, -4 if h.side else 0, data_part="hat"):
        crown = (
            symmetric((0, -ry * 0.9), ((rx * 0.78, -ry * 0.9),), ((rx * 1.0, 0),), ((0, 3),))
            if flat
            else symmetric((0, -ry * 0.95), ((rx * 1.05, -ry * 0.95), (rx * 1.04, 0)), ((0, 3),))
        )
        pen.path(crown, c)
        pen.path(symmetric((0, -ry * 0.24), ((rx * 0.97, -ry * 0.24),), ((rx * 1.03, 0),),
                           ((0, 3),)), shade(c, 0.35 if look.accent != "black" else -0.35), None)
        pen.ellipse(0, 1, rx * 1.48, ry * 0.17, shade(c, -0.1))


def _beard(pen: Pen, h: Head) -> None:
    """A beard along the jaw of a grown man; the lips stay clear of it."""
    if h.female or h.child:
        return
    rx, ry = h.rx, h.ry
    if h.side:
        pen.path(["M", -rx * 0.05, ry * 0.28, "Q", rx * 0.1, ry * 0.68, rx * 0.5, ry * 0.5, "L",
                  rx * 0.95, ry * 0.4, "L", rx * 0.97, ry * 0.6, "Q", rx * 1.08, ry * 1.12,
                  rx * 0.6, ry * 1.12, "Q", 0, ry * 1.15, -rx * 0.34, ry * 0.75, "Z"], h.hair)
        pen.ellipse(rx * 0.74, ry * 0.63, 10, 10, h.skin, None)
        return
    pen.path(["M", -rx * 1.01, ry * 0.2, "Q", -rx * 0.82, ry * 0.66, -rx * 0.42, ry * 0.5, "Q", 0,
              ry * 0.36, rx * 0.42, ry * 0.5, "Q", rx * 0.82, ry * 0.66, rx * 1.01, ry * 0.2,
              "C", rx * 1.08, ry * 0.7, rx * 0.8, ry * 1.17, 0, ry * 1.17, "C", -rx * 0.8,
              ry * 1.17, -rx * 1.08, ry * 0.7, -rx * 1.01, ry * 0.2, "Z"], h.hair)  # fmt: skip


def _cheeks(pen: Pen, h: Head, look: Look, at: tuple[float, ...]) -> None:
    """Blush, freckles and wrinkles."""
    rx, ry = h.rx, h.ry
    for x in at:
        s = 1 if x > 0 else -1
        if h.female:
            pen.ellipse(x * rx * 1.05, ry * 0.42, rx * 0.22, ry * 0.16, "#e8566f", None,
                        opacity=0.3 if look.skin_texture == "freckled" else 0.5)
        if look.skin_texture == "freckled":
            spot = shade(h.skin, 0.6) if look.skin in ("brown", "dark") else "#a8562a"
            dots: list[str | float] = []
            for dx, dy in ((-8, -1), (0, 4), (9, -3), (1, -5), (9, 5), (-8, 7), (-15, -4)):
                px, py = x * rx + dx * s, ry * (0.37 if h.child or h.female else 0.34) + dy
                dots += ["M", px, py, "L", px + 0.1, py]
            pen.line(dots, spot, 5.4)  # round caps make dots
        if look.skin_texture == "wrinkled" or h.elderly:
            line = shade(h.skin, 0.45)
            pen.line(["M", x * rx - s * 3, ry * 0.33, "Q", x * rx + s * 5, ry * 0.4, x * rx + s * 9,
                      ry * 0.28, "M", x * rx - s * 7, ry * 0.3, "Q", x * rx - s * 1, ry * 0.52,
                      x * rx - s * 1, ry * 0.66], line, 2.4)
    if look.skin_texture == "wrinkled" or h.elderly:
        x0, x1 = (rx * 0.3, rx * 0.85) if h.side else (-rx * 0.45, rx * 0.45)
        lines: list[str | float] = []
        for y in (-0.5, -0.62, -0.74):
            lines += ["M", x0, ry * y, "Q", (x0 + x1) / 2, ry * (y - 0.06), x1, ry * y]
        pen.line(lines, shade(h.skin, 0.45), 2.2)


def _eye(pen: Pen, h: Head, look: Look, x: float, s: int) -> None:
    y = 0.0
    lashes = h.female
    if look.state == "sleeping":
        pen.line(["M", x - 9, y, "Q", x, y + 10, x + 9, y], PUPIL, 3.4)
        if lashes:
            for dx in (4, 9):
                pen.line(["M", x + s * dx, y + 5 - dx / 3, "L", x + s * (dx + 4), y + 9 - dx / 3],
                         PUPIL, 2.4)
        return
    tall = {"surprised": 13.0, "angry": 8.5}.get(look.expression or "", 10.5)
    pen.ellipse(x, y, 8.8, tall, "#ffffff", INK, stroke_width=2)
    gaze = 2.0 if h.side else 0.0
    down = look.state == "reading"
    r = 4.6 if look.expression == "surprised" else 5.6
    pen.ellipse(x + gaze, y + (tall - 5.5 if down else 1), r, r if not down else 4.6, PUPIL, None)
    if down:
        pen.path(["M", x - 9.4, y + 2, "Q", x - 9.4, y - tall - 0.5, x, y - tall - 0.5, "Q",
                  x + 9.4, y - tall - 0.5, x + 9.4, y + 2, "Q", x, y + 5, x - 9.4, y + 2, "Z"],
                 shade(h.skin, 0.1))
    else:
        pen.ellipse(x + gaze - 1.8, y - 1.4, 1.7, 1.7, "#ffffff", None)
    if lashes:
        t = y - 2 if down else y - tall * 0.7
        pen.line(["M", x - s * 6, t - 1, "Q", x + s * 3, t - 5, x + s * 8, t + 3], PUPIL, 3.2)
        pen.line(["M", x + s * 6, t - 1, "L", x + s * 12, t - 5, "M", x + s * 8, t + 4, "L",
                  x + s * 14, t], PUPIL, 2.4)


def _brow(pen: Pen, h: Head, look: Look, x: float, s: int) -> None:
    """A brow; s points to the outer end."""
    width = 3.6 if h.female else 6.0
    colour = shade(h.hair, 0.7 if look.skin in ("brown", "dark") else 0.3)
    if h.elderly:
        colour = "#ece9e4" if look.skin in ("brown", "dark") else "#8d8a8e"
    ry = h.ry
    kind = look.expression or "happy"
    inner, mid, outer = {
        "happy": (-0.4, -0.54, -0.38),
        "sad": (-0.56, -0.44, -0.26),
        "surprised": (-0.52, -0.76, -0.5),
        "angry": (-0.18, -0.34, -0.5),
    }[kind]
    s = -1 if h.side else s  # in profile the nose end is the inner one
    if kind == "angry":
        width += 1.4
    pen.line(["M", x - s * 9, ry * inner, "Q", x, ry * mid, x + s * 10, ry * outer], colour, width)


def _mouth(pen: Pen, h: Head, look: Look, x: float, y: float, k: float) -> None:
    """The mouth about (x, y), k times its full width (profile: narrower)."""
    w = 13.5 * k
    deep = look.skin in ("brown", "dark")
    # Lips in a tone of the skin; ink would vanish on a deep one.
    line, width = (mix(LIPS, h.skin, 0.5 if deep else 0.3), 3.4) if h.female else (INK, LINE)
    if not h.female and deep:
        line, width = mix(h.skin, "#f0b9a0", 0.4), 3.0
    kind = look.expression or "happy"
    if kind == "happy":
        pen.path(["M", x - w, y - 5, "Q", x, y - 1, x + w, y - 5, "Q", x + w * 0.85, y + 11, x,
                  y + 11, "Q", x - w * 0.85, y + 11, x - w, y - 5, "Z"], MOUTH, line, width)
        pen.path(["M", x - w * 0.8, y - 3, "Q", x, y + 1, x + w * 0.8, y - 3, "L", x + w * 0.65,
                  y + 2, "Q", x, y + 4, x - w * 0.65, y + 2, "Z"], "#ffffff", None)
    elif kind == "sad":
        pen.line(["M", x - w * 0.95, y + 7, "Q", x, y - 11, x + w * 0.95, y + 7],
                 line, 4.8)
        tear = x + (-8 if h.side else h.rx * 0.5)
        t = h.ry * 0.36
        pen.path(["M", tear, t - 8, "Q", tear + 7, t + 4, tear, t + 6, "Q", tear - 7, t + 4, tear,
                  t - 8, "Z"], "#7cc4f0", "#3d86bd", 1.6)
    elif kind == "surprised":
        pen.ellipse(x, y + 1, 10 * (0.85 if h.side else 1), 12, MOUTH, line, stroke_width=width)
    else:
        pen.path(["M", x - w * 0.85, y - 3, "Q", x, y - 9, x + w * 0.85, y - 3, "L", x + w, y + 8,
                  "Q", x, y + 2, x - w, y + 8, "Z"], "#ffffff", line, max(width, 3.4))
        pen.line(["M", x - w * 0.85, y + 2, "Q", x, y - 3, x + w * 0.85, y + 2], INK, 2)
        pen.line(["M", x - w * 0.35, y - 5, "L", x - w * 0.38, y + 4, "M", x + w * 0.35, y - 5,
                  "L", x + w * 0.38, y + 4], INK, 2)

