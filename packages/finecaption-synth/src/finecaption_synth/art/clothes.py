"""What people wear above the legs: coats, dresses, sweaters, sleeves, on a body of given sizes."""

from __future__ import annotations

from dataclasses import dataclass

from finecaption_synth.art.core import Look
from finecaption_synth.art.paint import HEX, INK, shade
from finecaption_synth.art.pen import Pen, Point, symmetric


@dataclass(frozen=True)
class Frame:
    """Sizes of a body in local units: half widths, heights of joints (negative: up)."""

    rx: float
    ry: float
    cy: float  # of the head's centre
    sy: float  # of the shoulders
    hip: float
    sw: float  # shoulders
    ww: float  # waist
    hw: float  # hips
    depth: float  # half the chest's depth, seen from the side
    aw: float  # arm width
    lw: float  # leg width
    child: bool = False
    female: bool = False
    side: bool = False
    back: bool = False
    sitting: bool = False
    rounded: bool = False  # shoulders of the elderly
    stoop: float = 0.0  # how far the head is ahead of the hips
    belly: float = 0.0

    @property
    def leg(self) -> float:
        return 64.0 if self.child else 98.0

    @property
    def knee(self) -> float:
        return self.leg * 0.57

    @property
    def knees(self) -> float:
        """How far each knee is from the middle of someone sitting, seen from the front."""
        return self.hw * (0.68 if self.female else 0.82)


@dataclass(frozen=True)
class Outfit:
    """Colours of one outfit; fills may be references to a pattern."""

    garment: str
    shoes: str
    skin: str
    main: str  # fill of the upper garment
    deep: str  # a second tone of the same colour
    line: str  # seams inside the garment
    sleeve: str
    legs: str
    trim: str = "#fbf3e2"
    flat: str = ""  # the plain colour


def outfit_of(look: Look, skin: str) -> Outfit:
    """The outfit of a person of this look with this skin colour (#rrggbb)."""
    garment = look.garment or "coat"
    base = HEX[look.colour]
    black = look.colour == "black"
    deep = shade(base, -0.14 if black else 0.16)
    line = "#85808c" if black else INK
    female = look.category in ("woman", "girl")
    main, sleeve, legs, trim = base, base, skin, "#fbf3e2"
    if look.colour in ("white", "yellow", "grey"):
        trim = "#7d7580" if look.colour != "grey" else "#fffaf0"
    if garment == "striped sweater":
        main = sleeve = f"url(#{look.uid}st)"
        legs = skin if female else deep
    elif garment == "coat":
        legs = skin if female else "#5a5360"
    elif garment == "overalls":
        sleeve = "#f5ecd9" if look.colour not in ("white", "yellow", "grey") else "#c3ccd2"
        legs = base
    return Outfit(garment, look.shoes or "boots", skin, main, deep, line, sleeve, legs, trim, base)


def defs_of(look: Look) -> str:
    """Definitions that the outfit's fills refer to."""
    if look.garment != "striped sweater":
        return ""
    pitch = 15 / look.scale
    base = HEX[look.colour]
    stripe = {"white": "#77707d", "yellow": "#8a6a4a"}.get(look.colour, "#fdf4e3")
    return (
        f'<pattern id="{look.uid}st" width="20" height="{pitch:.2f}" patternUnits="userSpaceOnUse">'
        f'<rect width="20" height="{pitch:.2f}" fill="{base}"/>'
        f'<rect width="20" height="{pitch * 0.4:.2f}" fill="{stripe}"/></pattern>'
    )


def along(a: Point, b: Point, t: float) -> Point:
    """The point a fraction t of the way from a to b; t may lie outside 0..1."""
    return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t


def _hem(f: Frame, o: Outfit) -> tuple[float, float, bool]:
    """(height of the hem, half width there, whether it is skirt-like) of the upper garment."""
    if o.garment == "coat":
        return -0.4 * f.leg, (1.55 if f.female else 1.16), True
    if o.garment == "dress":
        return -0.46 * f.leg, (1.75 if f.female else 1.35), True
    return f.hip + (12 if f.child else 16), 1.03, False


def draw_torso(pen: Pen, f: Frame, o: Outfit, look: Look) -> None:
    """The upper garment with its trims; dresses and coats reach below the knee or hip."""
    hem_y, wide, skirt = _hem(f, o)
    if f.sitting:
        hem_y = f.hip + 12
        wide = min(wide, 1.25)
    if f.female and o.garment == "striped sweater" and not f.sitting:
        _skirt(pen, f, o, -0.46 * f.leg)
    body = o.main if o.garment != "overalls" else o.sleeve
    if f.side:
        _torso_side(pen, f, o, body, hem_y, wide, skirt)
    else:
        _torso_front(pen, f, o, body, hem_y, wide)


