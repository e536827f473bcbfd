"""Chairs, from four sides."""

from __future__ import annotations

from finecaption_synth.art.core import Drawing, Look, el, group, n
from finecaption_synth.art.extent import extent
from finecaption_synth.art.paint import HEX, paint, shade
from finecaption_synth.art.woodwork import EDGE, LINE, above, poly, rect

_CHAIR_TOP = -166.0
_SEAT = -58.0  # upper near edge of the seat


def _cushion(colour: str, x0: float, x1: float, y: float, height: float) -> str:
    """A plump cushion whose lower edge lies at y."""
    mid, w = (x0 + x1) / 2, x1 - x0
    d = (
        f"M{n(x0 + 6)} {n(y)}Q{n(x0 - 6)} {n(y - height / 2)} {n(x0 + 6)} {n(y - height + 3)}"
        f"Q{n(mid)} {n(y - height - 7)} {n(x1 - 6)} {n(y - height + 3)}"
        f"Q{n(x1 + 6)} {n(y - height / 2)} {n(x1 - 6)} {n(y)}"
        f"Q{n(mid)} {n(y + 4)} {n(x0 + 6)} {n(y)}Z"
    )
    s = y - height * 0.4
    seam = f"M{n(x0 + 3)} {n(s)}Q{n(mid)} {n(s + height * 0.1)} {n(x1 - 3)} {n(s)}"
    return (
        el("path", d=d, fill=HEX[colour], **LINE)
        + el("path", d=seam, fill="none", stroke=shade(HEX[colour], 0.35), stroke_width=2.4)
        + el(
            "ellipse",
            cx=mid - w * 0.18,
            cy=y - height * 0.78,
            rx=w * 0.18,
            ry=height * 0.1,
            fill="#ffffff",
            opacity=0.45,
        )
    )


def _seat(look: Look, fill: str, depth: float, near: float, far: float, dark: str) -> str:
    """A seat seen from the front or back: half-widths of its near and far edges."""
    thick = 11.0
    if look.shape == "round-backed":
        ry = depth / 2
        cy = _SEAT - ry
        edge = (
            f"M{n(-near)} {n(cy)}v{n(thick)}A{n(near)} {n(ry)} 0 0 0 {n(near)} {n(cy + thick)}"
            f"v{n(-thick)}Z"
        )
        return el("path", d=edge, fill=dark, **LINE) + el(
            "ellipse", cx=0, cy=cy, rx=near, ry=ry, fill=fill, **LINE
        )
    top = poly(fill, (-near, _SEAT), (near, _SEAT), (far, _SEAT - depth), (-far, _SEAT - depth))
    return top + rect(-near, _SEAT, near, _SEAT + thick, dark)


def _backrest(look: Look, fill: str, bottom: float) -> str:
    top = _CHAIR_TOP + EDGE
    if look.shape == "round-backed":
        ry = (bottom - top) / 2
        return el("ellipse", cx=0, cy=top + ry, rx=45, ry=ry, fill=fill, **LINE)
    return rect(-45, top, 45, bottom, fill)


def _inset(look: Look, bottom: float, colour: str) -> str:
    """The inner line of a backrest's front."""
    line = {"fill": "none", "stroke": shade(HEX[colour], -0.55), "stroke_width": 2.4}
    if look.shape == "round-backed":
        ry = (bottom - _CHAIR_TOP) / 2
        return el("ellipse", cx=0, cy=_CHAIR_TOP + ry, rx=35, ry=ry - 10, **line)
    return el("rect", x=-36, y=_CHAIR_TOP + 10, width=72, height=bottom - _CHAIR_TOP - 19, **line)


def _chair_front(look: Look, fill: str, dark: str) -> str:
    depth = 38.0 if above(look) else 20.0
    bottom = _SEAT - depth - 10
    back_leg = -24.0 if above(look) else -9.0
    out = [rect(s * 36 - 5, _SEAT, s * 36 + 5, back_leg, dark) for s in (-1, 1)]
    out += [rect(s * 30 - 5, bottom - 14, s * 30 + 5, _SEAT - depth / 2, fill) for s in (-1, 1)]
    out += [_backrest(look, fill, bottom), _inset(look, bottom, look.colour)]
    out.append(_seat(look, fill, depth, 49, 41, dark))
    if look.state == "cushioned":
        out.append(_cushion(look.accent, -44, 44, _SEAT - depth * 0.2, 30))
    foot = 36 if look.shape == "round-backed" else 42
    legs = [rect(s * foot - 6.5, _SEAT + 11, s * foot + 6.5, -EDGE, fill) for s in (-1, 1)]
    # A round seat curves over its legs.
    return "".join(legs + out) if look.shape == "round-backed" else "".join(out + legs)


