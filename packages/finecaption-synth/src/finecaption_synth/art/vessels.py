"""Vessels: vase, cup, bottle, bowl.

All are one shell, turned on a wheel or folded from boards, with something in it: the far rim,
then the contents, then the near wall and rim, so that contents stand inside.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from finecaption_synth.art.core import Drawing, Look, el, group, n, points
from finecaption_synth.art.paint import HEX, INK, mix, paint, shade

Point = tuple[float, float]

_LINE = {"stroke": INK, "stroke_width": 2.4, "stroke_linejoin": "round"}
_RIM = 3.4  # half the drawn thickness of a rim, outline included
_EDGE = 1.2  # half an outline
_LEAF = "#4f8a45"


@dataclass(frozen=True)
class _Form:
    """A shell. Paths in local units; half is the greatest half-width of the matter."""

    body: str
    mouth: str
    front: str
    half: float
    rim: float  # half-width of the mouth
    y: float  # of the mouth's centre
    ry: float  # half the mouth's drawn depth
    round: bool

    @property
    def top(self) -> float:
        return self.y - self.ry - _RIM


def _tilt(look: Look, level: float, above: float) -> float:
    return above if look.pitch == "from above" else level


def _curve(side: list[Point]) -> list[tuple[Point, Point, Point]]:
    """Catmull-Rom through the points, as cubic segments."""
    out = []
    for i in range(len(side) - 1):
        a, b = side[max(i - 1, 0)], side[i]
        c, d = side[i + 1], side[min(i + 2, len(side) - 1)]
        out.append(
            (
                (b[0] + (c[0] - a[0]) / 6, b[1] + (c[1] - a[1]) / 6),
                (c[0] - (d[0] - b[0]) / 6, c[1] - (d[1] - b[1]) / 6),
                c,
            )
        )
    return out


def _widest(side: list[Point], segments: list[tuple[Point, Point, Point]]) -> float:
    best, start = 0.0, side[0]
    for p, q, end in segments:
        for i in range(9):
            t = i / 8
            u = 1 - t
            x = u**3 * start[0] + 3 * u * u * t * p[0] + 3 * u * t * t * q[0] + t**3 * end[0]
            best = max(best, x)
        start = end
    return best


def _turned(height: float, profile: list[Point], k: float) -> _Form:
    """A shell turned on a wheel.

    Args:
        height: from the ground to the far rim, local units.
        profile: (half-width, fraction of the way from rim to foot), from rim to foot.
        k: drawn depth of a horizontal circle over its width.
    """
    rim, foot = profile[0][0], profile[-1][0]
    ry, sag = rim * k, foot * k
    y = -(height - ry - _RIM)
    side = [(x, y + t * (-sag - _EDGE - y)) for x, t in profile]
    segments = _curve(side)
    base = side[-1][1]
    d = [f"M{n(rim)} {n(y)}"]
    for p, q, e in segments:
        d.append(f"C{n(p[0])} {n(p[1])} {n(q[0])} {n(q[1])} {n(e[0])} {n(e[1])}")
    d.append(f"A{n(foot)} {n(sag)} 0 0 1 {n(-foot)} {n(base)}")
    starts = [side[0]] + [e for _, _, e in segments[:-1]]
    for (p, q, _), s in zip(reversed(segments), reversed(starts), strict=True):
        d.append(f"C{n(-q[0])} {n(q[1])} {n(-p[0])} {n(p[1])} {n(-s[0])} {n(s[1])}")
    arc = f"A{n(rim)} {n(ry)} 0 0 0 {n(rim)} {n(y)}"
    back = f"A{n(rim)} {n(ry)} 0 0 0 {n(-rim)} {n(y)}"
    front = f"M{n(-rim)} {n(y)}{arc}"
    half = max(_widest(side, segments) + _EDGE, rim + _RIM)
    return _Form("".join(d) + arc + "Z", front + back + "Z", front, half, rim, y, ry, True)


def _boxed(height: float, half: float, foot: float, k: float) -> _Form:
    """A shell of four flat walls; half and foot are half-widths at the rim and the ground."""
    depth = 2 * half * k * 0.9
    far = -(height - _RIM)
    near = far + depth
    inset = half * (1 - 0.5 * k - 0.05)
    front = f"M{n(-half)} {n(near)}L{n(half)} {n(near)}"
    body = f"{front}L{n(foot)} {n(-_EDGE)}L{n(-foot)} {n(-_EDGE)}Z"
    mouth = f"{front}L{n(inset)} {n(far)}L{n(-inset)} {n(far)}Z"
    return _Form(body, mouth, front, half + _RIM, half, far + depth / 2, depth / 2, False)


def _shell(
    look: Look, form: _Form, contents: str = "", behind: str = "", cx: float = 0
) -> tuple[str, str]:
    """SVG and defs of a shell of the look's material and colour, with contents in it."""
    base = HEX[look.colour]
    fill, defs = paint(look.material, look.colour, f"{look.uid}m", look.scale)
    hollow, more = paint(look.material, shade(base, 0.36), f"{look.uid}i", look.scale)
    defs += more
    lip = shade(base, -0.35)
    if look.material == "glass":
        lip = mix(base, "#f4fbfd", 0.65)
    clip = f"{look.uid}c"
    defs += f'<clipPath id="{clip}"><path d="{form.body}"/></clipPath>'
    ring = {"fill": "none", "stroke_linejoin": "round", "stroke_linecap": "round"}
    light = [
        el("ellipse", cx=form.half * 0.98, cy=form.y * 0.45, rx=form.half * 0.42, ry=-form.y * 0.7,
           fill=INK, opacity=0.16)
        if form.round
        else el("rect", x=form.half * 0.62, y=form.y, width=form.half, height=-form.y, fill=INK,
                opacity=0.16)
    ]  # fmt: skip
    if look.material in ("metal", "ceramic", "glass"):
        light = []
    return (
        behind
        + el(
            "path",
            d=form.mouth,
            fill=hollow,
            stroke=INK,
            stroke_width=2 * _RIM,
            stroke_linejoin="round",
        )
        + el("path", d=form.mouth, stroke=lip, stroke_width=2.6, **ring)
        + contents
        + el("path", d=form.body, fill=fill, **_LINE)
        + (group(*light, _trim(look, form), clip_path=f"url(#{clip})"))
        + el("path", d=form.body, fill="none", **_LINE)
        + el("path", d=form.front, stroke=INK, stroke_width=2 * _RIM, **ring)
        + el("path", d=form.front, stroke=lip, stroke_width=2.6, **ring)
    ), defs


