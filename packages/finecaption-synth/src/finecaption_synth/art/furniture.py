"""Furniture: chair, table, lamp, cabinet."""

from __future__ import annotations

import math
from collections.abc import Callable

from finecaption_synth.art.chairs import chair
from finecaption_synth.art.core import Drawing, Look, el, group, n
from finecaption_synth.art.paint import HEX, INK, paint, shade
from finecaption_synth.art.woodwork import EDGE, LINE, above, poly, rect

_BRASS = "#e3c069"


# Table -------------------------------------------------------------------------------------

_TABLE = 136.0


def _scallops(x0: float, x1: float, y: float, sag: float, count: int) -> str:
    """Path pieces from (x1, y) to (x0, y): round scallops on a curve that sags in the middle."""
    out, x, w = [], x1, (x1 - x0) / count
    for i in range(1, count + 1):
        x -= w
        t = 2 * i / count - 1
        out.append(f"A{n(w / 2)} {n(w * 0.55)} 0 0 1 {n(x)} {n(y + sag * (1 - t * t))}")
    return "".join(out)


def _cloth(back: str, half: float, edge: float, hang: float, sag: float, accent: str) -> str:
    """A white cloth.

    Args:
        back: path pieces from the start of the far edge to its end.
        half: half-width of the near edge; edge: its y at the ends; sag: how far it curves down.
        hang: length that hangs over the edge.
    """
    y = edge + hang
    rim = _scallops(-half - 3, half + 3, y, sag, 6)
    d = f"{back}L{n(half)} {n(edge)}L{n(half + 3)} {n(y)}{rim}L{n(-half)} {n(edge)}Z"
    fold = f"M{n(-half)} {n(edge)}Q0 {n(edge + 2 * sag)} {n(half)} {n(edge)}"
    hem = f"M{n(-half - 2)} {n(y - 6)}Q0 {n(y - 6 + 2 * sag)} {n(half + 2)} {n(y - 6)}"
    return (
        el("path", d=d, fill="#fffdf6", **LINE)
        + el("path", d=fold, fill="none", stroke="#c9c6c9", stroke_width=2.2)
        + el("path", d=hem, fill="none", stroke=HEX[accent], stroke_width=3.4)
        + "".join(
            el(
                "path",
                d=f"M{n(x)} {n(edge + sag + 5)}v{n(hang - 16)}",
                fill="none",
                stroke="#d9d5d6",
                stroke_width=2,
            )
            for x in (-half * 0.5, half * 0.5)
        )
    )


def _round_table(look: Look, fill: str, dark: str, cloth: bool) -> tuple[str, float, float]:
    """SVG, y of the surface's centre, half-width."""
    rx, ry = 104.0, (36.0 if above(look) else 15.0)
    cy, thick = -_TABLE + ry + EDGE, 17.0
    fy = 15.0 if above(look) else 8.0
    foot = -fy - EDGE
    out = [
        el("path", d=f"M-60 {n(foot - 8)}v8A60 {n(fy)} 0 0 0 60 {n(foot)}v-8Z", fill=dark, **LINE),
        el("ellipse", cx=0, cy=foot - 8, rx=60, ry=fy, fill=fill, **LINE),
        el("path", d=f"M-17 {n(cy)}V-62Q-18 -36 -32 {n(foot - 6)}A32 {n(fy * 0.5)} 0 0 0 32 "
           f"{n(foot - 6)}Q18 -36 17 -62V{n(cy)}Z", fill=fill, **LINE),
        el("path", d=f"M{n(-rx)} {n(cy)}v{n(thick)}A{n(rx)} {n(ry)} 0 0 0 {n(rx)} "
           f"{n(cy + thick)}v{n(-thick)}Z", fill=dark, **LINE),
        el("ellipse", cx=0, cy=cy, rx=rx, ry=ry, fill=fill, **LINE),
    ]  # fmt: skip
    if cloth:
        half = 62.0
        dy = ry * math.sqrt(1 - (half / rx) ** 2)
        back = f"M{n(-half)} {n(cy - dy)}A{n(rx)} {n(ry)} 0 0 1 {n(half)} {n(cy - dy)}"
        out.append(_cloth(back, half, cy + dy, 34, (ry - dy), look.accent))
    return "".join(out), cy, rx


