"""Heads of cats, dogs, rabbits and horses, about the origin, from the front and facing right."""

from __future__ import annotations

from finecaption_synth.art.coats import INNER, Coat, carrot, eye, hay, line, oval, union, wedge
from finecaption_synth.art.core import el, group
from finecaption_synth.art.paint import INK, shade


def _ellipse(cx: float, cy: float, rx: float, ry: float, fill: str, **kw: object) -> str:
    return el("ellipse", cx=cx, cy=cy, rx=rx, ry=ry, fill=fill, **kw)


def _marks(c: Coat, front: bool) -> str:
    """A few stripes or spots of the coat, clear of eyes and mouth."""
    glint = el(
        "ellipse",
        cx=-11,
        cy=-16,
        rx=10,
        ry=4.5,
        fill="#ffffff",
        opacity=0.22,
        transform="rotate(-24 -11 -16)",
    )
    if c.pattern == "striped":
        d = (
            "M0 -24V-13M-9 -23L-7 -15M9 -23L7 -15"
            if front
            else "M-6 -24V-14M3 -25V-17M-14 -20L-11 -12"
        )
        d += "M-29 3L-22 5M29 3L22 5" if front else "M-24 6L-14 5M-21 15L-12 12"
        return glint + line(d, c.mark, 4.6)
    if c.pattern == "spotted":
        at = (
            ((-19, -15, 5), (18, -17, 4.5), (2, -20, 4))
            if front
            else ((-16, -8, 5.5), (-4, -19, 4.5), (-13, 10, 5))
        )
        return glint + "".join(el("circle", cx=x, cy=y, r=r, fill=c.mark) for x, y, r in at)
    return glint


def cat_head(c: Coat, front: bool, state: str) -> str:
    """Pointed ears, small muzzle, whiskers."""
    shut = state == "sleeping"
    if front:
        ears = [wedge((-30, -4), (-28, -37), (-4, -23)), wedge((30, -4), (28, -37), (4, -23))]
        out = union([(oval(0, 0, 33, 26), 0), *ears], c.base, c.ink)
        for s in (-1, 1):
            out += el("polygon", points=f"{s * 24},-17 {s * 24.500},-30 {s * 12},-22", fill=INNER)
        out += _marks(c, True)
        out += _ellipse(-7, 11, 9.5, 7.5, c.soft) + _ellipse(7, 11, 9.5, 7.5, c.soft)
        out += eye(-14, -4, shut, c) + eye(14, -4, shut, c)
        out += el(
            "path",
            d="M-5.500 4H5.500L0 10Z",
            fill="#d9707a",
            stroke=INK,
            stroke_width=1.6,
            stroke_linejoin="round",
        )
        out += line("M0 10V12Q-5 19 -10 14M0 12Q5 19 10 14", INK, 2)
        return out + line("M-18 8L-40 4M-18 12L-40 15M18 8L40 4M18 12L40 15", c.line, 1.8)
    ears = [wedge((-24, -10), (-20, -38), (0, -22)), wedge((2, -22), (16, -37), (20, -12))]
    out = union([(oval(0, 0, 28, 26), 0), (oval(20, 8, 13, 10), 0), *ears], c.base, c.ink)
    out += el("polygon", points="-19,-18 -17,-30 -7,-23", fill=INNER) + _marks(c, False)
    out += _ellipse(21, 9, 10, 8, c.soft) + eye(9, -4, shut, c)
    out += el(
        "path",
        d="M25 1H33L31 8Z",
        fill="#d9707a",
        stroke=INK,
        stroke_width=1.6,
        stroke_linejoin="round",
    )
    out += line("M30 9Q27 17 16 14", INK, 2)
    return out + line("M18 8L-2 10M18 12L0 18M30 12L44 10M29 14L42 18", c.line, 1.8)


def dog_head(c: Coat, front: bool, state: str) -> str:
    """Hanging ears, long muzzle with a black nose, tongue out while awake."""
    shut = state == "sleeping"
    ear = shade(c.base, -0.2) if c.line != INK else shade(c.base, 0.32)
    tongue = {"fill": "#e8727f", "stroke": INK, "stroke_width": 1.8}
    if front:
        out = union([(oval(0, 0, 28, 28), 0)], c.base, c.ink) + _marks(c, True)
        for s in (-1, 1):
            out += el(
                "path",
                d=f"M{s * 15} -26Q{s * 40} -30 {s * 42} 4Q{s * 42} 22 {s * 32} 22"
                f"Q{s * 24} "
                f"20 {s * 26} 0Q{s * 25} -14 {s * 15} -26Z",
                fill=ear,
                stroke=INK,
                stroke_width=2.4,
                stroke_linejoin="round",
            )
        out += _ellipse(0, 14, 18, 14, c.soft)
        if state == "awake":
            out += el("path", d="M-5 20V28Q0 36 5 28V20Z", **tongue)
        out += line("M0 11V18Q-5 24 -11 19M0 18Q5 24 11 19", INK, 2.2)
        out += _ellipse(0, 7, 9, 6.5, "#221c22") + _ellipse(-2.5, 5, 2.6, 1.5, "#8d8890")
        return out + eye(-12, -8, shut, c, 7) + eye(12, -8, shut, c, 7)
    out = ""
    if state == "awake":
        out += el("path", d="M22 14Q20 30 28 30Q35 28 32 13Z", **tongue)
    snout = "M6 -4Q24 -9 42 -2Q49 4 46 11Q42 19 24 18L2 20Z"
    out += union([(oval(0, -2, 27, 26), 0), (snout, 0)], c.base, c.ink) + _marks(c, False)
    out += el("path", d="M20 2Q34 -4 42 0Q48 5 45 10Q41 17 26 17Q18 12 20 2Z", fill=c.soft)
    out += line("M44 10Q36 16 22 12", INK, 2.2)
    out += _ellipse(43, -2, 7.5, 6, "#221c22") + _ellipse(41, -4, 2.4, 1.4, "#8d8890")
    out += eye(11, -10, shut, c, 7)
    return out + el(
        "path",
        d="M-10 -24Q4 -18 0 4Q-4 27 -17 25Q-29 20 -24 -2Q-20 -20 -10 -24Z",
        fill=ear,
        stroke=INK,
        stroke_width=2.4,
        stroke_linejoin="round",
    )