def _skirt(pen: Pen, f: Frame, o: Outfit, hem: float) -> None:
    top = f.hip - 4
    if f.side:
        d = f.depth
        pen.path(
            f"M {-d} {top} L {d} {top} L {d * 1.45 + 4} {hem} Q 0 {hem + 7} "
            f"{-d * 1.45 - 4} {hem} Z",
            o.deep,
            o.line,
        )
        return
    pen.path(
        symmetric(
            (0, top),
            ((f.hw * 0.95, top),),
            ((f.hw * 1.65, hem),),
            ((f.hw * 0.8, hem + 7), (0, hem + 7)),
        ),
        o.deep,
        o.line,
    )


def _torso_front(pen: Pen, f: Frame, o: Outfit, body: str, hem_y: float, wide: float) -> None:
    sy, sw, ww, hw = f.sy, f.sw, f.ww, f.hw
    wy = sy + 0.58 * (f.hip - sy)
    nw = f.aw * 0.75
    slope = 15 if f.rounded else 3
    low = hw * wide
    edge = [
        ((nw, sy - 5),),
        ((sw, sy - 4 + slope), (sw, sy + 14 + slope)),
        ((sw, sy + 26), (ww, wy - 8), (ww, wy)),
        ((ww, wy + 14), (low * 0.97, f.hip - 8), (low, hem_y)),
        ((low * 0.5, hem_y + 6), (0, hem_y + 6)),
    ]
    pen.path(symmetric((0, sy - 5), *edge), body, o.line)
    if o.garment != "striped sweater" and o.garment != "overalls":
        pen.path(
            f"M {ww * 0.62} {sy + 16} Q {ww * 0.5} {wy} {low * 0.55} {hem_y + 2} "
            f"L {low * 0.97} {hem_y - 2} Q {ww} {f.hip} {ww - 2} {wy} Q {sw - 2} {sy + 30} "
            f"{sw - 3} {sy + 20} Z",
            o.deep,
            None,
        )
    detail = {
        "coat": _coat,
        "dress": _dress,
        "overalls": _overalls,
        "striped sweater": _sweater,
        "t-shirt and shorts": _shirt,
    }[o.garment]
    detail(pen, f, o, hem_y, low, wy, nw)


def _coat(pen: Pen, f: Frame, o: Outfit, hem: float, low: float, wy: float, nw: float) -> None:
    if f.back:
        pen.line(f"M 0 {wy + 6} L 0 {hem + 4}", o.line, 2.4)
        pen.limb([(-f.ww * 0.6, wy), (f.ww * 0.6, wy)], 8, o.deep, o.line)
        pen.path(
            symmetric(
                (0, f.sy - 9), ((nw + 5, f.sy - 9),), ((nw + 9, f.sy + 5),), ((0, f.sy + 9),)
            ),
            o.deep,
            o.line,
        )
        return
    pen.line(f"M 0 {f.sy + 26} L 0 {hem + 4}", o.line, 2.4)
    if f.female:
        pen.limb([(-f.ww * 0.93, wy), (f.ww * 0.93, wy)], 9, o.deep, o.line)
    for s in (-1, 1):
        pen.path(
            f"M {s * nw} {f.sy - 7} L {s * (nw + 12)} {f.sy + 6} L {s * (nw + 4)} "
            f"{f.sy + 16} L 0 {f.sy + 34} Z",
            o.deep,
            o.line,
        )
        pen.line(f"M {s * low * 0.35} {f.hip - 2} L {s * low * 0.72} {f.hip - 5}", o.line, 3)
    pen.path(f"M {-nw * 0.7} {f.sy - 6} L {nw * 0.7} {f.sy - 6} L 0 {f.sy + 22} Z", "#f3ecdc")
    for i in range(3):
        y = f.sy + 44 + i * (22 if not f.child else 15)
        if abs(y - wy) > 8 or not f.female:
            for s in (-1, 1):
                pen.ellipse(s * 8, y, 3.2, 3.2, "#f1d37a")


