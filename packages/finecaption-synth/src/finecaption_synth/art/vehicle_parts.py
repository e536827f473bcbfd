"""Parts of vehicles: wheels, panes, plates, and the wind of their speed."""

from __future__ import annotations

import random

from finecaption_synth.art.core import Drawing, Look, el, group, n, points
from finecaption_synth.art.lettering import lettering, width_of
from finecaption_synth.art.paint import HEX, INK, outlined, shade, stroke_line

TYRE, STEEL, CREAM = "#2d2a32", "#cfcdd2", "#fbf4e2"
GLASS, LAMP, TAIL = "#c3e4ee", "#ffe27a", "#c8473c"
DUST, DUST_EDGE, SPEED = "#d3c3a6", "#8a7a66", "#5f5763"


def seam(colour: str) -> str:
    """Colour of a line drawn on the body: ink, or pale where ink would vanish."""
    return shade(HEX["black"], -0.4) if colour == "black" else shade(colour, 0.6)


def facing(look: Look, drawing: Drawing) -> Drawing:
    """The drawing as it is, or mirrored for a nose to the left."""
    if look.facing != "left":
        return drawing
    x0, y0, x1, y1 = drawing.box
    anchors = {name: (-x, y) for name, (x, y) in drawing.anchors.items()}
    svg = group(drawing.svg, transform="scale(-1 1)")
    return Drawing(svg, (-x1, y0, -x0, y1), drawing.defs, anchors)


def _hub(cx: float, cy: float, r: float, bolts: int) -> str:
    marks = "".join(
        stroke_line(
            f"M{n(cx)} {n(cy)}l0 {n(-r * 0.4)}",
            "#77737d",
            2,
            transform=f"rotate({n(360 * i / bolts)} {n(cx)} {n(cy)})",
        )
        for i in range(bolts)
    )
    return (
        outlined("circle", cx=cx, cy=cy, r=r - 1.25, fill=TYRE)
        + el("circle", cx=cx, cy=cy, r=r * 0.5, fill=STEEL)
        + marks
        + el("circle", cx=cx, cy=cy, r=r * 0.12, fill="#77737d")
    )


def wheels(look: Look, centres: tuple[float, ...], r: float) -> str:
    """Side-on wheels on the ground line, the arches above them first."""
    bolts = random.Random(look.variant).choice((4, 5, 6))
    arch = "".join(
        el(
            "path",
            d=f"M{n(x - r - 6)} {n(-r + 3)}A{n(r + 6)} {n(r + 6)} 0 0 1 {n(x + r + 6)} "
            f"{n(-r + 3)}Z",
            fill="#2b2530",
        )
        for x in centres
    )
    return arch + group(*(_hub(x, -r, r, bolts) for x in centres), data_part="wheels")


def front_wheels(inner: float, outer: float, top: float) -> str:
    return group(
        *(
            outlined("rect", x=x, y=top, width=outer - inner, height=-top - 1.25, rx=7, fill=TYRE)
            for x in (-outer, inner)
        ),
        data_part="wheels",
    )


def _puffs(*circles: tuple[float, float, float]) -> str:
    edge = "".join(el("circle", cx=x, cy=y, r=r, fill=DUST_EDGE) for x, y, r in circles)
    return edge + "".join(el("circle", cx=x, cy=y, r=r - 2, fill=DUST) for x, y, r in circles)


def tail_wind(tail: float, heights: tuple[float, ...]) -> str:
    """Speed lines and dust behind a tail at x = tail, nose to the right."""
    lines = "".join(
        stroke_line(f"M{n(tail - 12)} {n(y)}h{n(-(34, 58, 42)[i % 3])}", SPEED, 5, opacity=0.85)
        for i, y in enumerate(heights)
    )
    dust = _puffs(
        (tail - 10, -11, 11), (tail - 29, -15, 15), (tail - 52, -10, 10), (tail - 68, -6, 6)
    )
    return group(lines, dust, class_="fx")


def head_wind(half: float, top: float) -> str:
    """Speed lines and dust on both sides of a vehicle that comes towards the viewer."""
    out = []
    for s in (-1, 1):
        for y, length in ((top * 0.92, 26), (top * 0.66, 40), (top * 0.42, 30)):
            out.append(
                stroke_line(
                    f"M{n(s * (half + 10))} {n(y)}l{n(s * length)} {n(length * -0.35)}",
                    SPEED,
                    5,
                    opacity=0.85,
                )
            )
        out.append(
            _puffs((s * (half + 4), -10, 10), (s * (half + 22), -14, 14), (s * (half + 42), -8, 8))
        )
    return group(*out, class_="fx")


def pane(d: str, shine: tuple[float, float, float]) -> str:
    """A window along a path, with a slanted shine at (x, y) of the given height."""
    x, y, h = shine
    slant = points((x, y), (x + 7, y), (x + 7 - h * 0.35, y + h), (x - h * 0.35, y + h))
    return outlined("path", 2.2, d=d, fill=GLASS) + el("polygon", points=slant, fill="#ffffff")


def plate(word: str, cx: float, cy: float, cap: float, pad: float = 9) -> str:
    w, h = width_of(word, cap) + 2 * pad + 4, cap + 2 * pad
    return outlined(
        "rect", x=cx - w / 2, y=cy - h / 2, width=w, height=h, rx=4, fill=CREAM
    ) + lettering(word, cx, cy, cap, INK, 1.15)