def _chair_back(look: Look, fill: str, dark: str) -> str:
    depth = 38.0 if above(look) else 20.0
    bottom = _SEAT - 24
    far_leg = -24.0 if above(look) else -9.0
    out = [rect(s * 36 - 5, _SEAT, s * 36 + 5, far_leg, dark) for s in (-1, 1)]
    out.append(_seat(look, fill, depth, 49, 41, dark))
    if look.state == "cushioned":
        out.append(_cushion(look.accent, -52, 52, _SEAT + 2, 32))
    out.append(_backrest(look, fill, bottom))
    # From behind the frame is in front of the panel: two posts down to the ground, two rails.
    rail = dark
    high = _CHAIR_TOP + (20 if look.shape == "round-backed" else 8)
    out += [rect(s * 28 - 6, high, s * 28 + 6, -EDGE, fill) for s in (-1, 1)]
    out += [rect(-34, y, 34, y + 10, rail) for y in (_CHAIR_TOP + 34, -34)]
    return "".join(out)


_SKEW = -30.0  # x shift of a chair's far side, seen a little from the front


def _side_back(look: Look, fill: str, dark: str, rise: float) -> str:
    """The backrest of a chair that faces left: its inner face between the far and near edge."""
    top, low = _CHAIR_TOP + EDGE, _SEAT - 16
    near, far = 47.0, 47.0 + _SKEW
    if look.shape == "round-backed":
        mid = (top + low - rise) / 2
        d = (
            f"M{n(near)} {n(low)}C{n(near + 14)} {n(mid + 8)} {n(near + 18)} {n(top + rise)} "
            f"{n(near - 4)} {n(top + rise * 0.4)}C{n(far - 4)} {n(top - 10)} {n(far - 4)} "
            f"{n(mid - 26)} {n(far)} {n(low - rise)}Z"
        )
        edge = (
            f"M{n(near)} {n(low)}C{n(near + 14)} {n(mid + 8)} {n(near + 18)} {n(top + rise)} "
            f"{n(near - 4)} {n(top + rise * 0.4)}C{n(near + 30)} {n(top + rise + 4)} "
            f"{n(near + 24)} {n(mid + 8)} {n(near + 9)} {n(low)}Z"
        )
        return el("path", d=edge, fill=dark, **LINE) + el("path", d=d, fill=fill, **LINE)
    face = poly(fill, (near, low), (near + 9, top + rise), (far + 9, top), (far, low - rise))
    return face + poly(
        dark, (near, low), (near + 9, top + rise), (near + 18, top + rise), (near + 10, low)
    )


def _chair_side(look: Look, fill: str, dark: str) -> str:
    """Facing left, seen a little from the front; the other side is its mirror image."""
    rise, y, thick = (36.0 if above(look) else 20.0), _SEAT, 13.0
    far_y = y - rise
    out = [rect(x + _SKEW - 5, far_y, x + _SKEW + 5, -rise * 0.7, dark) for x in (-36, 43)]
    # The back is one piece with the hind legs: posts rise from the ground to the backrest.
    out.append(rect(43 + _SKEW - 5, far_y - 24, 43 + _SKEW + 5, far_y, dark))
    post = poly(fill, (38, -EDGE), (50, -EDGE), (53, y), (57, y - 30), (47, y - 30), (40, y))
    seat = poly(fill, (-46, y), (48, y), (48 + _SKEW, far_y), (-46 + _SKEW, far_y))
    lip = poly(dark, (-46, y), (-46 + _SKEW, far_y), (-46 + _SKEW, far_y + thick), (-46, y + thick))
    out += [_side_back(look, fill, dark, rise * 0.6), seat, lip]
    if look.state == "cushioned":
        out.append(_cushion(look.accent, -58, 26, y - rise * 0.25, 28))
    out += [rect(-46, y, 46, y + thick, dark), post]
    out.append(rect(-46, y + thick, -34, -EDGE, fill))
    return "".join(out)


def chair(look: Look) -> Drawing:
    """A chair with a round or square back, seen from four sides, with or without a cushion."""
    fill, defs = paint(look.material, look.colour, f"{look.uid}m", look.scale)
    dark, more = paint(look.material, shade(HEX[look.colour], 0.22), f"{look.uid}d", look.scale)
    depth = 38.0 if above(look) else 20.0
    wide = 53.2 if look.state == "cushioned" else 50.2
    if look.facing in ("left", "right"):
        svg = _chair_side(look, fill, dark)
        left, _, right, _ = extent(svg)
        seat_x, seat_y = -14.0, _SEAT - (16.0 if above(look) else 9.0)
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
