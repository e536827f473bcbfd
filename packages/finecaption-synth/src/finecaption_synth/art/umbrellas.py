"""Umbrellas, open overhead, on the ground or folded."""

from __future__ import annotations

import math
import random

from finecaption_synth.art.core import Drawing, Look, el, group, n
from finecaption_synth.art.extent import extent
from finecaption_synth.art.paint import INK, paint
from finecaption_synth.art.prop_parts import (
    HANDLE,
    LINE,
    PAPER,
    Point,
    in_hand,
    line_color,
    stroke,
    tube,
)


def _crook(x: float, top: float) -> str:
    """Shaft from (x, top) down to a hook whose lowest point is on the ground."""
    r = 9.0
    low, y = -3.5, -r - 5.3
    return (
        f"M{n(x)} {n(top)}V{n(y)}Q{n(x)} {n(low)} {n(x + r)} {n(low)}"
        f"Q{n(x + 2 * r)} {n(low)} {n(x + 2 * r)} {n(y)}V-19"
    )


def _folded(look: Look, fill: str) -> str:
    """A folded umbrella, tip down on the ground, its hooked handle at the top."""
    mark, r, top = line_color(look.colour), 10.0, -150.0
    hook = f"M0 -112V{n(top + r + 4)}Q0 {n(top + 3)} {n(r)} {n(top + 3)}Q{n(2 * r)} {n(top + 3)} "
    hook += f"{n(2 * r)} {n(top + r + 6)}"
    d = "M-5 -14C-9 -34 -17 -64 -18 -92L-13 -106Q0 -112 13 -106L18 -92C17 -64 9 -34 5 -14Z"
    return (
        tube("M0 -3V-16", "#8b8790", 4)
        + tube(hook, HANDLE, 6)
        + el("path", d=d, fill=fill, stroke=INK, stroke_width=LINE, stroke_linejoin="round")
        + stroke("M-7 -102Q-8 -60 -2 -20M7 -102Q8 -60 2 -20", mark, 2.4)
        + el(
            "path",
            d="M-17.500 -74Q0 -66 17.500 -74L16 -63Q0 -55 -16 -63Z",
            fill=mark,
            stroke=INK,
            stroke_width=2,
        )
        + el("circle", cx=6, cy=-64, r=2.6, fill=PAPER)
    )


_SHAFT = 56.0  # how much longer the shaft is of an umbrella that is held overhead


def _canopy(look: Look, fill: str) -> str:
    """An open umbrella, its handle down."""
    lift = _SHAFT if in_hand(look) else 0.0
    mark = line_color(look.colour)
    w, rim = 74.0, -82.0
    apex = -140.0 if look.pitch == "eye level" else -136.0
    xs = (-w, -w * 0.52, 0.0, w * 0.52, w)
    # Rim points sink towards the middle when the canopy is seen from above.
    sink = 0.0 if look.pitch == "eye level" else 15.0
    ys = [rim + sink * (1 - (x / w) ** 2) for x in xs]
    dome = f"M{n(-w)} {n(rim)}C{n(-w * 0.86)} {n(apex - 8)} {n(-w * 0.2)} {n(apex)} 0 {n(apex)}"
    dome += f"C{n(w * 0.2)} {n(apex)} {n(w * 0.86)} {n(apex - 8)} {n(w)} {n(rim)}"
    scallops = ""
    for k in range(4, 0, -1):
        mx = (xs[k] + xs[k - 1]) / 2
        scallops += f"Q{n(mx)} {n((ys[k] + ys[k - 1]) / 2 - 13)} {n(xs[k - 1])} {n(ys[k - 1])}"
    ribs = (
        "".join(
            f"M0 {n(apex)}Q{n(x * 0.9)} {n((apex + y) / 2 - 14)} {n(x)} {n(y)}"
            for x, y in zip(xs[1:4], ys[1:4], strict=True)
            if x
        )
        + f"M0 {n(apex)}V{n(ys[2])}"
    )
    return tube(_crook(0, rim - 10 - lift), HANDLE, 6) + group(
        tube(f"M0 {n(apex)}V-145", "#8b8790", 4),
        el(
            "path",
            d=dome + scallops + "Z",
            fill=fill,
            stroke=INK,
            stroke_width=LINE,
            stroke_linejoin="round",
        ),
        stroke(ribs, mark, 2.4),
        stroke(
            f"M{n(-w * 0.7)} {n(rim - 26)}Q{n(-w * 0.52)} {n(rim - 42)} "
            f"{n(-w * 0.3)} {n(rim - 49)}",
            "#ffffff",
            4,
            opacity=0.6,
        ),
        transform=f"translate(0 {n(-lift)})",
    )


def turned(
    svg: str, degrees: float, head: Point
) -> tuple[str, tuple[float, float, float, float], Point]:
    """A drawing turned and moved so that its lowest point is on the ground.

    Returns:
        The drawing, its box, and where its point ``head`` has got to.
    """
    x0, _, x1, y1 = extent(group(svg, transform=f"rotate({n(degrees)})"))
    dx, dy = -(x0 + x1) / 2, -y1
    moved = group(svg, transform=f"translate({n(dx)} {n(dy)}) rotate({n(degrees)})")
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    spot = (head[0] * c - head[1] * s + dx, head[0] * s + head[1] * c + dy)
    return moved, extent(moved), spot


def umbrella(look: Look) -> Drawing:
    rng = random.Random(look.variant)
    fill, defs = paint(look.material, look.colour, f"{look.uid}m", look.scale)
    side = rng.choice((-1, 1))
    if look.state == "closed":
        svg, grip, turn = _folded(look, fill), (0.0, -124.0), 11.0
    else:
        svg, grip, turn = _canopy(look, fill), (0.0, -20.0), -118.0  # on its rim and its handle
    if in_hand(look):
        box = extent(svg)
    else:
        svg, box, grip = turned(svg, turn, grip)
    if side < 0:
        svg, box = group(svg, transform="scale(-1 1)"), (-box[2], box[1], -box[0], box[3])
        grip = (-grip[0], grip[1])
    return Drawing(
        svg, box, defs, {"grip": grip, "head": grip, "rim": (0, -82 - _SHAFT), "top": (0, box[1])}
    )
