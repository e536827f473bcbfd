"""Hair of every style, from the front, the side and behind; it follows the skull."""

from __future__ import annotations

from finecaption_synth.art.head import Head
from finecaption_synth.art.paint import shade
from finecaption_synth.art.pen import Pen, scaled, scallops, symmetric


def draw_under(pen: Pen, h: Head) -> None:
    """Hair that hangs behind neck and shoulders; drawn before the body (front views)."""
    rx, ry = h.rx, h.ry
    if h.style == "long":
        d = symmetric(
            (0, -ry),
            ((rx * 1.3, -ry), (rx * 1.25, ry * 0.2)),
            ((rx * 1.2, ry * 1.1), (rx * 1.42, ry * 2.0)),
            ((rx, ry * 2.25), (0, ry * 2.05)),
        )
        pen.path(d, shade(h.hair, 0.22))


def draw_around(pen: Pen, h: Head) -> None:
    """Hair around the head that its skull covers, from the front."""
    rx, ry = h.rx, h.ry
    if h.style == "curly":
        pen.path(scallops(0, -ry * 0.08, rx * 1.34, ry * 1.05, 11), h.hair)
    elif h.style == "long":
        for s in (-1, 1):
            pen.path(
                scaled(
                    "M 0 -1 Q 1.3 -1 1.22 0 Q 1.15 0.9 1.42 1.95 Q 0.95 2.2 0.6 1.8 Q 0.92 1 0.7 "
                    "0.4 Z",
                    s * rx,
                    ry,
                ),
                h.hair,
            )
            pen.line(scaled("M 1.06 0.5 Q 1 1.2 1.12 1.8", s * rx, ry), h.sheen, 3)
    _bun(pen, h)


def draw_front(pen: Pen, h: Head) -> None:
    """Hair over the forehead, from the front."""
    rx, ry = h.rx, h.ry
    if h.style == "bald":
        return
    if h.style == "curly":
        curls = ""
        for x, y in (
            (-0.98, -0.25),
            (0.98, -0.25),
            (-0.66, -0.7),
            (0.66, -0.7),
            (-0.22, -0.88),
            (0.25, -0.88),
        ):
            pen.ellipse(x * rx, y * ry, rx * 0.31, ry * 0.25, h.hair, None)
            curls += f" M {x * rx - 6} {y * ry} Q {x * rx} {y * ry - 9} {x * rx + 6} {y * ry}"
        pen.line(curls, h.sheen, 2.6)
        return
    burn = h.hat and h.style == "short"  # hair below the brim, or a hat would make one bald
    side, inner = (0.36, 0.74) if burn else (0.06, 0.9)
    top = f"M {-rx * 1.07} {ry * side} C {-rx * 1.22} {-ry * 1.45}"
    top += f" {rx * 1.22} {-ry * 1.45} {rx * 1.07} {ry * side} L {rx * inner} {ry * (side - 0.08)}"
    if h.style == "short" and h.female:  # side-swept, a lock ahead of each ear
        low = 0.42
        top = (
            f"M {-rx * 1.08} 0 C {-rx * 1.26} {-ry * 1.5} {rx * 1.26} {-ry * 1.5} "
            f"{rx * 1.08} 0 Q {rx * 1.12} {ry * 0.26} {rx * 0.98} {ry * low} Q {rx * 0.8} "
            f"{ry * 0.1} {rx * 0.84} {-ry * 0.24} Q {rx * 0.36} {-ry * 0.4} {rx * 0.1} "
            f"{-ry * 0.82} Q {-rx * 0.3} {-ry * 0.34} {-rx * 0.82} {-ry * 0.22} "
            f"Q {-rx * 0.8} {ry * 0.1} {-rx * 0.98} {ry * low} Q {-rx * 1.12} {ry * 0.26} "
            f"{-rx * 1.08} 0"
        )
    elif h.style == "short" and h.elderly:  # the hairline has gone back at the temples
        top += (
            f" Q {rx * 0.95} {-ry * 0.45} {rx * 0.62} {-ry * 0.92} Q {rx * 0.28} "
            f"{-ry * 0.72} 0 {-ry * 0.76} Q {-rx * 0.28} {-ry * 0.72} {-rx * 0.62} "
            f"{-ry * 0.92} Q {-rx * 0.95} {-ry * 0.45} {-rx * inner} {ry * (side - 0.08)}"
        )
    elif h.style == "short":
        top += (
            f" Q {rx * 0.94} {-ry * 0.5} {rx * 0.7} {-ry * 0.66} L {rx * 0.42} {-ry * 0.8} "
            f"L {rx * 0.12} {-ry * 0.6} L {-rx * 0.22} {-ry * 0.82} L {-rx * 0.6} "
            f"{-ry * 0.62} Q {-rx * 0.94} {-ry * 0.5} {-rx * inner} {ry * (side - 0.08)}"
        )
    else:
        part = -0.95 if h.style == "long" else -0.78
        top += (
            f" Q {rx * 0.84} {-ry * 0.6} 0 {ry * part} Q {-rx * 0.84} {-ry * 0.6} "
            f"{-rx * inner} {ry * (side - 0.08)}"
        )
    pen.path(top + " Z", h.hair)
    pen.line(scaled("M 0.15 -0.97 Q 0.62 -0.9 0.88 -0.48", rx, ry), h.sheen, 4)