def _trim(look: Look, form: _Form) -> str:
    """A thin accent band on some pots."""
    if look.material != "ceramic" or look.variant % 3 == 0:
        return ""
    at = form.y * (0.62 if look.variant % 3 == 1 else 0.2)
    w, sag = form.half, form.ry if form.round else 0
    d = f"M{n(-w)} {n(at)}Q0 {n(at + 2 * sag)} {n(w)} {n(at)}"
    return el("path", d=d, fill="none", stroke=HEX[look.accent], stroke_width=4)


def _drawing(
    look: Look,
    form: _Form,
    svg: str,
    defs: str,
    top: float | None = None,
    left: float | None = None,
    right: float | None = None,
    grip: Point | None = None,
) -> Drawing:
    box = (
        -form.half if left is None else left,
        form.top if top is None else top,
        form.half if right is None else right,
        0.0,
    )
    anchors = {
        "grip": grip or (0.0, form.y * 0.5),
        "inside": (0.0, form.y),
        "top": (0.0, box[1]),
    }
    return Drawing(svg, box, defs, anchors)


# Vase --------------------------------------------------------------------------------------


def _vase_form(shape: str | None, h: float, k: float) -> _Form:
    if shape == "tall":
        return _turned(
            h,
            [(0.23 * h, 0), (0.16 * h, 0.13), (0.24 * h, 0.36), (0.22 * h, 0.62), (0.17 * h, 1)],
            k,
        )
    if shape == "square":
        return _boxed(h, 0.37 * h, 0.35 * h, k)
    return _turned(h, [(0.24 * h, 0), (0.18 * h, 0.1), (0.33 * h, 0.25), (0.45 * h, 0.46),
                       (0.45 * h, 0.66), (0.36 * h, 0.86), (0.24 * h, 1)], k)  # fmt: skip


