"""What animals are built from: coats, outlined limbs, eyes, what they eat, the Zs of sleep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finecaption_synth.art.core import Drawing, Look, attrs, el, group, n, points
from finecaption_synth.art.extent import extent
from finecaption_synth.art.paint import HEX, INK, shade, stroke_line

INNER = "#eeb0a6"  # inner ear, nose, tongue
Point = tuple[float, float]
Piece = tuple[str, float]  # path data; width of the stroke that it stands for, 0 for a filled shape

# Marks differ from the coat in lightness, so that the main colour stays the main one.
_MARKS = {
    "brown": "#efcf9f",
    "black": "#c9c5c8",
    "white": "#5b4d4c",
    "grey": "#47464f",
    "orange": "#7c3413",
}


@dataclass(frozen=True)
class Coat:
    """Colours and fills of one animal.

    Attributes:
        base, soft, line: main colour, a lighter one for muzzles, one that lines show in.
        mark: colour of stripes and spots.
        body, limb: fills of torsos (stripes run down) and of legs and tails (across).
        far: fill of the legs on the far side.
        ink: outline; on black darker than elsewhere, so that it shows.
        tone: see-through fill that lights a body from above.
        pattern: plain, striped or spotted.
        defs: patterns behind the fills.
    """

    base: str
    soft: str
    line: str
    mark: str
    body: str
    limb: str
    far: str
    ink: str
    tone: str
    pattern: str
    defs: str


def _tile(uid: str, grow: float, inner: str) -> str:
    """A pattern whose one tile covers the whole animal: repeated tiles would show seams."""
    place = f"scale({grow:.3f}) translate(-180 -260)"
    return (
        f'<pattern {attrs(id=uid, width=360, height=280)} patternUnits="userSpaceOnUse" '
        f'patternTransform="{place}">{inner}</pattern>'
    )


def _bands(colour: str, across: bool) -> str:
    """Wavy bands 21 apart: down the body, or across its limbs."""
    d = ""
    for k in range(14 if across else 18):
        if across:
            y = 6 + 21 * k
            d += f"M0 {y}Q20 {y + 6} 40 {y}" + "".join(f"T{x} {y}" for x in range(80, 361, 40))
        else:
            x = 4 + 21 * k + 4 * (k % 2)
            d += f"M{x} 0Q{x + 9} 35 {x} 70T{x} 140T{x} 210T{x} 280"
    return el("path", d=d, fill="none", stroke=colour, stroke_width=7.8)


def _dots(colour: str) -> str:
    """Round spots of two sizes in a loose lattice: dashes of no length on wavy rows."""
    out = ""
    for row in range(14):
        y = 8 + 20 * row
        d = f"M{14 * (row % 2) + row % 5} {y}" + "".join(
            f"Q{x - 20} {y + 7 - row % 4} {x} {y + row % 3 - 1}" for x in (90, 180, 270, 360)
        )
        dash = f"0.1 {24 + row % 3}"
        out += el("path", d=d, stroke_dasharray=dash, stroke_width=14 if row % 2 else 11.5)
    return group(out, fill="none", stroke=colour, stroke_linecap="round")


def coat(look: Look, size: float = 1.0) -> Coat:
    """The coat of a look; its marks are drawn ``size`` times as big."""
    base = HEX[look.colour]
    black = look.colour == "black"
    mark = _MARKS.get(look.colour, shade(base, 0.6))
    pattern = look.coat or "plain"
    body, limb, defs = base, base, ""
    grow = size * min(1.25, max(0.85, look.scale**-0.5))
    ground = el("rect", width=360, height=280, fill=base)
    if pattern == "striped":
        body, limb = f"url(#{look.uid}v)", f"url(#{look.uid}h)"
        defs = _tile(f"{look.uid}v", grow, ground + _bands(mark, False))
        defs += _tile(f"{look.uid}h", grow, ground + _bands(mark, True))
    elif pattern == "spotted":
        body = limb = f"url(#{look.uid}v)"
        defs = _tile(f"{look.uid}v", grow, ground + _dots(mark))
    white, dark = ("#ffffff", "#1d1030")
    tone = "".join(
        el("stop", offset=o, stop_color=t, stop_opacity=a)
        for o, t, a in ((0, white, 0.26), (0.4, white, 0), (0.6, dark, 0), (1, dark, 0.24))
    )
    frame = attrs(id=f"{look.uid}t", x1=0, y1=0, x2=0, y2=1)
    defs += f"<linearGradient {frame}>{tone}</linearGradient>"
    return Coat(
        base=base,
        soft=shade(base, -0.42),
        line="#b5afb6" if black else INK,
        mark=mark,
        body=body,
        limb=limb,
        far=shade(base, -0.14) if black else shade(base, 0.24),
        ink="#0f0c12" if black else INK,
        tone=f"url(#{look.uid}t)",
        pattern=pattern,
        defs=defs,
    )


def oval(cx: float, cy: float, rx: float, ry: float) -> str:
    """Path data of an ellipse."""
    k = 0.5523
    a, b, c, d = cx - rx, cx + rx, cy - ry, cy + ry
    return (
        f"M{n(a)} {n(cy)}C{n(a)} {n(cy - ry * k)} {n(cx - rx * k)} {n(c)} {n(cx)} {n(c)}"
        f"C{n(cx + rx * k)} {n(c)} {n(b)} {n(cy - ry * k)} {n(b)} {n(cy)}"
        f"C{n(b)} {n(cy + ry * k)} {n(cx + rx * k)} {n(d)} {n(cx)} {n(d)}"
        f"C{n(cx - rx * k)} {n(d)} {n(a)} {n(cy + ry * k)} {n(a)} {n(cy)}Z"
    )


def union(pieces: Sequence[Piece], fill: str, ink: str = INK, edge: float = 2.5) -> str:
    """Shapes and round-ended strokes as one figure: one outline around all, none for edge 0."""
    flesh = "".join(
        el("path", d=d) if not w else el("path", d=d, fill="none", stroke=fill, stroke_width=w)
        for d, w in pieces
    )
    body = group(flesh, fill=fill, stroke_linecap="round", stroke_linejoin="round")
    if not edge:
        return body
    outline = "".join(
        el("path", d=d, stroke_width=w + 2 * edge, fill="none" if w else None) for d, w in pieces
    )
    return (
        group(outline, stroke=ink, fill=ink, stroke_linecap="round", stroke_linejoin="round") + body
    )


def lit(d: str, c: Coat) -> str:
    """Light from above and shade from below on a shape already drawn."""
    return el("path", d=d, fill=c.tone)


def sheen(d: str) -> str:
    """A soft light along a back."""
    return el(
        "path",
        d=d,
        fill="none",
        stroke="#ffffff",
        stroke_width=7,
        stroke_linecap="round",
        opacity=0.22,
    )


def line(d: str, colour: str, width: float = 2.2) -> str:
    """An open stroke with round ends."""
    return stroke_line(d, colour, width)


def eye(x: float, y: float, shut: bool, c: Coat, r: float = 7.5) -> str:
    """A big open eye, or a shut one: a heavy arc with lashes."""
    if shut:
        d = (
            f"M{n(x - r - 1)} {n(y)}Q{n(x)} {n(y + r * 1.4)} {n(x + r + 1)} {n(y)}"
            f"M{n(x)} {n(y + r * 0.8)}V{n(y + r * 1.35)}"
        )
        return line(d, c.line, 3)
    return (
        el("ellipse", cx=x, cy=y, rx=r, ry=r * 1.12, fill="#fffdf4", stroke=INK, stroke_width=1.6)
        + el("circle", cx=x + 0.8, cy=y + 0.5, r=r * 0.66, fill="#1d171c")
        + el("circle", cx=x - 1.4, cy=y - 2, r=r * 0.24, fill="#ffffff")
    )


def sleep(x: float, y: float, side: float = 1.0) -> str:
    """Three Zs rising from (x, y) towards larger x for side 1, smaller for -1; they are light."""
    d = ""
    for dx, dy, s in ((0, 0, 9), (15, -17, 12), (33, -39, 15)):
        a, b = x + side * dx - s / 2, y + dy - s / 2
        d += f"M{n(a)} {n(b)}H{n(a + s)}L{n(a)} {n(b + s)}H{n(a + s)}"
    return group(line(d, "#ffffff", 7.5), line(d, "#3d4a86", 3.6), class_="fx")


def food_bowl(x: float, look: Look, half: float = 24) -> str:
    """A low grey bowl heaped with food, standing at x."""
    lip = 7 if look.pitch == "from above" else 4.5
    heap = (
        f"M{n(x - half + 5)} -17Q{n(x - 12)} -31 {n(x)} -29Q{n(x + 14)} -31 {n(x + half - 5)} -17Z"
    )
    return (
        el("ellipse", cx=x, cy=-17, rx=half, ry=lip, fill="#8f8d8a", stroke=INK, stroke_width=2.4)
        + el("path", d=heap, fill="#8b5e3c", stroke=INK, stroke_width=2.2)
        + "".join(
            el("circle", cx=x + dx, cy=dy, r=2.6, fill="#c08a55")
            for dx, dy in ((-9, -21), (1, -24), (10, -21))
        )
        + el(
            "path",
            d=f"M{n(x - half)} -17Q{n(x)} {n(-17 + 2 * lip)} {n(x + half)} -17"
            f"L{n(x + half * 0.76)} 0H{n(x - half * 0.76)}Z",
            fill="#d5d2cb",
            stroke=INK,
            stroke_width=2.4,
            stroke_linejoin="round",
        )
    )


def carrot(x: float, y: float, angle: float) -> str:
    """A carrot whose bitten end is at (x, y); leaves at the far end."""
    leaves = "".join(el("path", d=f"M0 0Q8 {v - 5} 19 {v}Q9 {v + 5} 0 0Z") for v in (-8, 0, 8))
    root = el(
        "path",
        d="M0 -4Q16 -11 34 -8Q40 0 34 8Q16 11 0 5Z",
        fill="#f0813a",
        stroke=INK,
        stroke_width=2.4,
    ) + line("M11 -5V0M20 7V2M27 -6V-1", "#b9571d", 2)
    return group(
        group(leaves, transform="translate(35 0)", fill="#5c9a4c", stroke=INK, stroke_width=2),
        root,
        transform=f"translate({n(x)} {n(y)}) rotate({n(angle)})",
        stroke_linejoin="round",
    )


def hay(x: float, y: float) -> str:
    """A wisp of hay hanging from a mouth at (x, y), dry stalks to both sides."""
    ends = ((-30, 8), (-25, 20), (-15, 29), (-3, 33), (10, 30), (21, 23), (29, 12))
    d = "".join(
        f"M{n(x)} {n(y)}Q{n(x + a * 0.6)} {n(y - 2)} {n(x + a)} {n(y + b)}" for a, b in ends
    )
    return line(d, INK, 9.5) + line(d, "#e2bf57", 5.5) + line(d, "#fbe9a6", 1.4)


def wedge(*xy: tuple[float, float]) -> Piece:
    """A filled polygon as a piece."""
    return "M" + "L".join(points(p).replace(",", " ") for p in xy) + "Z", 0.0


@dataclass(frozen=True)
class CoatFigure:
    """An animal facing right or to the front, before it is mirrored.

    ``head`` is the middle of the head, ``seat`` the middle of the back, ``neck`` the throat.
    """

    svg: str
    head: Point
    seat: Point
    neck: Point


def finish(look: Look, c: Coat, f: CoatFigure) -> Drawing:
    """The figure on its side of the look, with its box, anchors and the Zs of sleep."""
    side = -1 if look.facing == "left" else 1
    svg = group(f.svg, transform="scale(-1 1)") if side < 0 else group(f.svg)
    box = extent(svg)
    if look.state == "sleeping":
        svg += sleep(side * (f.head[0] + 28), f.head[1] - 42, side)
    anchors = {
        "seat": (side * f.seat[0], f.seat[1]),
        "neck": (side * f.neck[0], f.neck[1]),
        "head": (side * f.head[0], f.head[1]),
    }
    return Drawing(svg, box, c.defs, anchors)


def put(head: str, x: float, y: float, angle: float = 0) -> str:
    """A head moved to (x, y) and turned by degrees, nose down for more."""
    turn = f" rotate({n(angle)})" if angle else ""
    return group(head, transform=f"translate({n(x)} {n(y)}){turn}")
