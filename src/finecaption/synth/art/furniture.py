"""Furniture: chair, table, lamp, cabinet."""

from __future__ import annotations

import math
from collections.abc import Callable

from finecaption.synth.art.core import Drawing, Look, el, group, n, points
from finecaption.synth.art.paint import HEX, INK, paint, shade

Point = tuple[float, float]

_LINE = {"stroke": INK, "stroke_width": 2.4, "stroke_linejoin": "round"}
_E = 1.2  # half an outline
_BRASS = "#e3c069"


def _rect(x0: float, y0: float, x1: float, y1: float, fill: str, rx: float = 0) -> str:
    return el("rect", x=x0, y=y0, width=x1 - x0, height=y1 - y0, rx=rx or None, fill=fill, **_LINE)


def _poly(fill: str, *xy: Point) -> str:
    return el("polygon", points=points(*xy), fill=fill, **_LINE)


def _above(look: Look) -> bool:
    return look.pitch == "from above"


# Chair -------------------------------------------------------------------------------------

_CHAIR_TOP = -166.0
_SEAT = -58.0  # upper near edge of the seat


def _cushion(colour: str, x0: float, x1: float, y: float, height: float) -> str:
    """A plump cushion whose lower edge lies at y."""
    mid, w = (x0 + x1) / 2, x1 - x0
    d = (f"M{n(x0 + 6)} {n(y)}Q{n(x0 - 6)} {n(y - height / 2)} {n(x0 + 6)} {n(y - height + 3)}"
         f"Q{n(mid)} {n(y - height - 7)} {n(x1 - 6)} {n(y - height + 3)}"
         f"Q{n(x1 + 6)} {n(y - height / 2)} {n(x1 - 6)} {n(y)}"
         f"Q{n(mid)} {n(y + 4)} {n(x0 + 6)} {n(y)}Z")  # fmt: skip
    s = y - height * 0.4
    seam = f"M{n(x0 + 3)} {n(s)}Q{n(mid)} {n(s + height * 0.1)} {n(x1 - 3)} {n(s)}"
    return (
        el("path", d=d, fill=HEX[colour], **_LINE)
        + el("path", d=seam, fill="none", stroke=shade(HEX[colour], 0.35), stroke_width=2.4)
        + el("ellipse", cx=mid - w * 0.18, cy=y - height * 0.78, rx=w * 0.18, ry=height * 0.1,
             fill="#ffffff", opacity=0.45)
    )  # fmt: skip


def _seat(look: Look, fill: str, depth: float, near: float, far: float, dark: str) -> str:
    """A seat seen from the front or back: half-widths of its near and far edges."""
    thick = 11.0
    if look.shape == "round-backed":
        ry = depth / 2
        cy = _SEAT - ry
        edge = (f"M{n(-near)} {n(cy)}v{n(thick)}A{n(near)} {n(ry)} 0 0 0 {n(near)} {n(cy + thick)}"
                f"v{n(-thick)}Z")  # fmt: skip
        return el("path", d=edge, fill=dark, **_LINE) + el(
            "ellipse", cx=0, cy=cy, rx=near, ry=ry, fill=fill, **_LINE
        )
    top = _poly(fill, (-near, _SEAT), (near, _SEAT), (far, _SEAT - depth), (-far, _SEAT - depth))
    return top + _rect(-near, _SEAT, near, _SEAT + thick, dark)


def _backrest(look: Look, fill: str, bottom: float) -> str:
    top = _CHAIR_TOP + _E
    if look.shape == "round-backed":
        ry = (bottom - top) / 2
        return el("ellipse", cx=0, cy=top + ry, rx=45, ry=ry, fill=fill, **_LINE)
    return _rect(-45, top, 45, bottom, fill)