def _bloom(x: float, y: float, r: float, colour: str, turn: float) -> str:
    """A blossom with five petals and a centre, all within r of (x, y)."""
    petals = []
    for i in range(5):
        a = turn + i * math.tau / 5
        petals.append(
            el("circle", cx=x + 0.52 * r * math.cos(a), cy=y + 0.52 * r * math.sin(a), r=0.46 * r)
        )
    heart = "#8a5a35" if colour in ("yellow", "orange") else "#f4cd3c"
    return "".join(petals) + el("circle", cx=x, cy=y, r=0.36 * r, fill=heart)


def _flowers(look: Look, form: _Form) -> tuple[str, float, float]:
    """A bunch in the accent colour: SVG, top, half-width."""
    rng = random.Random(look.variant)
    y, r = form.y, 15.0
    heads = [(-27.0, -14.0), (27.0, -14.0), (-14.0, -34.0), (14.0, -34.0), (0.0, -18.0)]
    out = []
    for hx, hy in heads:
        sx = max(-form.rim + 5, min(form.rim - 5, hx * 0.4))
        d = f"M{n(sx)} {n(y + form.ry * 0.4)}Q{n(sx)} {n(y + hy * 0.5)} {n(hx)} {n(y + hy)}"
        out.append(el("path", d=d, fill="none", stroke=INK, stroke_width=5.4))
        out.append(el("path", d=d, fill="none", stroke=_LEAF, stroke_width=3))
    for s in (-1, 1):
        d = (
            f"M{n(4 * s)} {n(y)}Q{n(14 * s)} {n(y - 14)} {n(34 * s)} {n(y - 3)}"
            f"Q{n(20 * s)} {n(y + 6)} {n(4 * s)} {n(y)}Z"
        )
        out.append(el("path", d=d, fill=_LEAF, **_LINE))
    blooms = [_bloom(hx, y + hy, r, look.accent, rng.random() * 6) for hx, hy in heads]
    flower = group(*blooms, fill=HEX[look.accent], stroke=INK, stroke_width=1.6)
    return group(*out, flower, data_part="flowers"), y - 34 - r + 0.6, 27 + r - 0.6


def vase(look: Look) -> Drawing:
    """A vase; its flowers, in the accent colour, are a part."""
    k = _tilt(look, 0.2, 0.42)
    full = look.state == "filled with flowers"
    form = _vase_form(look.shape, 92 if full else 110, k)
    if not full:
        return _drawing(look, form, *_shell(look, form))
    flowers, top, half = _flowers(look, form)
    w = max(half, form.half)
    svg, defs = _shell(look, form, flowers)
    return _drawing(look, form, svg, defs, top, -w, w)


# Cup ---------------------------------------------------------------------------------------


def _cup_form(shape: str | None, k: float) -> _Form:
    if shape == "tall":
        return _turned(80, [(25, 0), (23.5, 0.5), (22, 1)], k)
    if shape == "square":
        return _boxed(66, 33, 33, k)
    return _turned(64, [(34, 0), (38, 0.35), (32, 0.78), (19, 1)], k)


def _steam(y: float, half: float) -> str:
    """Three curls of steam over a mouth."""
    out = []
    for x, lift in ((-0.6, 0.0), (0.0, -9.0), (0.6, 0.0)):
        x0, y0 = x * half, y - 10 + lift
        d = f"M{n(x0)} {n(y0)}q-9 -9 0 -18t0 -18"
        out.append(el("path", d=d, stroke="#7f8798", stroke_width=8, opacity=0.55))
        out.append(el("path", d=d, stroke="#ffffff", stroke_width=4.6))
    return group(*out, class_="fx", fill="none", stroke_linecap="round")


