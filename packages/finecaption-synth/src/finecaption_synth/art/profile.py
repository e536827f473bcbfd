"""Heads in profile, nose to the right: outline, eye, brow, mouth at the front edge, beard."""

from __future__ import annotations

from finecaption_synth.art.core import Look
from finecaption_synth.art.features import (
    MOUTH,
    WHITE,
    brow_color,
    brow_lift,
    draw_tear,
    freckles,
    iris,
    lip,
)
from finecaption_synth.art.head import PUPIL, Head
from finecaption_synth.art.paint import INK, mix, shade
from finecaption_synth.art.pen import Pen, scaled


def draw_skull(pen: Pen, h: Head) -> None:
    """The outline of forehead, nose, chin, jaw, nape and crown."""
    x, y = h.rx, h.ry
    if h.child:  # round forehead, button nose, small chin
        nose, tip, chin = 1.06, 0.34, 0.76
    elif h.elderly:  # long nose, chin ahead
        nose, tip, chin = 1.24 if not h.female else 1.16, 0.34, 0.9
    else:
        nose, tip, chin = (1.12, 0.2, 0.78) if h.female else (1.2, 0.25, 0.92)
    jaw = 0.74 if h.man else 0.66
    pen.path(
        scaled(
            f"M 0.05 -1 C 0.6 -1 0.92 -0.72 0.86 -0.28 Q 0.82 -0.1 0.86 0 Q {nose - 0.12} "
            f"{tip - 0.14} {nose} {tip} Q {nose - 0.02} {tip + 0.14} 0.88 {tip + 0.12} "
            f"Q 0.95 0.56 0.84 0.66 Q {chin + 0.08} 0.78 {chin} 0.9 Q {chin - 0.1} 1.03 "
            f"{chin - 0.34} 0.99 Q 0.1 0.96 -0.2 {jaw} Q -0.4 0.8 -0.62 0.62 C -1.0 0.4 "
            "-1.08 -0.05 -1.0 -0.35 C -0.92 -0.84 -0.5 -1 0.05 -1 Z",
            x,
            y,
        ),
        h.skin,
    )
    if h.plump:  # a double chin
        pen.line(scaled("M 0.55 0.98 Q 0.3 1.16 -0.08 0.9", x, y), h.dark, 2.4)


def draw_ear(pen: Pen, h: Head) -> None:
    """The ear, with an earring for women."""
    x, y = -h.rx * 0.16, h.ry * 0.12
    k = 1.2 if h.elderly else 1.0
    pen.ellipse(x, y, h.rx * 0.17 * k, h.ry * 0.2 * k, h.skin)
    pen.line(f"M {x - 2} {y - 4} Q {x + 4} {y} {x - 2} {y + 4}", h.dark, 2)


def draw_side_face(pen: Pen, h: Head, look: Look) -> None:
    """Eye, brow, mouth, cheek and glasses of a face in profile."""
    w, t, low = h.eye
    x, y = h.rx * 0.52, low * h.ry
    _cheek(pen, h, look)
    _eye(pen, h, look, x, y, w * 0.72, t)
    _brow(pen, h, look, x + 1, y)
    _mouth(pen, h, look)
    if look.expression == "sad" and look.state != "sleeping":
        draw_tear(pen, x - 2, y + t)
    if look.accessory == "glasses":
        pen.line(f"M {x - 8} {y - 1} L {-h.rx * 0.2} {y - 3}", PUPIL, 4)
        pen.ellipse(x + 2, y + 1, 10.5, 13, "none", PUPIL, stroke_width=4)