def _rect_table(look: Look, fill: str, dark: str, cloth: bool) -> tuple[str, float, float]:
    """SVG, y of the surface's centre, half-width at the centre."""
    depth = 66.0 if above(look) else 26.0
    near, far = 110.0, (88.0 if above(look) else 98.0)
    y0 = -_TABLE + EDGE
    y1 = y0 + depth
    back_foot = -depth * 0.62
    out = [rect(s * (far - 12) - 8, y1, s * (far - 12) + 8, back_foot, dark) for s in (-1, 1)]
    out.append(rect(-near + 8, y1 + 13, near - 8, y1 + 27, dark))
    out += [rect(s * (near - 15) - 10, y1 + 13, s * (near - 15) + 10, -EDGE, fill) for s in (-1, 1)]
    out.append(poly(fill, (-near, y1), (near, y1), (far, y0), (-far, y0)))
    out.append(rect(-near, y1, near, y1 + 14, fill))
    if cloth:
        half = 64.0
        back = f"M{n(-half * far / near)} {n(y0)}H{n(half * far / near)}"
        out.append(_cloth(back, half, y1, 36, 0, look.accent))
    return "".join(out), (y0 + y1) / 2, (near + far) / 2


def table(look: Look) -> Drawing:
    """A round pedestal table or a rectangular one with four legs, bare or with a white cloth."""
    fill, defs = paint(look.material, look.colour, f"{look.uid}m", look.scale)
    dark, more = paint(look.material, shade(HEX[look.colour], 0.2), f"{look.uid}d", look.scale)
    round_ = look.shape == "round"
    draw = _round_table if round_ else _rect_table
    svg, y, half = draw(look, fill, dark, look.state == "covered with a cloth")
    edge = 105.2 if round_ else 111.2
    anchors = {"surface": (0.0, y), "surface_right": (half, y), "top": (0.0, -_TABLE)}
    return Drawing(svg, (-edge, -_TABLE, edge, 0.0), defs + more, anchors)


# Lamp --------------------------------------------------------------------------------------

_LAMP = -206.0
_RIM = -124.0  # y of the shade's lower rim


def _glow(uid: str) -> tuple[str, str]:
    """Warm light around a shade, as fx; SVG and defs."""
    stops = ((0, 0.95), (0.45, 0.75), (0.8, 0.22), (1, 0))
    inner = "".join(el("stop", offset=o, stop_color="#ffd23e", stop_opacity=a) for o, a in stops)
    defs = f'<radialGradient id="{uid}g">{inner}</radialGradient>'
    rays = []
    for i in range(9):
        a = math.pi * (0.9 + i * 1.2 / 8)
        c, s = math.cos(a), math.sin(a)
        rays.append(f"M{n(84 * c)} {n(-150 + 72 * s)}L{n(106 * c)} {n(-150 + 94 * s)}")
    light = el("circle", cx=0, cy=-150, r=128, fill=f"url(#{uid}g)")
    ray = el(
        "path",
        d="".join(rays),
        fill="none",
        stroke="#f0a818",
        stroke_width=5,
        stroke_linecap="round",
    )
    return group(light, ray, class_="fx"), defs


def _stand(look: Look, fill: str) -> str:
    """Pole, thick turned body and foot."""
    fy = 12.0 if above(look) else 7.0
    foot = -fy - EDGE
    body = (
        "M-12 -98C-12 -88 -38 -84 -38 -58C-38 -36 -22 -28 -20 -17L20 -17C22 -28 38 -36 38 -58"
        "C38 -84 12 -88 12 -98Z"
    )
    if look.variant % 4 == 2:
        body = "M-20 -98L-36 -80L-30 -17H30L36 -80L20 -98Z"
    disc = f"M-42 {n(foot - 8)}v8A42 {n(fy)} 0 0 0 42 {n(foot)}v-8Z"
    return (
        rect(-6, -132, 6, -94, fill)
        + el("path", d=disc, fill=fill, **LINE)
        + el("ellipse", cx=0, cy=foot - 8, rx=42, ry=fy, fill=fill, **LINE)
        + el("path", d=body, fill=fill, **LINE)
    )


_TALL = 124.0  # how much higher the shade of a floor lamp hangs


def stands_on_the_floor(look: Look) -> bool:
    """Whether a lamp with this look is a floor lamp; else it belongs on a table."""
    return look.variant % 2 == 1