def _inset(look: Look, bottom: float, colour: str) -> str:
    """The inner line of a backrest's front."""
    line = {"fill": "none", "stroke": shade(HEX[colour], -0.55), "stroke_width": 2.4}
    if look.shape == "round-backed":
        ry = (bottom - _CHAIR_TOP) / 2
        return el("ellipse", cx=0, cy=_CHAIR_TOP + ry, rx=35, ry=ry - 10, **line)
    return el("rect", x=-36, y=_CHAIR_TOP + 10, width=72, height=bottom - _CHAIR_TOP - 19, **line)


def _chair_front(look: Look, fill: str, dark: str) -> str:
    depth = 38.0 if _above(look) else 20.0
    bottom = _SEAT - depth - 10
    back_leg = -24.0 if _above(look) else -9.0
    out = [_rect(s * 36 - 5, _SEAT, s * 36 + 5, back_leg, dark) for s in (-1, 1)]
    out += [_rect(s * 30 - 5, bottom - 14, s * 30 + 5, _SEAT - depth / 2, fill) for s in (-1, 1)]
    out += [_backrest(look, fill, bottom), _inset(look, bottom, look.colour)]
    out.append(_seat(look, fill, depth, 49, 41, dark))
    if look.state == "cushioned":
        out.append(_cushion(look.accent, -44, 44, _SEAT - depth * 0.2, 30))
    foot = 36 if look.shape == "round-backed" else 42
    legs = [_rect(s * foot - 6.5, _SEAT + 11, s * foot + 6.5, -_E, fill) for s in (-1, 1)]
    # A round seat curves over its legs.
    return "".join(legs + out) if look.shape == "round-backed" else "".join(out + legs)


def _chair_back(look: Look, fill: str, dark: str) -> str:
    depth = 38.0 if _above(look) else 20.0
    bottom = _SEAT - 24
    far_leg = -24.0 if _above(look) else -9.0
    out = [_rect(s * 36 - 5, _SEAT, s * 36 + 5, far_leg, dark) for s in (-1, 1)]
    out.append(_seat(look, fill, depth, 49, 41, dark))
    if look.state == "cushioned":
        out.append(_cushion(look.accent, -52, 52, _SEAT + 2, 32))
    out.append(_backrest(look, fill, bottom))
    # From behind the frame is in front of the panel: two posts down to the ground, two rails.
    rail = dark
    high = _CHAIR_TOP + (20 if look.shape == "round-backed" else 8)
    out += [_rect(s * 28 - 6, high, s * 28 + 6, -_E, fill) for s in (-1, 1)]
    out += [_rect(-34, y, 34, y + 10, rail) for y in (_CHAIR_TOP + 34, -34)]
    return "".join(out)


def _chair_side(look: Look, fill: str, dark: str) -> str:
    """Facing left; the scene's other side is its mirror image."""
    depth = 30.0 if _above(look) else 15.0
    lean = 7.0  # x shift of the far side
    far_foot = -depth * 0.75
    y = _SEAT
    out = [_rect(x - 5, y - depth / 2, x + 5, far_foot, dark) for x in (-34 + lean, 40 + lean)]
    top = _CHAIR_TOP + _E
    if look.shape == "round-backed":
        cy, ry = (top + y - 18) / 2, (y - 18 - top) / 2
        back = el("ellipse", cx=43, cy=cy, rx=20, ry=ry, fill=fill, **_LINE)
        rim = (f"M43 {n(cy - ry)}A20 {n(ry)} 0 0 1 43 {n(cy + ry)}l7 -1"
               f"A20 {n(ry - 2)} 0 0 0 50 {n(cy - ry + 1)}Z")  # fmt: skip
        back += el("path", d=rim, fill=dark, **_LINE)
    else:
        s = depth * 0.5
        back = _poly(fill, (27, top + s), (54, top), (54, y - 24 - s), (27, y - 22))
        back += _poly(dark, (54, top), (61, top), (61, y - 24 - s), (54, y - 24 - s))
    post = _rect(32, y - 34, 43, y, fill)
    seat = _poly(fill, (-46, y), (44, y), (44 + lean, y - depth), (-46 + lean, y - depth))
    edge = _rect(-46, y, 44, y + 11, dark)
    legs = [_rect(x - 6.5, y + 11, x + 6.5, -_E, fill) for x in (-37, 35)]
    out.append(seat + back + post + edge)
    if look.state == "cushioned":
        out.append(_cushion(look.accent, -46, 32, y - depth * 0.2, 30))
    return "".join(out + legs)