def draw_side_around(pen: Pen, h: Head) -> None:
    """Hair behind the head and on the back, in profile."""
    rx, ry = h.rx, h.ry
    if h.style == "curly":
        pen.path(scallops(-rx * 0.38, -ry * 0.2, rx * 0.98, ry * 0.98, 10), h.hair)
    elif h.style == "long":
        pen.path(
            scaled(
                "M 0 -1 Q -1.3 -1 -1.16 0.1 Q -1.1 1 -1.45 1.95 Q -0.85 2.25 -0.3 1.9 "
                "Q -0.1 1 0.02 0 Z",
                rx,
                ry,
            ),
            h.hair,
        )
    _bun(pen, h)


def draw_side(pen: Pen, h: Head) -> None:
    """Hair over crown, temple and nape, in profile; the ear is drawn after it."""
    rx, ry = h.rx, h.ry
    if h.style == "bald":
        return
    if h.style == "curly":
        pen.path(scallops(-rx * 0.2, -ry * 0.62, rx * 0.88, ry * 0.4, 8, 1.25), h.hair)
        pen.ellipse(-rx * 0.62, ry * 0.02, rx * 0.46, ry * 0.62, h.hair, None)
        pen.ellipse(-rx * 0.3, -ry * 0.4, rx * 0.62, ry * 0.36, h.hair, None)
        curls = ""
        for x, y in ((-0.9, -0.2), (-0.55, -0.65), (0, -0.85), (0.4, -0.7), (-0.75, 0.3)):
            curls += f" M {x * rx - 6} {y * ry} Q {x * rx} {y * ry - 10} {x * rx + 6} {y * ry}"
        pen.line(curls, h.sheen, 2.8)
        return
    brow = -0.72 if h.elderly and h.man and h.style == "short" else -0.5
    front = 0.84 if brow == -0.5 else 0.62
    crown = f"M {rx * front} {ry * brow} Q {rx * 0.82} {-ry * 1.12} {rx * 0.02}"
    crown += (
        f" {-ry * 1.12} C {-rx * 0.7} {-ry * 1.14} {-rx * 1.1} {-ry * 0.85} {-rx * 1.1} {-ry * 0.3}"
    )
    if h.style == "short" and h.female:
        crown += (
            f" C {-rx * 1.12} {ry * 0.2} {-rx * 0.9} {ry * 0.6} {-rx * 0.62} {ry * 0.78} "
            f"Q {-rx * 0.42} {ry * 0.5} {-rx * 0.36} {ry * 0.1} L {-rx * 0.02} {ry * 0.02} "
            f"Q {rx * 0.06} {ry * 0.36} {rx * 0.2} {ry * 0.42} Q {rx * 0.28} 0 {rx * 0.4} "
            f"{-ry * 0.34} Q {rx * 0.66} {-ry * 0.3} {rx * 0.88} {-ry * 0.22} "
            f"L {rx * 0.84} {ry * brow} Z"
        )
    elif h.style == "short":
        crown += (
            f" C {-rx * 1.1} {ry * 0.1} {-rx * 0.98} {ry * 0.4} {-rx * 0.66} {ry * 0.52} "
            f"Q {-rx * 0.46} {ry * 0.36} {-rx * 0.42} {ry * 0.02} Q {-rx * 0.3} "
            f"{-ry * 0.18} {-rx * 0.06} {-ry * 0.08} L {-rx * 0.04} {ry * 0.26} "
            f"L {rx * 0.12} {ry * 0.2} L {rx * 0.2} {-ry * 0.2} Q {rx * 0.28} {-ry * 0.5} "
            f"{rx * front} {ry * brow} Z"
        )
    elif h.style == "bun":  # combed back to the knot
        crown += (
            f" C {-rx * 1.1} {ry * 0.06} {-rx * 0.98} {ry * 0.3} {-rx * 0.66} {ry * 0.44} "
            f"Q {-rx * 0.4} {ry * 0.3} {-rx * 0.3} {-ry * 0.02} Q {rx * 0.1} {ry * 0.04} "
            f"{rx * 0.22} {-ry * 0.2} Q {rx * 0.34} {-ry * 0.62} {rx * 0.84} {ry * brow} "
            "Z"
        )
    else:  # long: over the ear, down to the shoulder
        crown += (
            f" C {-rx * 1.12} {ry * 0.4} {-rx * 1.05} {ry * 0.8} {-rx * 1.1} {ry * 1.1} "
            f"L {-rx * 0.2} {ry * 1.1} Q {rx * 0.1} {ry * 0.7} {rx * 0.14} {ry * 0.1} "
            f"Q {rx * 0.3} {-ry * 0.5} {rx * 0.84} {ry * brow} Z"
        )
        pen.path(crown, h.hair, None)
        pen.line(
            scaled(
                f"M -0.22 1.5 Q 0.1 0.7 0.14 0.1 Q 0.3 -0.5 0.84 {brow} Q 0.82 -1.12 0.02 "
                "-1.12 C -0.7 -1.14 -1.1 -0.85 -1.12 -0.1",
                rx,
                ry,
            ),
            "#3a2f38",
            2.6,
        )
        pen.line(
            scaled("M -0.25 -0.6 Q -0.5 0.4 -0.62 1.6 M -0.7 -0.5 Q -0.82 0.5 -0.98 1.6", rx, ry),
            h.sheen,
            3,
        )
        return
    pen.path(crown, h.hair)
    if h.style == "bun":
        pen.line(
            scaled("M 0.5 -0.66 Q 0 -0.7 -0.5 -0.95 M 0.1 -0.24 Q -0.4 -0.4 -0.7 -0.8", rx, ry),
            h.sheen,
            2.8,
        )
        return
    pen.line(scaled("M -0.7 -0.55 Q -0.3 -0.94 0.35 -0.86", rx, ry), h.sheen, 4)