def _pole(look: Look, fill: str) -> str:
    """The stand of a floor lamp: a column on a broad foot."""
    fy = 13.0 if above(look) else 8.0
    foot = -fy - EDGE
    disc = f"M-46 {n(foot - 12)}v12A46 {n(fy)} 0 0 0 46 {n(foot)}v-12Z"
    top = _RIM - _TALL - 8
    column = f"M-7 {n(top)}L-12 {n(foot - 10)}H12L7 {n(top)}Z"
    knob = el("ellipse", cx=0, cy=-150, rx=20, ry=17, fill=fill, **LINE)
    return (
        el("path", d=disc, fill=fill, **LINE)
        + el("ellipse", cx=0, cy=foot - 12, rx=46, ry=fy, fill=fill, **LINE)
        + el("path", d=column, fill=fill, **LINE)
        + knob
        + el("ellipse", cx=0, cy=foot - 22, rx=22, ry=13, fill=fill, **LINE)
    )


def _shade(look: Look, fill: str, on: bool) -> str:
    """The shade, a part: seen from a little below at eye level, else from above."""
    base = HEX[look.colour]
    high = above(look)
    w = 64.0
    ry = 17.0 if high else 10.0
    cone = look.shape == "cone-shaped"
    sweep = 1 if high else 0  # the near rim hangs lower seen from above
    close = f"A{n(w)} {n(ry)} 0 0 {sweep} {n(-w)} {_RIM}Z"
    out = []
    if not high:
        under = "#fff0a0" if on else shade(base, 0.5)
        out.append(el("ellipse", cx=0, cy=_RIM, rx=w, ry=ry, fill=under, **LINE))
    if cone:
        ty, tx, try_ = _LAMP + 7 + EDGE, 19.0, (7.0 if high else 4.0)
        if not high:
            ty = _LAMP + try_ + EDGE
        crown = f"A{n(tx)} {n(try_)} 0 0 1 {n(tx)} {n(ty)}"
        d = f"M{n(-w)} {_RIM}L{n(-tx)} {n(ty)}{crown}L{n(w)} {_RIM}{close}"
        out.append(el("path", d=d, fill=fill, **LINE))
        if high:
            hole = "#fff0a0" if on else shade(base, 0.5)
            out.append(el("ellipse", cx=0, cy=ty, rx=tx, ry=try_, fill=hole, **LINE))
        mark = f"M-44 {_RIM - 14}L-17 {n(ty + 14)}"
    else:
        top = _LAMP + 9 + EDGE
        d = f"M{n(-w)} {_RIM}A{n(w)} {n(_RIM - top)} 0 0 1 {n(w)} {_RIM}{close}"
        out.append(el("path", d=d, fill=fill, **LINE))
        out.append(el("circle", cx=0, cy=_LAMP + 6, r=4.8, fill=fill, **LINE))
        mark = f"M-50 {_RIM - 16}A58 66 0 0 1 -26 {n(top + 12)}"
    out.append(el("path", d=mark, fill="none", stroke="#ffffff", stroke_width=5, opacity=0.5,
                  stroke_linecap="round"))  # fmt: skip
    if on:  # light spills over the lower rim
        y = _RIM - 7
        rim = f"M{n(-w + 6)} {n(y)}A{n(w)} {n(ry)} 0 0 {1 - sweep} {n(w - 6)} {n(y)}"
        out.append(
            el("path", d=rim, fill="none", stroke="#ffe566", stroke_width=7, stroke_linecap="round")
        )
    return group(*out, data_part="shade")


def lamp(look: Look) -> Drawing:
    """A floor lamp or a table lamp (see stands_on_the_floor); its shade is a part.

    Switched on, it glows and its bulb is bright.
    """
    fill, defs = paint(look.material, look.colour, f"{look.uid}m", look.scale)
    cover, more = paint(None, look.colour, f"{look.uid}s", look.scale)
    on, high, tall = look.state == "switched on", above(look), stands_on_the_floor(look)
    glow, light = _glow(look.uid) if on else ("", "")
    y = _RIM + (20.0 if high else 6.0)
    bulb = el("circle", cx=0, cy=y, r=13, fill="#fff3a6" if on else "#c9cdd3", **LINE)
    bulb += el("circle", cx=-4, cy=y + 2, r=3.5, fill="#ffffff", opacity=0.9)
    head = bulb + _shade(look, cover, on) if high else _shade(look, cover, on) + bulb
    lift = _TALL if tall else 0.0
    raised = {"transform": f"translate(0 {n(-lift)})"}
    svg = (
        (group(glow, **raised) if glow else "")
        + (_pole(look, fill) if tall else _stand(look, fill))
        + group(head, **raised)
    )
    top = _LAMP - lift
    return Drawing(svg, (-65.2, top, 65.2, 0.0), defs + more + light, {"top": (0.0, top)})