def chair(look: Look) -> Drawing:
    """A chair with a round or square back, seen from four sides, with or without a cushion."""
    fill, defs = paint(look.material, look.colour, f"{look.uid}m", look.scale)
    dark, more = paint(look.material, shade(HEX[look.colour], 0.22), f"{look.uid}d", look.scale)
    depth = 38.0 if _above(look) else 20.0
    wide = 53.2 if look.state == "cushioned" else 50.2
    if look.facing in ("left", "right"):
        svg = _chair_side(look, fill, dark)
        left, right = -47.2, (71.4 if look.shape == "round-backed" else 62.2)
        seat_x, seat_y = -6.0, _SEAT - (15.0 if _above(look) else 8.0)
        if look.facing == "right":
            svg = group(svg, transform="scale(-1 1)")
            left, right, seat_x = -right, -left, -seat_x
    else:
        draw = _chair_back if look.facing == "back" else _chair_front
        svg = draw(look, fill, dark)
        wide = wide if look.facing == "back" else 50.2
        left, right, seat_x, seat_y = -wide, wide, 0.0, _SEAT - depth * 0.4
    box = (left, _CHAIR_TOP, right, 0.0)
    return Drawing(svg, box, defs + more, {"seat": (seat_x, seat_y), "top": (0.0, _CHAIR_TOP)})


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
        el("path", d=d, fill="#fffdf6", **_LINE)
        + el("path", d=fold, fill="none", stroke="#c9c6c9", stroke_width=2.2)
        + el("path", d=hem, fill="none", stroke=HEX[accent], stroke_width=3.4)
        + "".join(el("path", d=f"M{n(x)} {n(edge + sag + 5)}v{n(hang - 16)}", fill="none",
                     stroke="#d9d5d6", stroke_width=2) for x in (-half * 0.5, half * 0.5))
    )  # fmt: skip


def _round_table(look: Look, fill: str, dark: str, cloth: bool) -> tuple[str, float, float]:
    """SVG, y of the surface's centre, half-width."""
    rx, ry = 104.0, (36.0 if _above(look) else 15.0)
    cy, thick = -_TABLE + ry + _E, 17.0
    fy = 15.0 if _above(look) else 8.0
    foot = -fy - _E
    out = [
        el("path", d=f"M-60 {n(foot - 8)}v8A60 {n(fy)} 0 0 0 60 {n(foot)}v-8Z", fill=dark, **_LINE),
        el("ellipse", cx=0, cy=foot - 8, rx=60, ry=fy, fill=fill, **_LINE),
        el("path", d=f"M-17 {n(cy)}V-62Q-18 -36 -32 {n(foot - 6)}A32 {n(fy * 0.5)} 0 0 0 32 "
           f"{n(foot - 6)}Q18 -36 17 -62V{n(cy)}Z", fill=fill, **_LINE),
        el("path", d=f"M{n(-rx)} {n(cy)}v{n(thick)}A{n(rx)} {n(ry)} 0 0 0 {n(rx)} "
           f"{n(cy + thick)}v{n(-thick)}Z", fill=dark, **_LINE),
        el("ellipse", cx=0, cy=cy, rx=rx, ry=ry, fill=fill, **_LINE),
    ]  # fmt: skip
    if cloth:
        half = 62.0
        dy = ry * math.sqrt(1 - (half / rx) ** 2)
        back = f"M{n(-half)} {n(cy - dy)}A{n(rx)} {n(ry)} 0 0 1 {n(half)} {n(cy - dy)}"
        out.append(_cloth(back, half, cy + dy, 34, (ry - dy), look.accent))
    return "".join(out), cy, rx