def _cheek(pen: Pen, h: Head, look: Look) -> None:
    rx, ry = h.rx, h.ry
    x, y = rx * 0.34, ry * (0.5 if h.child else 0.38)
    if (h.female and not h.elderly) or h.child:
        pen.ellipse(x, y, rx * 0.22, ry * 0.15, "#e8566f", None, opacity=0.42 if h.female else 0.26)
    if look.skin_texture == "freckled":
        freckles(pen, h, x, y - 1, -1)
    if look.skin_texture == "wrinkled" or h.elderly:
        e = h.eye[2] * ry
        folds = f"M {rx * 0.38} {e + 10} Q {rx * 0.56} {e + 14} {rx * 0.7} {e + 9}"
        folds += f" M {rx * 0.3} {e - 1} L {rx * 0.14} {e - 4} M {rx * 0.3} {e + 4}"
        folds += f" L {rx * 0.14} {e + 6}"
        folds += f" M {rx * 0.74} {ry * 0.36} Q {rx * 0.38} {ry * 0.46} {rx * 0.36} {ry * 0.72}"
        if look.expression != "surprised" or h.style == "bald":
            for v in (-0.5, -0.62):
                folds += (
                    f" M {rx * 0.36} {ry * v} Q {rx * 0.6} {ry * (v - 0.05)} {rx * 0.78} {ry * v}"
                )
        pen.line(folds, shade(h.skin, 0.5), 2.2)


def _eye(pen: Pen, h: Head, look: Look, x: float, y: float, w: float, t: float) -> None:
    if look.state == "sleeping":
        pen.line(f"M {x - w - 2} {y + 1} Q {x} {y + 8} {x + w + 2} {y + 1}", PUPIL, 3.6)
        if h.female:
            pen.line(f"M {x + w} {y + 3} L {x + w + 5} {y + 6}", PUPIL, 2.4)
        return
    kind = look.expression or "happy"
    if kind == "surprised":
        w, t = w + 1.2, t + 3
    pen.path(
        f"M {x - w} {y} Q {x - w * 0.7} {y - t} {x + w * 0.5} {y - t} Q {x + w * 1.3} "
        f"{y} {x + w * 0.5} {y + t} Q {x - w * 0.7} {y + t} {x - w} {y} Z",
        WHITE,
        INK,
        2,
    )
    r = iris(h, look)
    down = 2.4 if look.state == "reading" else 0.6
    pen.ellipse(x + w * 0.34, y + down, r * 0.72, r, PUPIL, None)
    pen.ellipse(x + w * 0.3, y + down - r * 0.35, r * 0.3, r * 0.3, "#ffffff", None)
    front, rear = {
        "angry": (-0.05, -0.8),
        "sad": (-0.95, -0.05),
        "surprised": (-1.2, -1.2),
    }.get(kind, (-0.85, -0.7))
    if h.elderly:
        front, rear = max(front, -0.5), max(rear, -0.3)
    if look.state == "reading":
        front = rear = max(-0.15, front)
    if kind != "surprised":
        a, b = y + front * t, y + rear * t
        e = w + 1.6
        pen.path(
            f"M {x - e} {b} L {x + e} {a} L {x + e * 0.8} {y - t - 1.4} L {x - e * 0.8} "
            f"{y - t - 1.4} Z",
            shade(h.skin, 0.06),
            None,
        )
        pen.line(f"M {x - e} {b} L {x + e} {a}", PUPIL, 3.4 if h.female and not h.elderly else 2.6)
    if kind == "happy":
        pen.path(
            f"M {x - w - 1.5} {y + t * 0.7} Q {x} {y + t * 0.25} {x + w + 1.5} "
            f"{y + t * 0.7} L {x + w} {y + t + 2} L {x - w} {y + t + 2} Z",
            h.skin,
            None,
        )
        pen.line(f"M {x - w} {y + t * 0.66} Q {x} {y + t * 0.3} {x + w} {y + t * 0.66}", INK, 1.8)
    if h.female and not h.elderly:
        top = y + (front * t * 0.7 if kind != "surprised" else -t * 0.7)
        pen.line(
            f"M {x + w * 0.7} {top} L {x + w + 4.5} {top - 4.5} M {x + w * 0.9} {top + 3} "
            f"L {x + w + 5} {top}",
            PUPIL,
            2.6,
        )


