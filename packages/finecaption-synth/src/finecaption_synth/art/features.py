"""Faces seen from the front: eyes, brows, nose, mouth, cheeks and beard about the head's center."""

from __future__ import annotations

from finecaption_synth.art.core import Look
from finecaption_synth.art.head import PUPIL, Head
from finecaption_synth.art.paint import INK, mix, shade
from finecaption_synth.art.pen import LINE, Pen, scaled

MOUTH = "#7c2433"
LIPS = "#cc2f50"
TEAR = "#6fbdf0"
WHITE = "#fffdf8"


def draw_face(pen: Pen, h: Head, look: Look) -> None:
    """Eyes, brows, nose, mouth, cheeks, wrinkles, freckles and glasses."""
    at = h.rx * (0.44 if h.child else 0.42)
    low = h.eye[2] * h.ry
    draw_cheeks(pen, h, look)
    _nose(pen, h)
    for s in (-1, 1):
        draw_eye(pen, h, look, s * at, low, s)
        draw_brow(pen, h, look, s * at, low, s)
    draw_mouth(pen, h, look, h.ry * (0.62 if h.child else 0.58))
    if look.expression == "sad" and look.state != "sleeping":
        draw_tear(pen, at + 2, low + h.eye[1])
    if look.accessory == "glasses":
        for s in (-1, 1):
            pen.ellipse(s * h.rx * 0.45, low + 1, 14, 13.5, "none", PUPIL, stroke_width=4)
        pen.line(f"M -4 {low - 1} Q 0 {low - 4} 4 {low - 1}", PUPIL, 4)


def draw_tear(pen: Pen, x: float, y: float) -> None:
    """A tear that rolls from an eye whose lower edge is at (x, y)."""
    pen.path(
        f"M {x} {y - 3} Q {x + 8} {y + 10} {x} {y + 12} Q {x - 8} {y + 10} {x} {y - 3} Z",
        TEAR,
        "#3d86bd",
        1.8,
    )


def _nose(pen: Pen, h: Head) -> None:
    ry = h.ry
    if h.child:
        y = ry * 0.4
        pen.line(f"M -4 {y} Q 0 {y + 4} 4 {y}", h.dark, 3)
    elif h.elderly:
        w = 6.5 if h.female else 9
        pen.path(
            f"M {-w * 0.5} {ry * 0.02} Q {-w * 1.5} {ry * 0.36} 0 {ry * 0.38} "
            f"Q {w * 1.5} {ry * 0.36} {w * 0.5} {ry * 0.02}",
            shade(h.skin, 0.08),
            h.dark,
            2.4,
        )
    elif h.female:
        pen.line(f"M 1 {ry * 0.12} Q 6 {ry * 0.32} -2 {ry * 0.3}", h.dark, 2.6)
    else:
        pen.line(f"M -1 {ry * 0.04} Q 11 {ry * 0.36} -4 {ry * 0.33}", h.dark, 3)


def iris(h: Head, look: Look) -> float:
    """Radius of the dark of an eye."""
    if look.expression == "surprised":
        return 4.2 if h.child else 3.4
    return 6.4 if h.child else 4.0 if h.elderly else 5.0


def draw_eye(pen: Pen, h: Head, look: Look, x: float, y: float, s: int) -> None:
    """An eye at (x, y); s points to its outer end."""
    w, t, _ = h.eye
    if look.state == "sleeping":
        pen.line(f"M {x - w - 1} {y + 1} Q {x} {y + 9} {x + w + 1} {y + 1}", PUPIL, 3.6)
        if h.female:
            for k in (0.1, 0.8):
                ax = x + s * w * k
                pen.line(f"M {ax} {y + 5} L {ax + s * 4} {y + 9 - 2 * k}", PUPIL, 2.4)
        return
    kind = look.expression or "happy"
    if kind == "surprised":
        w, t = w + 1.6, t + 3.4
    pen.ellipse(x, y, w, t, WHITE, INK, stroke_width=2)
    down = 2.4 if look.state == "reading" else 0.6
    r = iris(h, look)
    pen.ellipse(x, y + down, r, r, PUPIL, None)
    pen.ellipse(x - r * 0.35, y + down - r * 0.35, r * 0.34, r * 0.34, "#ffffff", None)
    inner, outer = {
        "angry": (-0.05, -0.8),
        "sad": (-0.95, -0.05),
        "surprised": (-1.2, -1.2),
    }.get(kind, (-0.66, -0.52))
    if h.elderly:
        inner, outer = max(inner, -0.5), max(outer, -0.35)
    if look.state == "reading":
        inner = outer = max(-0.2, inner)
    if kind != "surprised":
        e = w + 1.6
        a, b = y + inner * t, y + outer * t
        pen.path(
            f"M {x - s * e} {a} Q {x} "
            f"{min(a, b) - 1.5 if kind == 'happy' else (a + b) / 2} {x + s * e} {b} "
            f"L {x + s * e} {y - t * 0.6} Q {x} {y - t * 1.75} {x - s * e} {y - t * 0.6} "
            "Z",
            shade(h.skin, 0.06),
            None,
        )
        pen.line(
            f"M {x - s * e} {a} Q {x} "
            f"{min(a, b) - 1.5 if kind == 'happy' else (a + b) / 2} {x + s * e} {b}",
            PUPIL,
            3.4 if h.female and not h.elderly else 2.6,
        )
    if kind == "happy":  # cheeks push the lower lids up
        pen.path(
            f"M {x - w - 1.5} {y + t * 0.75} Q {x} {y + t * 0.25} {x + w + 1.5} "
            f"{y + t * 0.75} L {x + w * 0.7} {y + t + 2} L {x - w * 0.7} {y + t + 2} "
            "Z",
            h.skin,
            None,
        )
        pen.line(
            f"M {x - w - 0.5} {y + t * 0.72} Q {x} {y + t * 0.3} {x + w + 0.5} {y + t * 0.72}",
            INK,
            1.8,
        )
    if h.female and not h.elderly:
        top = y + (outer * t if kind != "surprised" else -t * 0.7)
        pen.line(
            f"M {x + s * w * 0.9} {top} L {x + s * (w + 6)} {top - 4.5} M {x + s * w} "
            f"{top + 3} L {x + s * (w + 7)} {top + 0.5}",
            PUPIL,
            2.6,
        )