def _dress(pen: Pen, f: Frame, o: Outfit, hem: float, low: float, wy: float, nw: float) -> None:
    if not f.sitting:
        pen.line(f"M {-low * 0.96} {hem - 6} Q 0 {hem + 1} {low * 0.96} {hem - 6}", o.trim, 4)
    for s in (-1, 1):
        pen.line(f"M {s * f.ww * 0.4} {wy + 10} L {s * low * 0.5} {hem - 8}", o.line, 2)
    pen.limb([(-f.ww * 0.93, wy + 1), (f.ww * 0.93, wy + 1)], 9, o.deep, o.line)
    if f.back:
        for s in (-1, 1):
            pen.path(f"M 0 {wy} L {s * 15} {wy - 9} L {s * 15} {wy + 9} Z", o.deep, o.line)
            pen.line(f"M 0 {wy + 2} L {s * 8} {wy + 26}", o.line, 3)
        return
    pen.path(f"M {-nw - 3} {f.sy - 6} Q 0 {f.sy + 24} {nw + 3} {f.sy - 6} Z", o.skin)
    for s in (-1, 1):
        pen.path(
            f"M 0 {f.sy + 8} Q {s * nw} {f.sy + 4} {s * (nw + 3)} {f.sy - 6} L "
            f"{s * (nw + 9)} {f.sy + 2} Q {s * nw} {f.sy + 20} 0 {f.sy + 10} Z",
            "#fbf6ea",
        )


def _overalls(pen: Pen, f: Frame, o: Outfit, hem: float, low: float, wy: float, nw: float) -> None:
    top = f.sy + (16 if f.child else 26)
    w = min(f.sw, f.ww) * 0.72
    if f.back:
        for s in (-1, 1):
            pen.limb([(-s * f.sw * 0.5, f.sy), (s * w * 0.7, wy)], 9, o.main, o.line)
    else:
        for s in (-1, 1):
            pen.limb([(s * f.sw * 0.52, f.sy + 1), (s * w * 0.8, top + 4)], 9, o.main, o.line)
    edge = f.ww + 1
    bib = top if not f.back else wy - 8
    pen.path(
        symmetric(
            (0, bib),
            ((w, bib),),
            ((w, wy - 10), (edge, wy - 2)),
            ((edge, wy + 8), (low * 1.03, f.hip - 8), (low * 1.04, hem)),
            ((low * 0.5, hem + 6), (0, hem + 6)),
        ),
        o.main,
        o.line,
    )
    if not f.back:
        pen.path(
            f"M {-w * 0.5} {bib + 14} L {w * 0.5} {bib + 14} L {w * 0.45} {wy} "
            f"Q 0 {wy + 7} {-w * 0.45} {wy} Z",
            o.deep,
            o.line,
        )
        for s in (-1, 1):
            pen.ellipse(s * w * 0.78, bib + 6, 3.6, 3.6, "#f1d37a")
    else:
        for s in (-1, 1):
            pen.path(
                f"M {s * low * 0.2} {f.hip - 12} L {s * low * 0.78} {f.hip - 12} L "
                f"{s * low * 0.74} {f.hip + 6} L {s * low * 0.24} {f.hip + 6} Z",
                o.deep,
                o.line,
            )


def _sweater(pen: Pen, f: Frame, o: Outfit, hem: float, low: float, wy: float, nw: float) -> None:
    pen.limb([(-low + 4, hem + 1), (low - 4, hem + 1)], 9, o.deep, o.line)
    pen.limb([(-nw, f.sy - 5), (0, f.sy), (nw, f.sy - 5)], 9, o.deep, o.line)


def _shirt(pen: Pen, f: Frame, o: Outfit, hem: float, low: float, wy: float, nw: float) -> None:
    if f.back:
        pen.limb([(-nw * 0.8, f.sy - 5), (nw * 0.8, f.sy - 5)], 5, o.deep, o.line)
        return
    pen.path(f"M {-nw - 2} {f.sy - 6} Q 0 {f.sy + 17} {nw + 2} {f.sy - 6} Z", o.skin)
    pen.line(f"M {-nw - 2} {f.sy - 5} Q 0 {f.sy + 19} {nw + 2} {f.sy - 5}", o.deep, 5)
    y = f.sy + (30 if f.child else 40)
    pen.path(
        f"M {f.ww * 0.2} {y - 9} L {f.ww * 0.66} {y - 9} L {f.ww * 0.62} {y + 8} "
        f"L {f.ww * 0.24} {y + 8} Z",
        o.deep,
        o.line,
    )