def rabbit_head(c: Coat, front: bool, state: str) -> str:
    """Very long ears, round cheeks, teeth; a carrot at the mouth while eating."""
    shut = state == "sleeping"
    inner = {"fill": INNER}
    if front:
        out = ""
        for s in (-1, 1):
            turn = f"translate({s * 13} -15) rotate({s * 11})"
            ear = union([(oval(0, -26, 9.5, 29), 0)], c.base, c.ink) + el(
                "ellipse", cy=-26, rx=4.5, ry=20, **inner
            )
            if c.pattern == "striped":
                ear += line("M-7 -40H7M-8 -20H8", c.mark, 4.6)
            out += group(ear, transform=turn)
        out += union(
            [(oval(0, 0, 27, 22), 0), (oval(-13, 7, 15, 12), 0), (oval(13, 7, 15, 12), 0)],
            c.base,
            c.ink,
        )
        out += _marks(c, True)
        out += _ellipse(-6, 10, 8, 6.5, c.soft) + _ellipse(6, 10, 8, 6.5, c.soft)
        out += el(
            "rect", x=-4, y=13, width=8, height=8, fill="#fffdf4", stroke=INK, stroke_width=1.6
        )
        out += line("M0 13V21M0 8V12Q-5 17 -10 12M0 12Q5 17 10 12", INK, 1.8)
        out += _ellipse(0, 5, 4.5, 3.2, "#d9707a") + eye(-14, -4, shut, c) + eye(14, -4, shut, c)
        return out + (carrot(5, 15, 14) if state == "eating" else "")
    out = ""
    for x, a in ((2, -2), (-10, -24)):
        ear = union([(oval(0, -26, 9, 29), 0)], c.base, c.ink) + el(
            "ellipse", cx=1, cy=-26, rx=4.2, ry=20, **inner
        )
        if c.pattern == "striped":
            ear += line("M-7 -40H7M-8 -20H8", c.mark, 4.6)
        out += group(ear, transform=f"translate({x} -12) rotate({a})")
    out += union([(oval(0, 0, 26, 22), 0), (oval(17, 6, 14, 11), 0)], c.base, c.ink) + _marks(
        c, False
    )
    out += _ellipse(19, 8, 9, 7.5, c.soft) + eye(8, -4, shut, c)
    out += el("rect", x=22, y=13, width=6, height=7, fill="#fffdf4", stroke=INK, stroke_width=1.6)
    out += _ellipse(29, 1, 4.2, 3.4, "#d9707a", stroke=INK, stroke_width=1.2)
    out += line("M28 6Q25 14 15 13", INK, 2)
    return out + (carrot(24, 14, 10) if state == "eating" else "")


def horse_head(c: Coat, mane: str, state: str) -> str:
    """A long face with nostril and forelock, facing right; hay at the mouth while eating."""
    shut = state == "sleeping"
    out = union([wedge((4, -14), (12, -42), (20, -16))], c.far, c.ink)
    face = (
        "M-22 -4Q-18 -26 6 -24Q20 -22 30 -8L54 18Q63 28 56 39Q47 48 35 42L8 24Q-4 32 -16 24"
        "Q-26 12 -22 -4Z"
    )
    out += union([(face, 0), wedge((-12, -16), (-4, -44), (8, -20))], c.base, c.ink)
    if c.pattern == "striped":
        out += line("M26 -6L18 4M36 4L26 14M45 14L36 24", c.mark, 6)
    elif c.pattern == "spotted":
        out += "".join(
            el("circle", cx=x, cy=y, r=r, fill=c.mark)
            for x, y, r in ((28, 8, 6), (-8, 12, 6), (40, 22, 5))
        )
    out += el("path", d="M48 14L54 19Q62 28 55 38Q47 46 36 41Q36 26 48 14Z", fill=c.soft)
    out += el("ellipse", cx=53, cy=27, rx=3, ry=4, fill=INK) + line("M34 34Q44 40 51 35", INK, 2.4)
    out += eye(12, -4, shut, c, 7.5)
    out += el(
        "path",
        d="M-10 -30Q8 -32 18 -14Q6 -12 2 -18Q-2 -10 -14 -12Q-20 -22 -10 -30Z",
        fill=mane,
        stroke=INK,
        stroke_width=2.2,
        stroke_linejoin="round",
    )
    return out + (hay(45, 40) if state == "eating" else "")
