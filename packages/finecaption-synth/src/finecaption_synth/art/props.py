"""Small things to play, read and climb with: ball, balloon, umbrella, book, hoop, ladder."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from finecaption_synth.art.core import Drawing, Look, el, group, n, points
from finecaption_synth.art.extent import extent
from finecaption_synth.art.paint import HEX, INK, paint, radial, shade
from finecaption_synth.art.prop_parts import LINE, MOTION, PAPER, dark, line_color, stroke
from finecaption_synth.art.umbrellas import turned, umbrella


def _ball(look: Look) -> Drawing:
    rng = random.Random(look.variant)
    r, uid = 42.0, look.uid
    lift = 34.0 if look.state == "bouncing" else 0.0
    cy = -r - lift
    fill, defs = paint(look.material, look.colour, f"{uid}m", look.scale)
    mark = line_color(look.colour)
    # Sewn cloth has seams, turned wood two grooves; metal and glass are left bare to shine.
    seams = ""
    if look.material == "fabric":
        for s in (-1, 1):
            x, y = s * r * 0.62, r * 0.78
            seams += f"M{n(x)} {n(-y)}Q{n(s * r * 0.05)} 0 {n(x)} {n(y)}"
    elif look.material == "wood":
        for y in (-r * 0.22, r * 0.22):
            seams += f"M{n(-r)} {n(y * 0.6)}Q0 {n(y * 0.6 + r * 0.3)} {n(r)} {n(y * 0.6)}"
    clip = f'<clipPath id="{uid}c">{el("circle", cx=0, cy=0, r=r)}</clipPath>'
    gloss = () if look.material in ("glass", "ceramic") else (
        el("ellipse", cx=-r * 0.38, cy=-r * 0.5, rx=r * 0.2, ry=r * 0.13, fill="#ffffff",
           opacity=0.6, transform=f"rotate(-35 {n(-r * 0.38)} {n(-r * 0.5)})"),
    )  # fmt: skip
    shadow = (
        f"M{n(r)} 0A{n(r)} {n(r)} 0 1 1 {n(-r * 0.75)} {n(-r * 0.66)}"
        f"A{n(r * 1.05)} {n(r * 1.05)} 0 0 0 {n(r)} 0Z"
    )
    body = group(
        el("circle", cx=0, cy=0, r=r - LINE / 2, fill=fill),
        el("path", d=shadow, fill="#241a38", opacity=0.16, clip_path=f"url(#{uid}c)"),
        stroke(seams, mark, 3, clip_path=f"url(#{uid}c)") if seams else "",
        *gloss,
        el("circle", cx=0, cy=0, r=r - LINE / 2, fill="none", stroke=INK, stroke_width=LINE),
        transform=f"translate(0 {n(cy)}) rotate({rng.choice((-24, -10, 12, 26))})",
    )
    fx = ""
    if lift:
        arcs = []
        for k, (gap, wide) in enumerate(((9, 0.62), (18, 0.44))):  # cups below the ball
            a, q = wide * math.pi / 2, r + gap
            x, y = q * math.sin(a), cy + q * math.cos(a)
            arcs.append(stroke(f"M{n(-x)} {n(y)}A{n(q)} {n(q)} 0 0 0 {n(x)} {n(y)}", MOTION, 4 - k))
        side = rng.choice((-1, 1))
        # The hop it came by, as a dotted trail down to the ground.
        trail = (
            f"M{n(-side * (r + 8))} {n(cy - 14)}Q{n(-side * (r + 34))} {n(cy - 10)} "
            f"{n(-side * (r + 44))} -2"
        )
        arcs.append(stroke(trail, MOTION, 4, stroke_dasharray="1 9"))
        ground = el("ellipse", cx=0, cy=0, rx=r * 0.62, ry=5, fill="#4a4458", opacity=0.4)
        fx = group(ground, *arcs, class_="fx")
    return Drawing(
        fx + body,
        (-r, cy - r, r, cy + r),
        defs + clip,
        {"top": (0, cy - r), "centre": (0, cy)},
    )


_KNOT = -150.0  # y of a balloon's knot: the string is long enough for it to float overhead


def _balloon(look: Look) -> Drawing:
    rng = random.Random(look.variant)
    uid = look.uid
    base = HEX.get(look.colour, look.colour)
    defs = radial(
        f"{uid}m",
        (0, shade(base, -0.5)),
        (0.3, shade(base, -0.12)),
        (0.75, base),
        (1, shade(base, 0.26)),
        cx=0.34,
        cy=0.28,
        r=0.8,
    )
    sway = rng.choice((-1, 1)) * rng.uniform(6, 9)
    string = f"M0 0C{n(sway)} -40 {n(-sway)} -100 0 {n(_KNOT)}"
    if look.shape == "heart-shaped":
        w = 46.0
        d = (
            "M0 -46C-10 -62 -46 -84 -46 -112C-46 -146 -8 -148 0 -118"
            "C8 -148 46 -146 46 -112C46 -84 10 -62 0 -46Z"
        )
        gleam = "M-33 -110Q-35 -126 -22 -130"
        top = -139.4
    else:
        w = 39.0
        d = (
            "M0 -46C-14 -50 -39 -70 -39 -99C-39 -124 -22 -138.500 0 -138.500"
            "S39 -124 39 -99C39 -70 14 -50 0 -46Z"
        )
        gleam = "M-25 -100Q-26 -118 -12 -125"
        top = -140.0
    half, lift = w + LINE / 2, _KNOT + 46.0
    svg = stroke(string, INK, 2.4) + group(
        el("polygon", points=points((0, -48), (-6, -39), (6, -39)),
           fill=shade(base, 0.2), stroke=INK, stroke_width=2, stroke_linejoin="round"),
        el("path", d=d, fill=f"url(#{uid}m)", stroke=INK, stroke_width=LINE,
           stroke_linejoin="round"),
        stroke(gleam, "#ffffff", 5, opacity=0.8),
        transform=f"translate(0 {n(lift)})",
    )  # fmt: skip
    top += lift
    return Drawing(svg, (-half, top, half, 0), defs, {"grip": (0, -1), "top": (0, top)})


def _book(look: Look) -> Drawing:
    rng = random.Random(look.variant)
    uid, mark = look.uid, line_color(look.colour)
    fill, defs = paint(look.material, look.colour, f"{uid}m", look.scale)
    spine = shade(look.colour, -0.2 if dark(look.colour) else 0.25)
    ink = {"stroke": INK, "stroke_width": LINE, "stroke_linejoin": "round"}
    lift = 5.0 if look.pitch == "eye level" else 10.0  # how much of the pages shows above

    def emblem(x: float, y: float) -> str:
        kind = rng.randrange(3)
        if kind == 0:
            return el("circle", cx=x, cy=y, r=7, fill=PAPER, stroke=mark, stroke_width=2)
        if kind == 1:
            corners = points((x, y - 9), (x + 7, y), (x, y + 9), (x - 7, y))
            return el("polygon", points=corners, fill=PAPER, stroke=mark, stroke_width=2)
        return el("rect", x=x - 9, y=y - 6, width=18, height=12, rx=2, fill=PAPER, stroke=mark,
                  stroke_width=2)  # fmt: skip

    if look.state == "open":
        # Stood open with both covers towards the viewer, the pages showing above.
        w, h = 52.0, 62.0
        leaves = "".join(
            el(
                "path",
                d=f"M0 {n(-h + 6)}Q{n(s * 24)} {n(-h - lift - 6)} {n(s * (w - 5))} "
                f"{n(-h - lift)}L{n(s * (w - 5))} -14H0Z",
                fill=PAPER,
                **ink,
            )
            for s in (-1, 1)
        )
        covers = "".join(
            el(
                "polygon",
                points=points((0, -h + 8), (s * w, -h), (s * w, -9), (0, -1.3)),
                fill=fill,
                **ink,
            )
            for s in (-1, 1)
        )
        svg = (
            leaves
            + covers
            + el(
                "polygon",
                points=points((-5, -h + 7.4), (5, -h + 7.4), (5, -1.9), (0, -1.3), (-5, -1.9)),
                fill=spine,
                stroke=INK,
                stroke_width=2,
                stroke_linejoin="round",
            )
            + emblem(w * 0.56, -h * 0.54)
        )
        box = (-w - 1.3, -h - lift - 4, w + 1.3, 0.0)
        return Drawing(svg, box, defs, {"grip": (0, -3), "top": (0, -h)})
    w, h = 27.0, 66.0
    side = 7.0
    svg = (
        # the block of pages, above and to the right, then the cover and its spine
        el("polygon", points=points((-w + 4, -h), (-w + 4 + side, -h - lift),
           (w + side, -h - lift), (w + side, -lift - 1.3), (w, -1.3)), fill=PAPER, **ink)
        + stroke(f"M{n(w + side * 0.5)} {n(-h - lift * 0.4)}V{n(-5)}", shade(PAPER, 0.25), 1.6)
        + el("rect", x=-w, y=-h, width=2 * w, height=h - 1.3, rx=2, fill=fill, **ink)
        + el("rect", x=-w, y=-h, width=9, height=h - 1.3, rx=2, fill=spine, **ink)
        + emblem(5, -h * 0.58)
        + stroke(f"M-8 {n(-h * 0.26)}H18", mark, 2.4)
    )  # fmt: skip
    box = (-w - 1.3, -h - lift - 1.3, w + side + 1.3, 0.0)
    return Drawing(svg, box, defs, {"grip": (0, -3), "top": (0, -h)})


def _hoop(look: Look) -> Drawing:
    rng = random.Random(look.variant)
    uid, t = look.uid, 17.0
    fill, defs = paint(look.material, look.colour, f"{uid}m", look.scale)
    r, ledge = 97.5, 4.0 if look.pitch == "eye level" else 7.0
    c = -r
    edge = shade(look.colour, -0.3 if dark(look.colour) else 0.38)
    ink = {"stroke": INK, "stroke_width": LINE, "stroke_linejoin": "round"}

    def ring(outer: float, inner: float, dy: float = 0) -> str:
        """Path data of the frame between two half sizes, centred on (0, c + dy)."""
        d = ""
        for q in (outer, inner):
            y = c + dy
            if look.shape == "square":
                k = 10.0 if q == outer else 4.0
                d += (
                    f"M{n(-q + k)} {n(y - q)}H{n(q - k)}Q{n(q)} {n(y - q)} {n(q)} {n(y - q + k)}"
                    f"V{n(y + q - k)}Q{n(q)} {n(y + q)} {n(q - k)} {n(y + q)}H{n(-q + k)}"
                    f"Q{n(-q)} {n(y + q)} {n(-q)} {n(y + q - k)}V{n(y - q + k)}"
                    f"Q{n(-q)} {n(y - q)} {n(-q + k)} {n(y - q)}Z"
                )
            else:
                d += f"M{n(-q)} {n(y)}A{n(q)} {n(q)} 0 1 1 {n(q)} {n(y)}"
                d += f"A{n(q)} {n(q)} 0 1 1 {n(-q)} {n(y)}Z"
        return d

    o = r - LINE / 2
    if look.shape == "square":
        # the upper side of the lower bar, seen inside the frame
        q = o - t
        low = c + q
        rim = f"M{n(-q)} {n(low)}L{n(-q + ledge)} {n(low - ledge)}H{n(q - ledge)}L{n(q)} {n(low)}Z"
    else:
        q = o - t
        rim = (
            f"M{n(-q)} {n(c)}A{n(q)} {n(q)} 0 0 0 {n(q)} {n(c)}"
            f"A{n(q)} {n(q - ledge)} 0 0 1 {n(-q)} {n(c)}Z"
        )
    bolts = ""
    turn = rng.uniform(0, 90)
    for k in range(4):
        if look.shape == "square":
            x = (o - t / 2) * (1 if k in (1, 2) else -1)
            y = (o - t / 2) * (1 if k > 1 else -1)
        else:
            a = math.radians(turn + 90 * k)
            x, y = (o - t / 2) * math.cos(a), (o - t / 2) * math.sin(a)
        bolts += el("circle", cx=x, cy=c + y, r=3, fill=PAPER, stroke=INK, stroke_width=1.6)
    svg = (
        el("path", d=rim, fill=edge, **ink)
        + el("path", d=ring(o, o - t), fill=fill, fill_rule="evenodd", **ink)
        + bolts
    )
    return Drawing(svg, (-r, -2 * r, r, 0), defs, {"inside": (0, c), "top": (0, -2 * r)})


def _rungs(look: Look, fill: str, count: int, top: float, foot: float, head: float) -> str:
    """Rungs between two rails that run from (+-foot, 0) to (+-head, top)."""
    ink = {"stroke": INK, "stroke_width": LINE, "stroke_linejoin": "round"}
    drop = 3.0 if look.pitch == "eye level" else 6.0  # of each rung's upper side, from above
    out = ""
    for k in range(count):
        y = -28.0 + (top + 52.0) * k / (count - 1)
        x = foot + (head - foot) * y / top
        out += el("rect", x=-x, y=y - 5.5, width=2 * x, height=11, fill=fill, **ink)
        out += el(
            "rect",
            x=-x,
            y=y - 5.5,
            width=2 * x,
            height=drop,
            opacity=0.7,
            fill=shade(look.colour, -0.45),
        )
    return out


def _rails(fill: str, top: float, foot: float, head: float, thick: float, ground: float) -> str:
    """Two rails with rubber feet on y = ground."""
    ink = {"stroke": INK, "stroke_width": LINE, "stroke_linejoin": "round"}
    h, out = thick / 2, ""
    for s in (-1, 1):
        rail = (
            (s * foot - h, ground),
            (s * head - h, top),
            (s * head + h, top),
            (s * foot + h, ground),
        )
        shoe = (
            (s * foot - h, ground),
            (s * foot - h, ground - 9),
            (s * foot + h, ground - 9),
            (s * foot + h, ground),
        )
        out += el("polygon", points=points(*rail), fill=fill, **ink)
        out += el("polygon", points=points(*shoe), fill="#77747d", **ink)
    return out


def _ladder(look: Look) -> Drawing:
    """A ladder that leans to one side, or a stepladder on its own four feet."""
    rng = random.Random(look.variant)
    fill, defs = paint(look.material, look.colour, f"{look.uid}m", look.scale)
    if look.state == "unfolded":
        ink = {"stroke": INK, "stroke_width": LINE, "stroke_linejoin": "round"}
        dark, more = paint(look.material, shade(HEX[look.colour], 0.3), f"{look.uid}d", look.scale)
        rise = 12.0 if look.pitch == "eye level" else 30.0
        hind = _rails(dark, -206, 78, 26, 10, -rise - 1.3)
        hind += el("path", d=f"M-64 {n(-rise - 46)}H64", stroke=INK, stroke_width=9)
        hind += el(
            "path", d=f"M-64 {n(-rise - 46)}H64", stroke=shade(look.colour, 0.3), stroke_width=5
        )
        lid = points(
            (-38, -205), (38, -205), (34, -205 - rise * 0.7 - 4), (-34, -205 - rise * 0.7 - 4)
        )
        svg = (
            hind
            + _rungs(look, fill, 5, -190, 56, 31)
            + _rails(fill, -200, 56, 31, 13, -1.3)
            + el("polygon", points=lid, fill=fill, **ink)
            + el("rect", x=-39, y=-205, width=78, height=12, fill=fill, **ink)
        )
        return Drawing(svg, extent(svg), defs + more, {"top": (0, -214)})
    top, foot, head = -259.0, 42.0, 33.0
    count = rng.choice((6, 7))
    svg = _rungs(look, fill, count, top, foot, head) + _rails(fill, top, foot, head, 13, -1.3)
    svg, box, tip = turned(svg, rng.choice((-1, 1)) * rng.uniform(6, 10), (0.0, top))
    return Drawing(svg, box, defs, {"top": (0, box[1]), "head": tip})


DRAW: dict[str, Callable[[Look], Drawing]] = {
    "ball": _ball,
    "balloon": _balloon,
    "umbrella": umbrella,
    "book": _book,
    "hoop": _hoop,
    "ladder": _ladder,
}