def draw_back(pen: Pen, h: Head) -> None:
    """All hair, from behind."""
    rx, ry = h.rx, h.ry
    if h.style == "bald":
        pen.ellipse(-rx * 0.3, -ry * 0.55, rx * 0.3, ry * 0.15, shade(h.skin, -0.5), None)
        if h.elderly:  # age spots
            draw_spots(pen, h, ((-0.5, -0.1), (0.3, -0.5), (0.55, 0.05), (-0.1, 0.2)))
        for y in (0.5, 0.62, 0.76) if h.elderly else (0.62, 0.76):
            pen.line(scaled(f"M -0.3 {y} Q 0 {y + 0.08} 0.3 {y}", rx, ry), h.dark, 2)
    elif h.style == "curly":
        pen.path(scallops(0, -ry * 0.08, rx * 1.34, ry * 1.1, 11), h.hair)
        curls = ""
        for x, y in (
            (-0.6, -0.6),
            (0.1, -0.8),
            (0.7, -0.35),
            (-0.2, -0.1),
            (0.4, 0.35),
            (-0.75, 0.2),
        ):
            curls += f" M {x * rx - 7} {y * ry} Q {x * rx} {y * ry - 11} {x * rx + 7} {y * ry}"
        pen.line(curls, h.sheen, 3)
    elif h.style == "long":
        pen.path(
            symmetric(
                (0, -ry * 1.12),
                ((rx * 1.25, -ry * 1.1), (rx * 1.2, ry * 0.1)),
                ((rx * 1.12, ry), (rx * 1.36, ry * 1.95)),
                ((rx * 0.6, ry * 2.4), (0, ry * 2.25)),
            ),
            h.hair,
        )
        for x in (-0.55, 0, 0.55):
            pen.line(f"M {x * rx * 0.8} {-ry * 0.4} L {x * rx * 1.1} {ry * 1.8}", h.sheen, 3)
    else:
        low = 0.84 if h.style == "short" and h.female else 0.62 if h.style == "short" else 0.5
        if h.style == "short" and h.female:  # ends in points over the nape
            pen.path(
                symmetric(
                    (0, -ry * 1.14),
                    ((rx * 1.2, -ry * 1.12), (rx * 1.12, 0)),
                    ((rx * 1.1, ry * 0.4), (rx * 0.84, ry * 0.66)),
                    ((rx * 0.5, ry * 0.72),),
                    ((rx * 0.3, ry * 0.98),),
                    ((0, ry * 0.76),),
                ),
                h.hair,
            )
        else:
            pen.path(
                symmetric(
                    (0, -ry * 1.12),
                    ((rx * 1.15, -ry * 1.1), (rx * 1.07, -ry * 0.05)),
                    ((rx * 1.05, ry * 0.4), (rx * 0.6, ry * low)),
                    ((rx * 0.3, ry * (low + 0.18)), (0, ry * low)),
                ),
                h.hair,
            )
        pen.line(scaled("M -0.6 -0.5 Q -0.2 -0.85 0.3 -0.75", rx, ry), h.sheen, 4)
        if h.style == "bun":
            for x in (-0.5, 0, 0.5):
                pen.line(
                    f"M {x * rx} {ry * 0.35} Q {x * rx * 0.8} {-ry * 0.3} {x * rx * 0.3} "
                    f"{-ry * 0.9}",
                    h.sheen,
                    2.6,
                )
    _bun(pen, h)


def _bun(pen: Pen, h: Head) -> None:
    """The knot of a bun: on top, or low beside the neck under a hat."""
    if h.style != "bun":
        return
    r = h.rx * 0.5
    x, y = (0.0, -h.ry * 1.3) if not h.side else (-h.rx * 0.72, -h.ry * 1.06)
    if h.hat:
        x, y = (h.rx * 1.08, h.ry * 0.55) if not h.side else (-h.rx * 1.12, h.ry * 0.36)
    pen.ellipse(x, y, r * 1.1, r, h.hair)
    pen.line(
        f"M {x - r * 0.6} {y} Q {x} {y - r * 0.8} {x + r * 0.5} {y - r * 0.1} "
        f"M {x - r * 0.3} {y + r * 0.4} Q {x} {y} {x + r * 0.5} {y + r * 0.4}",
        h.sheen,
        2.6,
    )


def draw_spots(pen: Pen, h: Head, at: tuple[tuple[float, float], ...]) -> None:
    """The spots of age on a bald head, in half heads from its center."""
    for x, y in at:
        pen.ellipse(x * h.rx, y * h.ry, 4.2, 3.2, shade(h.skin, 0.3 if not h.deep else 0.45), None)
