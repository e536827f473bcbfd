"""Houses, towers and shops.

Walls are the look's colour in the look's material and the largest surface; the roof (part
``roof``) is plain in the accent colour. Lit windows are warm yellow with a glow on the wall
around them (light, outside the mask), dark ones deep blue. Buildings show one front from every
side; from above a flat roof shows its top.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from finecaption_synth.art.core import Drawing, Look, attrs, el, group, n, points
from finecaption_synth.art.lettering import lettering, width_of
from finecaption_synth.art.paint import HEX, INK, linear, outlined, paint, shade, stroke_line

_CREAM, _STONE = "#fbf4e2", "#bdb6ae"
_DARK, _DARK_SHINE = "#233163", "#4a5c9c"
_DOORS = ("#6d5a50", "#585561", "#7b6d5c", "#4f5a57")
_SHADE = "#241a38"


def _light_defs(uid: str) -> str:
    """The fill of a lit pane and the glow around it."""
    stops = "".join(
        el("stop", offset=offset, stop_color="#ffe06a", stop_opacity=alpha)
        for offset, alpha in ((0, 1), (0.45, 0.9), (0.75, 0.4), (1, 0))
    )
    disc = attrs(id=f"{uid}glow", cx=0.5, cy=0.5, r=0.5)
    pane = linear(f"{uid}lit", (0, "#fff3b0"), (1, "#ffc93c"))
    return f"{pane}<radialGradient {disc}>{stops}</radialGradient>"


def _window(look: Look, x: float, y: float, w: float, h: float, arched: bool = False) -> str:
    """A window centred on x with its sill at y, the glow on the wall first when lit."""
    lit = look.state == "lit windows"
    left, top = x - w / 2, y - h
    if arched:
        arc = f"A{n(w / 2)} {n(w / 2)} 0 0 1 {n(x + w / 2)} {n(top + w / 2)}"
        outline = f"M{n(left)} {n(y)}V{n(top + w / 2)}{arc}V{n(y)}Z"
    else:
        outline = f"M{n(left)} {n(y)}V{n(top)}H{n(x + w / 2)}V{n(y)}Z"
    frame = el(
        "path",
        d=outline,
        fill=f"url(#{look.uid}lit)" if lit else _DARK,
        stroke=INK,
        stroke_width=8,
        stroke_linejoin="round",
    )
    frame += el(
        "path", d=outline, fill="none", stroke=_CREAM, stroke_width=3.6, stroke_linejoin="round"
    )
    bars = stroke_line(
        f"M{n(x)} {n(top + 3)}V{n(y - 2)}M{n(left + 2)} {n(y - h * 0.48)}h{n(w - 4)}",
        "#9a6a24" if lit else _CREAM,
        2.4,
    )
    shine = "" if lit else el(
        "polygon", fill=_DARK_SHINE,
        points=points((x + w * 0.1, top + 5), (x + w * 0.32, top + 5), (x - w * 0.12, y - 4),
                      (x - w * 0.34, y - 4)),
    )  # fmt: skip
    sill = outlined("rect", 2, x=left - 5, y=y + 1, width=w + 10, height=5, rx=1.5, fill=_CREAM)
    glow = group(
        el("ellipse", cx=x, cy=y - h / 2, rx=w * 0.5 + 19, ry=h * 0.5 + 19,
           fill=f"url(#{look.uid}glow)"),
        class_="fx",
    ) if lit else ""  # fmt: skip
    return glow + frame + shine + bars + sill


def _door(look: Look, x: float, w: float, h: float, arched: bool = False) -> str:
    rng = random.Random(look.variant)
    wood = rng.choice(_DOORS)
    left = x - w / 2
    top = (
        f"V{n(-h + w / 2)}A{n(w / 2)} {n(w / 2)} 0 0 1 {n(left + w)} {n(-h + w / 2)}"
        if arched
        else f"V{n(-h)}H{n(left + w)}"
    )
    knob = rng.choice((-1, 1))
    panels = rng.choice(
        (
            f"M{n(x)} {n(-h + 6)}V-4",
            f"M{n(left + 7)} {n(-h * 0.45)}h{n(w - 14)}V-6h{n(14 - w)}Z",
            f"M{n(x - w / 6)} {n(-h + 6)}V-4M{n(x + w / 6)} {n(-h + 6)}V-4",
        )
    )
    return (
        outlined("path", d=f"M{n(left)} -4{top}V-4Z", fill=wood)
        + stroke_line(panels, shade(wood, 0.45), 2)
        + el("circle", cx=x + knob * w * 0.32, cy=-h * 0.42, r=3, fill="#f0cf7a")
        + outlined("rect", 2, x=left - 6, y=-6, width=w + 12, height=4.8, rx=1, fill=_STONE)
    )


def _tiles(y0: float, y1: float, half: Callable[[float], float], step: float, colour: str) -> str:
    """Rows of scallops between two heights of a roof whose half width at y is half(y)."""
    out = []
    y = y0
    while y < y1:
        reach = half(y) - 4
        count = int(2 * reach // 15)
        if count > 0:
            d = f"M{n(-7.5 * count)} {n(y)}" + "q7.5 7 15 0" * count
            out.append(stroke_line(d, colour, 2))
        y += step
    return "".join(out)


def _roof_line(accent: str) -> str:
    """Colour of the lines on a roof: darker than it, or paler where that would vanish."""
    return shade(accent, -0.3) if accent == "black" else shade(accent, 0.35)


def _pointed(look: Look, half: float, eave: float, apex: float) -> str:
    """A gable or spire: a triangle with scallops and a board along the eave."""
    line = _roof_line(look.accent)
    height = eave - apex

    def reach(y: float) -> float:
        return half * (y - apex) / height

    return (
        outlined("path", 2.8, d=f"M{n(-half)} {n(eave)}L0 {n(apex)}L{n(half)} {n(eave)}Z",
                fill=HEX[look.accent])
        + el("path", d=f"M4 {n(apex + 8)}L{n(half - 3)} {n(eave - 1.5)}H{n(half * 0.35)}Z",
             fill=_SHADE, opacity=0.14)
        + _tiles(apex + 22, eave - 10, reach, 17, line)
        + outlined("rect", 2.2, x=-half, y=eave - 4, width=2 * half, height=8, rx=2,
                  fill=shade(look.accent, -0.3))
    )  # fmt: skip


def _domed(look: Look, half: float, eave: float, apex: float) -> str:
    """A dome with ribs and a ball on top."""
    line = _roof_line(look.accent)
    top = apex + 14
    pull = eave - (eave - top) / 0.75  # control points of the cubic that peaks at top
    ribs = "".join(
        f"M{n(half * t)} {n(eave - 6)}C{n(half * t)} {n(pull * 0.9 + eave * 0.1)} "
        f"{n(half * t * 0.5)} {n(top + 4)} 0 {n(top + 4)}"
        for t in (-0.55, 0.55)
    )
    return (
        outlined("path", d=f"M-4 {n(top + 2)}L0 {n(apex + 6)}L4 {n(top + 2)}Z", fill=_STONE)
        + outlined("circle", 2.2, cx=0, cy=apex + 6, r=5, fill="#f0cf7a")
        + outlined("path", 2.8, fill=HEX[look.accent],
                  d=f"M{n(-half)} {n(eave)}C{n(-half)} {n(pull)} {n(half)} {n(pull)} "
                    f"{n(half)} {n(eave)}Z")
        + stroke_line(ribs + f"M0 {n(top + 5)}V{n(eave - 6)}", line, 2.4)
        + el("ellipse", cx=-half * 0.42, cy=(eave + top) / 2 - 4, rx=half * 0.1,
             ry=(eave - top) * 0.2, fill="#fff6e2", opacity=0.45,
             transform=f"rotate(24 {n(-half * 0.42)} {n((eave + top) / 2 - 4)})")
        + outlined("rect", 2.2, x=-half - 3, y=eave - 4, width=2 * half + 6, height=8, rx=2,
                  fill=shade(look.accent, -0.3))
    )  # fmt: skip


def _flat(look: Look, half: float, eave: float, top: float) -> str:
    """A slab; from above its top shows behind the front edge."""
    if look.pitch == "from above":
        edge = top + (eave - top) * 0.5
        deck = points((-half, edge), (-half + 16, top), (half - 16, top), (half, edge))
        return outlined("polygon", 2.8, points=deck, fill=shade(look.accent, -0.25)) + outlined(
            "rect", 2.8, x=-half, y=edge, width=2 * half, height=eave - edge, fill=HEX[look.accent]
        )
    step = 2 * half / 8
    ticks = "".join(f"M{n(-half + step * i)} {n(top + 11)}V{n(eave - 2)}" for i in range(1, 8))
    return (
        outlined(
            "rect", 2.8, x=-half, y=top, width=2 * half, height=eave - top, fill=HEX[look.accent]
        )
        + stroke_line(f"M{n(-half + 2)} {n(top + 9)}H{n(half - 2)}", _roof_line(look.accent), 2.2)
        + stroke_line(ticks, _roof_line(look.accent), 2)
    )


def _wall(fill: str, half_low: float, half_high: float, top: float) -> str:
    corners = points((-half_low, -1.3), (-half_high, top), (half_high, top), (half_low, -1.3))
    side = points(
        (half_low - 1, -1.3), (half_high - 1, top), (half_high - 13, top), (half_low - 13, -1.3)
    )
    return outlined("polygon", 2.8, points=corners, fill=fill) + el(
        "polygon", points=side, fill=_SHADE, opacity=0.16
    )


def _painted(look: Look) -> tuple[str, str]:
    fill, defs = paint(look.material, look.colour, f"{look.uid}b", look.scale)
    return fill, defs + (_light_defs(look.uid) if look.state == "lit windows" else "")


def house(look: Look) -> Drawing:
    """A house, 230 units high: a door between two windows, a second storey under a flat roof."""
    fill, defs = _painted(look)
    flat = look.shape == "flat"
    top = -200 if flat else -152
    low = -54 if flat else -66
    front = (
        _window(look, -60, low, 42, 44)
        + _window(look, 60, low, 42, 44)
        + _door(look, 0, 36, 74, arched=look.shape == "domed")
    )
    if flat:
        front += _window(look, -60, -134, 42, 44) + _window(look, 60, -134, 42, 44)
        front += _window(look, 0, -134, 34, 44)
        roof = _flat(look, 108, -200, -228.6)
    elif look.shape == "domed":
        roof = _domed(look, 98, -148, -228.9)
    else:
        roof = _pointed(look, 112, -148, -227)
    side = random.Random(look.variant).choice((-1, 1))
    chimney = (
        outlined("rect", x=side * 62 - 11, y=-212, width=22, height=56, fill=_STONE)
        + outlined("rect", x=side * 62 - 14, y=-218, width=28, height=9, rx=2, fill=_STONE)
        if look.shape == "pointed"
        else ""
    )
    svg = chimney + _wall(fill, 96, 96, top) + front + group(roof, data_part="roof")
    half = {"pointed": 113.4, "domed": 102.2}.get(look.shape or "", 109.4)
    return Drawing(svg, (-half, -230, half, 0), defs, {"top": (0, -230)})


def tower(look: Look) -> Drawing:
    """A tower, 295 units high: windows above one another over an arched door."""
    fill, defs = _painted(look)
    flat = look.shape == "flat"
    sills = (-82, -146, -210) if flat else (-82, -150)
    front = "".join(_window(look, 0, y, 32, 42, arched=True) for y in sills)
    front += _door(look, 0, 34, 58, arched=True)
    if flat:
        roof = _flat(look, 60, -264, -293.6)
    elif look.shape == "domed":
        roof = _domed(look, 56, -212, -293.9)
    else:
        roof = _pointed(look, 64, -208, -292)
    wall = _wall(fill, 54, 46 if flat else 48, -262 if flat else -212)
    half = {"pointed": 65.4, "domed": 60.2}.get(look.shape or "", 61.4)
    return Drawing(
        wall + front + group(roof, data_part="roof"),
        (-half, -295, half, 0),
        defs,
        {"top": (0, -295)},
    )


def _awning(look: Look, half: float, top: float, drop: float) -> str:
    """A striped awning, its hem in scallops."""
    count = 9
    between = _STONE if look.accent == "white" else _CREAM
    step = 2 * half / count
    return "".join(
        outlined(
            "path",
            2.2,
            fill=HEX[look.accent] if i % 2 == 0 else between,
            d=f"M{n((-half + step * i) * 0.93)} {n(top)}H{n((-half + step * (i + 1)) * 0.93)}"
            f"L{n(-half + step * (i + 1))} {n(top + drop)}"
            f"q{n(-step / 2)} 9 {n(-step)} 0Z",
        )
        for i in range(count)
    )


def shop(look: Look) -> Drawing:
    """A shop, 205 units high: a word on a cream board over a striped awning and a wide window."""
    fill, defs = _painted(look)
    flat = look.shape == "flat"
    top, board, cap = (-182, -151, 30) if flat else (-146, -123, 27)
    awning_top, drop = (-116, 26) if flat else (-97, 20)
    if look.text:
        w = width_of(look.text, cap) + 30
        h = cap + 14
        sign = outlined("rect", x=-w / 2, y=board - h / 2, width=w, height=h, rx=4, fill=_CREAM)
        sign += lettering(look.text, 0, board, cap, INK, 1.15)
    else:
        sign = outlined("rect", x=-50, y=board - 15, width=100, height=30, rx=4, fill=_CREAM)
    side = random.Random(look.variant).choice((-1, 1))
    glass_top = awning_top + drop + 10
    front = (
        _window(look, -side * 32, -24, 96, -24 - glass_top)
        + _door(look, side * 64, 38, -glass_top)
        + sign
        + _awning(look, 104, awning_top, drop)
    )
    roof = _flat(look, 124, -180, -203.6) if flat else _pointed(look, 128, -148, -202)
    svg = _wall(fill, 114, 114, top) + front + group(roof, data_part="roof")
    half = 125.4 if flat else 129.4
    return Drawing(svg, (-half, -205, half, 0), defs, {"top": (0, -205)})


DRAW: dict[str, Callable[[Look], Drawing]] = {"house": house, "tower": tower, "shop": shop}