def cup(look: Look) -> Drawing:
    """A cup with a handle; steaming, it holds a hot brown drink."""
    k = _tilt(look, 0.2, 0.4)
    form = _cup_form(look.shape, k)
    side = 1 if look.variant % 2 else -1
    mid, reach = form.y * (0.55 if look.shape != "round" else 0.62), 28.0
    edge = form.half - (6 if look.shape != "round" else 12)
    fill, _ = paint(look.material, look.colour, f"{look.uid}m", look.scale)
    r = {"tall": 21, "square": 17}.get(str(look.shape), 16)
    x0, y0, y1 = side * edge, mid - r, mid + r
    x1 = side * (edge - (13 if look.shape == "round" else 0))  # a round cup narrows there
    far = side * (edge + reach * 1.25)
    d = f"M{n(x0)} {n(y0)}C{n(far)} {n(y0 - 4)} {n(far)} {n(y1 + 2)} {n(x1)} {n(y1)}"
    handle = el("path", d=d, fill="none", stroke=INK, stroke_width=14) + el(
        "path", d=d, fill="none", stroke=fill, stroke_width=9.2
    )
    drink, steam = "", ""
    if look.state == "steaming":
        brown = "#7a4a2a"
        if form.round:
            drink = el(
                "ellipse",
                cx=0,
                cy=form.y + 1.5,
                rx=form.rim - 3.5,
                ry=max(form.ry - 2.5, 2),
                fill=brown,
            )
        else:
            w, h = form.rim, form.ry
            drink = el(
                "polygon",
                fill=brown,
                points=points(
                    (-w + 4, form.y + h - 1),
                    (w - 4, form.y + h - 1),
                    (w * 0.82, form.y - h * 0.55),
                    (-w * 0.82, form.y - h * 0.55),
                ),
            )
        steam = _steam(form.y - form.ry * 0.4, form.rim)
    svg, defs = _shell(look, form, drink, handle)
    # A cubic bulges to three quarters of its control points.
    out = edge + 0.75 * reach * 1.25 + 7
    left, right = (-form.half, out) if side > 0 else (-out, form.half)
    return _drawing(look, form, svg + steam, defs, None, left, right, grip=(side * (edge + 6), mid))


# Bottle ------------------------------------------------------------------------------------


def _cork(y: float, half: float, k: float) -> tuple[str, float]:
    """A cork standing out of a mouth at y: SVG and its top."""
    w, h, ry = half - 0.5, 17.0, half * k
    d = (
        f"M{n(-w)} {n(y)}L{n(-w - 2)} {n(y - h)}L{n(w + 2)} {n(y - h)}L{n(w)} {n(y)}"
        f"A{n(w)} {n(ry)} 0 0 1 {n(-w)} {n(y)}Z"
    )
    svg = (
        el("path", d=d, fill="#d3a26b", **_LINE)
        + el("ellipse", cx=0, cy=y - h, rx=w + 2, ry=ry, fill="#ecc797", **_LINE)
        + "".join(
            el("circle", cx=x, cy=y - h + dy, r=1.6, fill="#8d6239")
            for x, dy in ((-5, 8), (4, 11), (7, 6))
        )
    )
    return svg, y - h - ry - _EDGE


def bottle(look: Look) -> Drawing:
    """A bottle; corked, or open with a dark mouth."""
    k = _tilt(look, 0.24, 0.42)
    corked = look.state == "corked"
    h, neck = (92.0 if corked else 105.0), 11.5
    if look.shape == "tall":
        form = _turned(h, [(neck, 0), (neck, 0.16), (neck + 1, 0.27), (24, 0.45), (24, 0.62),
                           (24, 0.82), (23, 1)], k)  # fmt: skip
    elif look.shape == "square":
        form = _square_bottle(h, neck, 36, k)
    else:
        form = _turned(h, [(neck, 0), (neck, 0.13), (neck + 1, 0.24), (30, 0.38), (41, 0.57),
                           (41, 0.72), (33, 0.9), (21, 1)], k)  # fmt: skip
    svg, defs = _shell(look, form)
    collar = f"M{n(-neck)} {n(form.y + 11)}A{n(neck)} {n(form.ry)} 0 0 0 {n(neck)} {n(form.y + 11)}"
    svg += el("path", d=collar, fill="none", stroke=INK, stroke_width=2)
    if not corked:
        return _drawing(look, form, svg, defs)
    cork, top = _cork(form.y, neck, k)
    return _drawing(look, form, svg + cork, defs, top)


