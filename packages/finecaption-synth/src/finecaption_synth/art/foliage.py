"""Parts of plants: limbs, leaves, blossoms, fruit, pots."""

from __future__ import annotations

import math
from collections.abc import Sequence

from finecaption_synth.art.core import Look, el, group, n, points
from finecaption_synth.art.paint import HEX, INK, mix, shade, stroke_line

BARK = "#7d5a43"


LEAF = "#5f8f4e"  # stems and leaves of flowers, duller than the palette's green


_POT = "#c48a6c"


EDGE = {"stroke": INK, "stroke_width": 2.5, "stroke_linejoin": "round"}


def draw_limbs(paths: Sequence[tuple[str, float]], colour: str) -> str:
    """Round-ended strokes with one outline around all of them."""
    ink = "".join(el("path", d=d, stroke_width=w + 5) for d, w in paths)
    wood = "".join(el("path", d=d, stroke_width=w) for d, w in paths)
    common = {"fill": "none", "stroke_linecap": "round", "stroke_linejoin": "round"}
    return group(ink, stroke=INK, **common) + group(wood, stroke=colour, **common)


def lobes(
    cx: float, cy: float, rx: float, ry: float, count: int, turn: float = 0, wobble: float = 0
) -> str:
    """A closed cloud-like outline: bumps around an ellipse, less regular with more wobble."""
    step = math.tau / count
    angles = [turn + step * (k + wobble * math.sin(k * 2.4 + turn * 9)) for k in range(count)]
    at = [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in angles]
    at.append(at[0])
    d = f"M{n(at[0][0])} {n(at[0][1])}"
    for k in range(count):
        (x0, y0), (x1, y1) = at[k], at[k + 1]
        mx, my = (x0 + x1) / 2, (y0 + y1) / 2
        d += f"Q{n(mx + (mx - cx) * 0.42)} {n(my + (my - cy) * 0.42)} {n(x1)} {n(y1)}"
    return d + "Z"


def scallop(x: float, y: float, half: float, colour: str) -> str:
    """Two small arcs that stand for foliage."""
    dip = y + half * 0.75
    return stroke_line(
        f"M{n(x - half)} {n(y)}Q{n(x - half / 2)} {n(dip)} {n(x)} {n(y)}"
        f"Q{n(x + half / 2)} {n(dip)} {n(x + half)} {n(y)}",
        colour,
        2.3,
    )


def blossom(x: float, y: float, r: float, colour: str, heart: str = "#fbe7a8") -> str:
    """Five round petals of the colour about a pale heart."""
    edge = mix(colour, INK, 0.6) if colour != "black" else "#8d8792"
    petals = "".join(
        el("circle", cx=x + 0.62 * r * math.cos(a), cy=y + 0.62 * r * math.sin(a), r=0.46 * r)
        for a in (math.tau * k / 5 - 1.57 for k in range(5))
    )
    return group(petals, fill=HEX.get(colour, colour), stroke=edge, stroke_width=1.8) + el(
        "circle", cx=x, cy=y, r=0.34 * r, fill=heart, stroke=edge, stroke_width=1.2
    )


def fruit(x: float, y: float, r: float, colour: str) -> str:
    base = HEX.get(colour, colour)
    return (
        stroke_line(f"M{n(x)} {n(y - r + 1)}L{n(x + 2)} {n(y - r - 5)}", INK, 2.4)
        + el("circle", cx=x, cy=y, r=r, fill=base, stroke=INK, stroke_width=2.4)
        + el("circle", cx=x - 0.35 * r, cy=y - 0.35 * r, r=0.27 * r, fill=shade(base, -0.75))
    )


def flowerpot(look: Look, width: float, height: float) -> str:
    """A terracotta pot standing on the ground with its rim at -height."""
    w, rim, lip = width / 2, height * 0.32, 7 if look.pitch == "from above" else 3
    side = points(
        (-w * 0.88, -height + rim), (w * 0.88, -height + rim), (w * 0.64, 0), (-w * 0.64, 0)
    )
    band = f"M{n(-w)} {n(-height)}H{n(w)}V{n(-height + rim)}H{n(-w)}Z"
    return (
        el("polygon", points=side, fill=_POT, **EDGE)
        + el(
            "polygon",
            points=points(
                (w * 0.3, -height + rim), (w * 0.88, -height + rim), (w * 0.64, 0), (w * 0.24, 0)
            ),
            fill=shade(_POT, 0.16),
        )
        + el("path", d=band, fill=shade(_POT, -0.18), **EDGE)
        + el("ellipse", cy=-height, rx=w, ry=lip, fill="#6b4c3d", **EDGE)
    )


def _tufts(width: float) -> str:
    """Blades of grass at the foot of what grows from the ground."""
    out = ""
    for x, lean in ((-width, -7), (-width + 8, 2), (width - 8, -2), (width, 7)):
        out += stroke_line(f"M{n(x)} -1Q{n(x)} -6 {n(x + lean)} -11", "#6f8f55", 3)
    return out


def leaf(x: float, y: float, angle: float, base: str, size: float = 13) -> str:
    s = size
    return el(
        "path",
        d=f"M0 0Q{n(s * 0.55)} {n(-s * 0.62)} {n(s * 1.35)} 0Q{n(s * 0.55)} {n(s * 0.62)} 0 0Z",
        transform=f"translate({n(x)} {n(y)}) rotate({n(angle)})",
        fill=base,
    )


def dome(half: float, height: float, count: int, shift: float) -> str:
    """Foliage bumps over a flat foot."""
    at = []
    for k in range(count + 1):
        a = math.pi * (1 - (k + shift * math.sin(k * 2.1)) / count)
        if k in (0, count):
            a = math.pi * (1 - k / count)
        at.append(
            (half * math.cos(a), -8 - (height - 14) * math.sin(a) ** 0.8 if 0 < k < count else -8)
        )
    d = f"M{n(at[0][0] + 4)} 0Q{n(at[0][0] - 5)} -3 {n(at[0][0])} -8"
    for (x0, y0), (x1, y1) in zip(at, at[1:], strict=False):
        mx, my = (x0 + x1) / 2, (y0 + y1) / 2
        d += f"Q{n(mx + mx * 0.4)} {n(my + (my + height * 0.35) * 0.42)} {n(x1)} {n(y1)}"
    return d + f"Q{n(half + 5)} -3 {n(half - 4)} 0Z"