def _rect_table(look: Look, fill: str, dark: str, cloth: bool) -> tuple[str, float, float]:
    """SVG, y of the surface's centre, half-width at the centre."""
    depth = 66.0 if _above(look) else 26.0
    near, far = 110.0, (88.0 if _above(look) else 98.0)
    y0 = -_TABLE + _E
    y1 = y0 + depth
    back_foot = -depth * 0.62
    out = [_rect(s * (far - 12) - 8, y1, s * (far - 12) + 8, back_foot, dark) for s in (-1, 1)]
    out.append(_rect(-near + 8, y1 + 13, near - 8, y1 + 27, dark))
    out += [_rect(s * (near - 15) - 10, y1 + 13, s * (near - 15) + 10, -_E, fill) for s in (-1, 1)]
    out.append(_poly(fill, (-near, y1), (near, y1), (far, y0), (-far, y0)))
    out.append(_rect(-near, y1, near, y1 + 14, fill))
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
    inner = "".join(
        el("stop", offset=o, stop_color="#ffd23e", stop_opacity=a) for o, a in stops
    )
    defs = f'<radialGradient id="{uid}g">{inner}</radialGradient>'
    rays = []
    for i in range(9):
        a = math.pi * (0.9 + i * 1.2 / 8)
        c, s = math.cos(a), math.sin(a)
        rays.append(f"M{n(84 * c)} {n(-150 + 72 * s)}L{n(106 * c)} {n(-150 + 94 * s)}")
    light = el("circle", cx=0, cy=-150, r=128, fill=f"url(#{uid}g)")
    ray = el("path", d="".join(rays), fill="none", stroke="#f0a818", stroke_width=5,
             stroke_linecap="round")  # fmt: skip
    return group(light, ray, class_="fx"), defs


def _stand(look: Look, fill: str) -> str:
    """Pole, thick turned body and foot."""
    fy = 12.0 if _above(look) else 7.0
    foot = -fy - _E
    body = ("M-12 -98C-12 -88 -38 -84 -38 -58C-38 -36 -22 -28 -20 -17L20 -17C22 -28 38 -36 38 -58"
            "C38 -84 12 -88 12 -98Z")  # fmt: skip
    if look.variant % 3 == 1:
        body = "M-20 -98L-36 -80L-30 -17H30L36 -80L20 -98Z"
    disc = f"M-42 {n(foot - 8)}v8A42 {n(fy)} 0 0 0 42 {n(foot)}v-8Z"
    return (
        _rect(-6, -132, 6, -94, fill)
        + el("path", d=disc, fill=fill, **_LINE)
        + el("ellipse", cx=0, cy=foot - 8, rx=42, ry=fy, fill=fill, **_LINE)
        + el("path", d=body, fill=fill, **_LINE)
    )