def _torso_side(
    pen: Pen, f: Frame, o: Outfit, body: str, hem_y: float, wide: float, skirt: bool
) -> None:
    sy, d, st = f.sy, f.depth, f.stoop
    wy = sy + 0.58 * (f.hip - sy)
    front = d * (1.0 + f.belly * 0.45) + (3 if f.female and not f.child else 0)
    waist = d * (1.0 + f.belly * 0.9) * (0.86 if f.female and not f.belly else 1.0)
    low = d * wide + (4 if skirt else 0)
    below, above, up = d * 0.95, front + st * 0.5, sy + 34
    if f.belly:  # round at the waist
        below, above, up = waist * 0.99, waist, wy - 0.22 * (f.hip - sy)
    pen.path(
        f"M {st * 0.7 - 7} {sy - 6} Q {-d * 0.9 + st * 0.1} {sy - 4} "
        f"{-d * 1.02 - st * 0.4} {sy + 26} Q {-d * 0.95} {wy} "
        f"{-d * (0.82 if f.female else 0.92)} {wy} Q {-d} {f.hip} {-low} {hem_y} "
        f"Q 0 {hem_y + 6} {low} {hem_y} Q {below} {f.hip - 6} {waist} {wy} "
        f"Q {above} {up} {front * 0.85 + st * 0.6} {sy + 22} "
        f"Q {d * 0.6 + st * 0.7} {sy - 4} {st * 0.7 + 8} {sy - 6} Z",
        body,
        o.line,
    )
    if o.garment not in ("striped sweater", "overalls"):
        pen.path(
            f"M {-d * 0.95} {sy + 30} Q {-d * 0.4} {wy} {-low * 0.5} {hem_y + 2} "
            f"L {-low + 2} {hem_y - 1} Q {-d * 0.9} {f.hip} {-d * 0.8} {wy} Z",
            o.deep,
            None,
        )
    if o.garment == "coat":
        pen.path(
            f"M {st * 0.7 - 8} {sy - 10} L {st * 0.7 + 12} {sy - 8} L "
            f"{d * 0.95 + st * 0.5} {sy + 30} L {d * 0.3} {sy + 12} Z",
            o.deep,
            o.line,
        )
        pen.line(f"M {d * 0.1} {f.hip - 6} L {d * 0.6} {f.hip - 2}", o.line, 3)
        for i in range(3):
            y = sy + 42 + i * (22 if not f.child else 14)
            pen.ellipse(d * 0.72, y, 3.2, 3.2, "#f1d37a")
        if f.female:
            pen.limb([(-d * 0.74, wy), (waist * 0.92, wy)], 9, o.deep, o.line)
    elif o.garment == "dress":
        if not f.sitting:
            pen.line(
                f"M {-low * 0.94} {hem_y - 6} Q 0 {hem_y + 1} {low * 0.94} {hem_y - 6}", o.trim, 4
            )
        pen.limb([(-d * 0.74, wy), (waist * 0.92, wy)], 9, o.deep, o.line)
        pen.limb([(st * 0.7 - 6, sy - 6), (st * 0.7 + 10, sy - 2)], 7, "#fbf6ea")
    elif o.garment == "overalls":
        top = sy + (18 if f.child else 28)
        pen.limb([(st * 0.7, sy - 2), (front * 0.8, top + 2)], 9, o.main, o.line)
        pen.limb([(st * 0.7 - 4, sy - 2), (-d * 0.7, wy)], 9, o.main, o.line)
        pen.path(
            f"M {front * 0.45} {top} L {front + st * 0.3} {top + 4} Q {waist * 1.03} "
            f"{wy - 8} {waist * 1.03} {wy} Q {below * 1.04} {f.hip - 6} {low * 1.05} {hem_y} "
            f"Q 0 {hem_y + 6} {-low * 1.05} {hem_y} Q {-d * 1.02} {f.hip} {-d * 0.92} "
            f"{wy - 6} Q {front * 0.3} {wy - 8} {front * 0.45} {top} Z",
            o.main,
            o.line,
        )
        pen.ellipse(front * 0.74, top + 7, 3.6, 3.6, "#f1d37a")
    elif o.garment == "striped sweater":
        pen.limb([(-low + 4, hem_y + 1), (low - 4, hem_y + 1)], 9, o.deep, o.line)
        pen.limb([(st * 0.7 - 6, sy - 6), (st * 0.7 + 8, sy - 4)], 9, o.deep, o.line)
    else:
        pen.limb([(st * 0.7 - 6, sy - 5), (st * 0.7 + 9, sy - 2)], 5, o.deep, o.line)