def _square_bottle(height: float, neck: float, half: float, k: float) -> _Form:
    """A bottle with flat walls and flat shoulders under a round neck."""
    ry = neck * k
    y = -(height - ry - _RIM)
    shoulder = y * 0.7
    slope = 7 if k < 0.3 else 15
    arc = f"A{n(neck)} {n(ry)} 0 0 0 {n(neck)} {n(y)}"
    front = f"M{n(-neck)} {n(y)}{arc}"
    back = f"A{n(neck)} {n(ry)} 0 0 0 {n(-neck)} {n(y)}"
    wall = (
        f"L{n(neck)} {n(shoulder - slope)}L{n(half - slope * 0.5)} {n(shoulder - slope)}"
        f"L{n(half)} {n(shoulder)}L{n(half)} {n(-_EDGE)}L{n(-half)} {n(-_EDGE)}"
        f"L{n(-half)} {n(shoulder)}L{n(-half + slope * 0.5)} {n(shoulder - slope)}"
        f"L{n(-neck)} {n(shoulder - slope)}Z"
    )
    return _Form(front + wall, front + back + "Z", front, half + _EDGE, neck, y, ry, False)


# Bowl --------------------------------------------------------------------------------------


def _fruit(x: float, y: float, r: float, kind: str) -> str:
    """An apple, orange, lemon or plum within about r of (x, y)."""
    colour = {"apple": "#cf3d33", "orange": "#ee8b2d", "pear": "#a9bd4b", "plum": "#77508f"}[kind]
    out = el("circle", cx=x, cy=y, r=r, fill=colour, **_LINE)
    out += el("circle", cx=x - r * 0.35, cy=y - r * 0.35, r=r * 0.24, fill="#ffffff", opacity=0.55)
    if kind in ("apple", "pear"):
        out += el(
            "path",
            d=f"M{n(x)} {n(y - r * 0.6)}q1 -4 4 -5",
            fill="none",
            stroke=INK,
            stroke_width=2,
            stroke_linecap="round",
        )
    return out


def _fruits(look: Look, form: _Form) -> tuple[str, float]:
    """A heap in a bowl: SVG and its top."""
    rng = random.Random(look.variant)
    r = form.rim * (0.27 if look.shape == "wide" else 0.33)
    kinds = ["apple", "orange", "pear", "plum"]
    rng.shuffle(kinds)
    y = form.y + form.ry * 0.3
    spots = [(-0.3, -1.7), (0.3, -1.7), (-0.6, -0.5), (0.6, -0.5), (0.0, -0.6)]
    out = [_fruit(sx * form.rim, y + sy * r, r, kinds[i % 4]) for i, (sx, sy) in enumerate(spots)]
    return "".join(out), y - 2.7 * r - _EDGE


def bowl(look: Look) -> Drawing:
    """A bowl; full, a heap of fruit rises over its rim."""
    k = _tilt(look, 0.18, 0.36)
    full = look.state == "full of fruit"
    if look.shape == "wide":
        k = _tilt(look, 0.14, 0.25)
        profile: list[Point] = [(62, 0), (57, 0.36), (40, 0.74), (26, 0.9), (28, 1)]
        form = _turned(58 if full else 62, profile, k)
    elif look.shape == "square":
        form = _boxed(62 if full else 66, 46, 38, _tilt(look, 0.18, 0.3))
    else:
        h = 60.0 if full else 72.0
        form = _turned(h, [(38, 0), (43, 0.3), (38, 0.68), (20, 1)], k)
    if not full:
        return _drawing(look, form, *_shell(look, form))
    fruit, top = _fruits(look, form)
    svg, defs = _shell(look, form, fruit)
    return _drawing(look, form, svg, defs, min(top, form.top))


DRAW: dict[str, Callable[[Look], Drawing]] = {
    "vase": vase,
    "cup": cup,
    "bottle": bottle,
    "bowl": bowl,
}