def _shade(look: Look, fill: str, on: bool) -> str:
    """The shade, a part: seen from a little below at eye level, else from above."""
    base = HEX[look.colour]
    above = _above(look)
    w = 64.0
    ry = 17.0 if above else 10.0
    cone = look.shape == "cone-shaped"
    sweep = 1 if above else 0  # the near rim hangs lower seen from above
    close = f"A{n(w)} {n(ry)} 0 0 {sweep} {n(-w)} {_RIM}Z"
    out = []
    if not above:
        under = "#fff0a0" if on else shade(base, 0.5)
        out.append(el("ellipse", cx=0, cy=_RIM, rx=w, ry=ry, fill=under, **_LINE))
    if cone:
        ty, tx, try_ = _LAMP + 7 + _E, 19.0, (7.0 if above else 4.0)
        if not above:
            ty = _LAMP + try_ + _E
        crown = f"A{n(tx)} {n(try_)} 0 0 1 {n(tx)} {n(ty)}"
        d = f"M{n(-w)} {_RIM}L{n(-tx)} {n(ty)}{crown}L{n(w)} {_RIM}{close}"
        out.append(el("path", d=d, fill=fill, **_LINE))
        if above:
            hole = "#fff0a0" if on else shade(base, 0.5)
            out.append(el("ellipse", cx=0, cy=ty, rx=tx, ry=try_, fill=hole, **_LINE))
        mark = f"M-44 {_RIM - 14}L-17 {n(ty + 14)}"
    else:
        top = _LAMP + 9 + _E
        d = f"M{n(-w)} {_RIM}A{n(w)} {n(_RIM - top)} 0 0 1 {n(w)} {_RIM}{close}"
        out.append(el("path", d=d, fill=fill, **_LINE))
        out.append(el("circle", cx=0, cy=_LAMP + 6, r=4.8, fill=fill, **_LINE))
        mark = f"M-50 {_RIM - 16}A58 66 0 0 1 -26 {n(top + 12)}"
    out.append(el("path", d=mark, fill="none", stroke="#ffffff", stroke_width=5, opacity=0.5,
                  stroke_linecap="round"))  # fmt: skip
    if on:  # light spills over the lower rim
        y = _RIM - 7
        rim = f"M{n(-w + 6)} {n(y)}A{n(w)} {n(ry)} 0 0 {1 - sweep} {n(w - 6)} {n(y)}"
        out.append(el("path", d=rim, fill="none", stroke="#ffe566", stroke_width=7,
                      stroke_linecap="round"))  # fmt: skip
    return group(*out, data_part="shade")


def lamp(look: Look) -> Drawing:
    """A floor lamp whose shade is a part; switched on, it glows and its bulb is bright."""
    fill, defs = paint(look.material, look.colour, f"{look.uid}m", look.scale)
    cover, more = paint(None, look.colour, f"{look.uid}s", look.scale)
    on = look.state == "switched on"
    above = _above(look)
    glow, light = _glow(look.uid) if on else ("", "")
    y = _RIM + (20.0 if above else 6.0)
    bulb = el("circle", cx=0, cy=y, r=13, fill="#fff3a6" if on else "#c9cdd3", **_LINE)
    bulb += el("circle", cx=-4, cy=y + 2, r=3.5, fill="#ffffff", opacity=0.9)
    stand, top = _stand(look, fill), _shade(look, cover, on)
    svg = glow + stand + (bulb + top if above else top + bulb)
    return Drawing(svg, (-65.2, _LAMP, 65.2, 0.0), defs + more + light, {"top": (0.0, _LAMP)})


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
    wide, above = look.shape == "wide", _above(look)
    half, height = (94.0, 170.0) if wide else (54.0, 206.0)
    depth = 36.0 if above else 9.0
    y0, y1, y2 = -height + _E, -height + depth, -16.0
    inset = half - (12.0 if above else 4.0)
    out = [_rect(s * (half - 12) - 8, y2, s * (half - 12) + 8, -_E, dark) for s in (-1, 1)]
    out.append(_poly(dark, (-half, y1), (half, y1), (inset, y0), (-inset, y0)))
    out.append(_rect(-half, y1, half, y2, fill))
    box = half + _E
    ix, iy0, iy1 = half - 9, y1 + 10, y2 - 9
    if look.state == "open":
        flap = 42.0
        out.append(_rect(-ix, iy0, ix, iy1, shade(base, 0.42)))
        count = 2 if wide else 3
        room = (iy1 - iy0) / count
        for i in range(1, count + 1):
            y = iy0 + i * room - (6 if i < count else 0)
            out.append(_goods(look, -ix, ix, y, room - 8))
            if i < count:
                out.append(_rect(-ix, y, ix, y + 7, fill))
        rise = 12.0 if above else -7.0
        for s in (-1, 1):
            door = ((s * half, iy0 - 4), (s * (half + flap), iy0 - 4 + rise),
                    (s * (half + flap), -3.0), (s * half, iy1 + 5))  # fmt: skip
            out.append(_poly(fill, *door))
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
    "chair": chair, "table": table, "lamp": lamp, "cabinet": cabinet,
}  # fmt: skip