def _brow(pen: Pen, h: Head, look: Look, x: float, y: float) -> None:
    inner, mid, outer = brow_lift(look)
    width = 3.6 if h.female else 4.6 if h.child else 6.0
    width += (1.4 if h.elderly else 0) + (1.8 if look.expression == "angry" else 0)
    r = h.ry
    pen.line(
        f"M {x + 8} {y - r * inner} Q {x} {y - r * mid} {x - 10} {y - r * outer}",
        brow_color(h, look),
        width,
    )


def _mouth(pen: Pen, h: Head, look: Look) -> None:
    """The mouth opens at the front edge of the face and ends in a corner on the cheek."""
    color, width = lip(h)
    x, y = h.rx * 0.9, h.ry * (0.6 if h.child else 0.56)
    w = 15 if h.child else 17
    kind = look.expression or "happy"
    if kind == "happy":
        pen.path(
            f"M {x} {y - 3} Q {x - w * 0.5} {y + 2} {x - w} {y - 7} Q {x - w * 0.8} "
            f"{y + 8} {x - 3} {y + 8} Z",
            MOUTH,
            color,
            width,
        )
        pen.path(
            f"M {x - 1.5} {y - 1.5} Q {x - w * 0.5} {y + 2.5} {x - w * 0.88} {y - 3.5} "
            f"Q {x - w * 0.6} {y + 4.5} {x - 2.5} {y + 3.5} Z",
            WHITE,
            None,
        )
        pen.line(f"M {x - w + 1} {y - 11} Q {x - w - 5} {y - 6} {x - w - 1} {y - 3}", h.dark, 2.4)
    elif kind == "sad":
        pen.line(
            f"M {x} {y + 1} Q {x - w * 0.6} {y - 4} {x - w * 0.9} {y + 9}", color, max(width, 4.2)
        )
    elif kind == "surprised":
        pen.ellipse(x - 6, y + 2, 5.4, 8, MOUTH, color, stroke_width=width)
    else:
        pen.path(
            f"M {x} {y - 4} Q {x - w * 0.4} {y - 5} {x - w * 0.75} {y - 2} L {x - w} "
            f"{y + 8} Q {x - w * 0.5} {y + 3} {x - 2} {y + 5} Z",
            WHITE,
            color,
            max(width, 3),
        )
        pen.line(
            f"M {x - 1} {y + 0.6} Q {x - w * 0.5} {y - 1} {x - w * 0.85} {y + 3} "
            f"M {x - w * 0.32} {y - 4} L {x - w * 0.34} {y + 4} M {x - w * 0.62} {y - 3} "
            f"L {x - w * 0.66} {y + 5}",
            INK,
            1.8,
        )


def draw_side_beard(pen: Pen, h: Head) -> None:
    """A beard from the ear along the jaw to the chin, or the shadow of one that was shaven."""
    if not h.man:
        return
    x, y = h.rx, h.ry
    if not h.beard and h.elderly:
        pen.path(
            scaled("M 0.98 0.44 Q 0.7 0.28 0.34 0.56 Q 0.7 0.56 0.98 0.44 Z", x, y), h.hair, INK, 2
        )
        return
    if not h.beard:
        pen.path(
            scaled(
                "M -0.16 0.36 Q 0.3 0.5 0.86 0.4 L 0.88 0.84 Q 0.8 0.98 0.5 0.95 "
                "Q 0 0.9 -0.18 0.68 Z",
                x,
                y,
            ),
            mix(h.skin, "#4a4048", 0.18),
            None,
        )
        return
    low = 1.32 if h.elderly else 1.14
    pen.path(
        scaled(
            "M -0.16 0.1 L 0.04 0.12 Q 0.1 0.58 0.36 0.72 Q 0.6 0.86 0.86 0.78 "
            f"Q 1.08 {low} 0.6 {low} Q 0.05 {low - 0.06} -0.26 0.72 Q -0.2 0.4 -0.16 0.1 "
            "Z",
            x,
            y,
        ),
        h.hair,
    )
    # A mustache between nose and mouth.
    pen.line(scaled("M 0.92 0.42 Q 0.7 0.38 0.5 0.46", x, y), h.hair, 5)