def brow_color(h: Head, look: Look) -> str:
    """Brows that show on the skin: white for the old, else a tone of the hair."""
    if h.elderly:
        return "#f1efe9" if h.deep else "#8b888d"
    color = shade(h.hair, 0.35)
    return shade(h.hair, 0.7) if h.deep else color


def brow_lift(look: Look) -> tuple[float, float, float]:
    """Heights of inner end, middle and outer end above the middle of the eye, in half heads."""
    return {
        "happy": (0.36, 0.52, 0.38),
        "sad": (0.58, 0.44, 0.24),
        "surprised": (0.52, 0.7, 0.52),
        "angry": (0.14, 0.34, 0.5),
    }[look.expression or "happy"]


def draw_brow(pen: Pen, h: Head, look: Look, x: float, y: float, s: int) -> None:
    """A brow over the eye at (x, y); s points to the outer end."""
    inner, mid, outer = brow_lift(look)
    width = 3.6 if h.female else 4.6 if h.child else 6.4
    if h.elderly:
        width += 1.6
    if look.expression == "angry":
        width += 1.8
    if look.expression == "sad":
        width += 0.6
    r = h.ry
    pen.line(
        f"M {x - s * 9} {y - r * inner} Q {x} {y - r * mid} {x + s * 10.5} {y - r * outer}",
        brow_color(h, look),
        width,
    )
    if look.expression == "angry":
        pen.line(f"M {s * 3.5} {y - r * 0.34} L {s * 2.5} {y - r * 0.12}", h.dark, 2.4)


def lip(h: Head) -> tuple[str, float]:
    """(color, width) of the line around a mouth: lips for women, else a line that shows."""
    if h.female and not h.child:
        soft = 0.5 if h.elderly else 0.3 if h.deep else 0.15
        return mix(LIPS, h.skin, soft), 3.0 if h.elderly else 4.0
    if h.deep:
        return mix(h.skin, "#1a1014", 0.72), 3.0
    if h.child:
        return mix("#8c2f35", INK, 0.3), 2.6
    return INK, LINE + 0.4


def draw_mouth(pen: Pen, h: Head, look: Look, y: float) -> None:
    """The mouth, seen from the front, about height y."""
    color, width = lip(h)
    w = 12.5 if h.child else 15.0
    kind = look.expression or "happy"
    if kind == "happy":
        a = y - 5
        deep = 10 if h.child else 11
        pen.path(
            f"M {-w} {a} Q 0 {a + 7} {w} {a} Q {w * 0.75} {a + deep + 5} 0 {a + deep + 5} "
            f"Q {-w * 0.75} {a + deep + 5} {-w} {a} Z",
            MOUTH,
            color,
            width,
        )
        pen.path(
            f"M {-w * 0.82} {a + 2.6} Q 0 {a + 7.5} {w * 0.82} {a + 2.6} Q {w * 0.6} "
            f"{a + 9} 0 {a + 10} Q {-w * 0.6} {a + 9} {-w * 0.82} {a + 2.6} Z",
            WHITE,
            None,
        )
        for s in (-1, 1):  # dimples
            pen.line(
                f"M {s * (w + 0.5)} {a - 3} Q {s * (w + 4.5)} {a} {s * (w + 1.5)} {a + 3.5}",
                h.dark,
                2.4,
            )
    elif kind == "sad":
        b = y + 7
        pen.line(f"M {-w * 0.8} {b} Q 0 {y - 11} {w * 0.8} {b}", color, max(width, 4.4))
        pen.line(f"M -4 {b + 3.5} Q 0 {b + 1} 4 {b + 3.5}", h.dark, 2.4)
    elif kind == "surprised":
        pen.ellipse(0, y + 2, 6.4, 8.6, MOUTH, color, stroke_width=width)
    else:
        b = y + 7
        pen.path(
            f"M {-w * 0.62} {y - 4} Q 0 {y - 7} {w * 0.62} {y - 4} L {w * 0.95} {b} "
            f"Q 0 {b - 5} {-w * 0.95} {b} Z",
            WHITE,
            color,
            max(width, 3.2),
        )
        pen.line(
            f"M {-w * 0.74} {y + 0.6} Q 0 {y - 3} {w * 0.74} {y + 0.6} M {-w * 0.3} "
            f"{y - 5} L {-w * 0.34} {b - 3} M {w * 0.3} {y - 5} L {w * 0.34} {b - 3}",
            INK,
            1.8,
        )