# Cabinet -----------------------------------------------------------------------------------


def _goods(look: Look, x0: float, x1: float, y: float, room: float) -> str:
    """Neutral jars and boxes on a shelf at y."""
    out, x, i = [], x0 + 6, look.variant % 3
    tones = ("#e9dfc8", "#cbbd9f", "#f3ecdd")
    while x + 20 < x1:
        h = room * (0.5, 0.68, 0.42)[i % 3]
        w = (16, 12, 20)[i % 3]
        out.append(el("rect", x=x, y=y - h, width=w, height=h, rx=3 if i % 2 else None,
                      fill=tones[i % 3], stroke=INK, stroke_width=1.6))  # fmt: skip
        x += w + 9
        i += 1
    return "".join(out)


def cabinet(look: Look) -> Drawing:
    """A tall or wide cabinet with two doors, shut, or swung open before its shelves."""
    fill, defs = paint(look.material, look.colour, f"{look.uid}m", look.scale)
    dark, more = paint(look.material, shade(HEX[look.colour], 0.2), f"{look.uid}d", look.scale)
    base = HEX[look.colour]
    wide, high = look.shape == "wide", above(look)
    half, height = (94.0, 170.0) if wide else (54.0, 206.0)
    depth = 36.0 if high else 9.0
    y0, y1, y2 = -height + EDGE, -height + depth, -16.0
    inset = half - (12.0 if high else 4.0)
    out = [rect(s * (half - 12) - 8, y2, s * (half - 12) + 8, -EDGE, dark) for s in (-1, 1)]
    out.append(poly(dark, (-half, y1), (half, y1), (inset, y0), (-inset, y0)))
    out.append(rect(-half, y1, half, y2, fill))
    box = half + EDGE
    ix, iy0, iy1 = half - 9, y1 + 10, y2 - 9
    if look.state == "open":
        flap = 42.0
        out.append(rect(-ix, iy0, ix, iy1, shade(base, 0.42)))
        count = 2 if wide else 3
        room = (iy1 - iy0) / count
        for i in range(1, count + 1):
            y = iy0 + i * room - (6 if i < count else 0)
            out.append(_goods(look, -ix, ix, y, room - 8))
            if i < count:
                out.append(rect(-ix, y, ix, y + 7, fill))
        rise = 12.0 if high else -7.0
        for s in (-1, 1):
            door = (
                (s * half, iy0 - 4),
                (s * (half + flap), iy0 - 4 + rise),
                (s * (half + flap), -3.0),
                (s * half, iy1 + 5),
            )
            out.append(poly(fill, *door))
            out.append(el("circle", cx=s * (half + flap - 9), cy=(iy0 + iy1) / 2 + 6, r=4.6,
                          fill=_BRASS, stroke=INK, stroke_width=2))  # fmt: skip
        box += flap
    else:
        line = {"fill": "none", "stroke": shade(base, 0.45), "stroke_width": 2.6}
        if sum(int(base[i : i + 2], 16) for i in (1, 3, 5)) < 200:
            line["stroke"] = shade(base, -0.35)
        for s in (-1, 1):
            x0, x1 = (7, ix - 3) if s > 0 else (-ix + 3, -7)
            out.append(el("rect", x=x0, y=iy0 + 4, width=x1 - x0, height=iy1 - iy0 - 8, **line))
            out.append(el("circle", cx=s * 11, cy=(iy0 + iy1) / 2, r=5, fill=_BRASS, stroke=INK,
                          stroke_width=2))  # fmt: skip
        out.append(el("path", d=f"M0 {n(y1)}V{n(y2)}", stroke=INK, stroke_width=2.6))
    anchors = {"top": (0.0, -height), "surface": (0.0, (y0 + y1) / 2)}
    return Drawing("".join(out), (-box, -height, box, 0.0), defs + more, anchors)


DRAW: dict[str, Callable[[Look], Drawing]] = {
    "chair": chair,
    "table": table,
    "lamp": lamp,
    "cabinet": cabinet,
}