def freckles(pen: Pen, h: Head, x: float, y: float, s: int) -> None:
    """Dots on a cheek about (x, y); s points outwards."""
    spot = shade(h.skin, 0.62) if h.deep else mix(h.skin, "#9c4f26", 0.9)
    dots = ""
    for dx, dy in ((-10, -3), (-3, 3), (5, -3), (-2, -7), (8, 4), (-10, 5), (2, 8)):
        px, py = x + dx * s, y + dy
        dots += f" M {px} {py} L {px + 0.1} {py}"
    pen.line(dots, spot, 5)  # round caps make dots


def draw_cheeks(pen: Pen, h: Head, look: Look) -> None:
    """Blush, freckles and wrinkles."""
    rx, ry = h.rx, h.ry
    y = ry * (0.52 if h.child else 0.36)
    for s in (-1, 1):
        if (h.female and not h.elderly) or h.child:
            wide = 0.24 if h.child else 0.2
            pen.ellipse(
                s * rx * 0.66,
                y + 1,
                rx * wide,
                ry * wide * 0.7,
                "#e8566f",
                None,
                opacity=0.42 if h.female else 0.26,
            )
        if look.skin_texture == "freckled":
            freckles(pen, h, s * rx * 0.62, y - 1, s)
    if look.skin_texture != "wrinkled" and not h.elderly:
        return
    line = shade(h.skin, 0.5)
    folds = ""
    e = h.eye[2] * ry
    for s in (-1, 1):
        x = s * rx
        # Bags under the eyes, crow's feet, and the fold from nose to mouth.
        folds += f" M {x * 0.24} {e + 9} Q {x * 0.44} {e + 16} {x * 0.62} {e + 8}"
        folds += f" M {x * 0.72} {e} L {x * 0.88} {e - 4}"
        folds += f" M {x * 0.72} {e + 4} L {x * 0.88} {e + 6}"
        folds += f" M {x * 0.26} {ry * 0.3} Q {x * 0.56} {ry * 0.46} {x * 0.52} {ry * 0.68}"
    if look.expression != "surprised" or h.style == "bald":
        for v in (-0.58, -0.7):
            folds += f" M {-rx * 0.42} {ry * v} Q 0 {ry * (v - 0.07)} {rx * 0.42} {ry * v}"
    pen.line(folds, line, 2.2)


def draw_beard(pen: Pen, h: Head) -> None:
    """A beard along the jaw of a grown man; the mouth stays clear of it."""
    rx, ry = h.rx, h.ry
    if not h.man:
        return
    if not h.beard:  # the old keep a mustache; the young have a shadow on the jaw
        if h.elderly:
            for s in (-1, 1):
                pen.path(
                    scaled("M 0 0.36 Q 0.3 0.3 0.56 0.56 Q 0.2 0.58 0 0.48 Z", s * rx, ry),
                    h.hair,
                    INK,
                    2,
                )
        else:
            pen.path(
                scaled(
                    "M -0.96 0.36 Q -0.5 0.34 -0.36 0.4 Q 0 0.3 0.36 0.4 Q 0.5 0.34 0.96 0.36 "
                    "C 0.95 0.8 0.6 0.97 0 0.97 C -0.6 0.97 -0.95 0.8 -0.96 0.36 Z",
                    rx,
                    ry,
                ),
                mix(h.skin, "#4a4048", 0.18),
                None,
            )
        return
    low = 1.34 if h.elderly else 1.17
    pen.path(
        scaled(
            "M -1.01 0.16 Q -0.84 0.62 -0.44 0.46 Q 0 0.36 0.44 0.46 Q 0.84 0.62 1.01 "
            f"0.16 C 1.08 0.74 0.78 {low} 0 {low} C -0.78 {low} -1.08 0.74 -1.01 0.16 "
            "Z",
            rx,
            ry,
        ),
        h.hair,
    )
    pen.ellipse(0, ry * 0.63, rx * 0.5, ry * 0.3, h.skin, None)
