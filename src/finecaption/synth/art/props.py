"""Small things to play, read and climb with: ball, balloon, umbrella, book, hoop, ladder."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from finecaption.synth.art.core import Drawing, Look, el, group, n, points
from finecaption.synth.art.paint import HEX, INK, paint, radial, rgb, shade

LINE = 2.6  # width of outlines
HANDLE = "#b98d5e"  # bare wood of handles, the same on all
PAPER = "#fbf5e6"
MOTION = "#6f7590"  # lines that show movement: readable on every pale ground


def _dark(colour: str) -> bool:
    return sum(rgb(colour)) < 200


def _mark(colour: str) -> str:
    """A line colour that shows on the surface itself."""
    return shade(colour, -0.35) if _dark(colour) else shade(colour, 0.42)


def _stroke(d: str, colour: str = INK, width: float = LINE, **kw: object) -> str:
    return el("path", d=d, fill="none", stroke=colour, stroke_width=width,
              stroke_linecap="round", stroke_linejoin="round", **kw)  # fmt: skip


def _tube(d: str, colour: str, width: float) -> str:
    """An outlined rod along a path."""
    return _stroke(d, INK, width + 2 * LINE - 0.6) + _stroke(d, colour, width)


def _ball(look: Look) -> Drawing:
    rng = random.Random(look.variant)
    r, uid = 42.0, look.uid
    lift = 34.0 if look.state == "bouncing" else 0.0
    cy = -r - lift
    fill, defs = paint(look.material, look.colour, f"{uid}m", look.scale)
    mark = _mark(look.colour)
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
        _stroke(seams, mark, 3, clip_path=f"url(#{uid}c)") if seams else "",
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
            arcs.append(
                _stroke(f"M{n(-x)} {n(y)}A{n(q)} {n(q)} 0 0 0 {n(x)} {n(y)}", MOTION, 4 - k)
            )
        side = rng.choice((-1, 1))
        # The hop it came by, as a dotted trail down to the ground.
        trail = (
            f"M{n(-side * (r + 8))} {n(cy - 14)}Q{n(-side * (r + 34))} {n(cy - 10)} "
            f"{n(-side * (r + 44))} -2"
        )
        arcs.append(_stroke(trail, MOTION, 4, stroke_dasharray="1 9"))
        ground = el("ellipse", cx=0, cy=0, rx=r * 0.62, ry=5, fill="#4a4458", opacity=0.4)
        fx = group(ground, *arcs, class_="fx")
    return Drawing(
        fx + body, (-r, cy - r, r, cy + r), defs + clip,
        {"top": (0, cy - r), "centre": (0, cy)},
    )  # fmt: skip


def _balloon(look: Look) -> Drawing:
    rng = random.Random(look.variant)
    uid = look.uid
    base = HEX.get(look.colour, look.colour)
    defs = radial(f"{uid}m", (0, shade(base, -0.5)), (0.3, shade(base, -0.12)), (0.75, base),
                  (1, shade(base, 0.26)), cx=0.34, cy=0.28, r=0.8)  # fmt: skip
    knot, top = -46.0, -140.0
    sway = rng.choice((-1, 1)) * rng.uniform(5, 8)
    string = f"M0 0C{n(sway)} -12 {n(-sway)} -30 0 {n(knot)}"
    if look.shape == "heart-shaped":
        w = 46.0
        d = (
            f"M0 {n(knot)}C-10 -62 {n(-w)} -84 {n(-w)} -112C{n(-w)} -146 -8 -148 0 -118"
            f"C8 -148 {n(w)} -146 {n(w)} -112C{n(w)} -84 10 -62 0 {n(knot)}Z"
        )
        gleam = "M-33 -110Q-35 -126 -22 -130"
        top, half = -139.4, w + LINE / 2
    else:
        w = 39.0
        d = (
            f"M0 {n(knot)}C-14 -50 {n(-w)} -70 {n(-w)} -99C{n(-w)} -124 -22 -138.500 0 -138.500"
            f"S{n(w)} -124 {n(w)} -99C{n(w)} -70 14 -50 0 {n(knot)}Z"
        )
        gleam = "M-25 -100Q-26 -118 -12 -125"
        half = w + LINE / 2
    svg = (
        _stroke(string, INK, 2.4)
        + el("polygon", points=points((0, knot - 2), (-6, knot + 7), (6, knot + 7)),
             fill=shade(base, 0.2), stroke=INK, stroke_width=2, stroke_linejoin="round")
        + el("path", d=d, fill=f"url(#{uid}m)", stroke=INK, stroke_width=LINE,
             stroke_linejoin="round")
        + _stroke(gleam, "#ffffff", 5, opacity=0.8)
    )  # fmt: skip
    return Drawing(svg, (-half, top, half, 0), defs, {"grip": (0, -1), "top": (0, top)})


def _crook(x: float, top: float) -> str:
    """Shaft from (x, top) down to a hook whose lowest point is on the ground."""
    r = 9.0
    return f"M{n(x)} {n(top)}V{n(-r - 5.3)}a{n(r)} {n(r)} 0 0 0 {n(2 * r)} 0v-5"


def _umbrella(look: Look) -> Drawing:
    rng = random.Random(look.variant)
    uid, mark = look.uid, _mark(look.colour)
    fill, defs = paint(look.material, look.colour, f"{uid}m", look.scale)
    bend = rng.choice((-1, 1))
    if look.state == "closed":
        top = -146.0
        d = "M-4 -132C-11 -112 -31 -74 -32 -50Q-17 -37 0 -35Q17 -37 32 -50C31 -74 11 -112 4 -132Z"
        folds = "M-2 -120Q-11 -84 -12 -42M2 -120Q11 -84 12 -42"
        svg = (
            _tube(_crook(0, -40), HANDLE, 6)
            + _tube("M0 -128V-142", "#8b8790", 4)
            + el("path", d=d, fill=fill, stroke=INK, stroke_width=LINE, stroke_linejoin="round")
            + _stroke(folds, mark, 2.4)
            + el("path", d="M-27 -72Q0 -63 27 -72L29.500 -64Q0 -54 -29.500 -64Z", fill=mark,
                 stroke=INK, stroke_width=2)
            + el("circle", cx=15, cy=-63.5, r=3, fill=PAPER)
        )  # fmt: skip
        half = (33.3, 33.3)
    else:
        top = -150.0
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
        svg = (
            _tube(_crook(0, rim - 10), HANDLE, 6)
            + _tube(f"M0 {n(apex)}V-145", "#8b8790", 4)
            + el("path", d=dome + scallops + "Z", fill=fill, stroke=INK, stroke_width=LINE,
                 stroke_linejoin="round")
            + _stroke(ribs, mark, 2.4)
            + _stroke(f"M{n(-w * 0.7)} {n(rim - 26)}Q{n(-w * 0.52)} {n(rim - 42)} "
                      f"{n(-w * 0.3)} {n(rim - 49)}", "#ffffff", 4, opacity=0.6)
        )  # fmt: skip
        half = (w + 1, w + 1)
    box = (-half[0], top, half[1], 0.0)
    if bend < 0:
        svg = group(svg, transform="scale(-1 1)")
        box = (-half[1], top, half[0], 0.0)
    return Drawing(svg, box, defs, {"grip": (0, -20), "top": (0, top)})


def _book(look: Look) -> Drawing:
    rng = random.Random(look.variant)
    uid, mark = look.uid, _mark(look.colour)
    fill, defs = paint(look.material, look.colour, f"{uid}m", look.scale)
    spine = shade(look.colour, -0.2 if _dark(look.colour) else 0.25)
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
            el("path", d=f"M0 {n(-h + 6)}Q{n(s * 24)} {n(-h - lift - 6)} {n(s * (w - 5))} "
               f"{n(-h - lift)}L{n(s * (w - 5))} -14H0Z", fill=PAPER, **ink)
            for s in (-1, 1)
        )  # fmt: skip
        covers = "".join(
            el("polygon", points=points((0, -h + 8), (s * w, -h), (s * w, -9), (0, -1.3)),
               fill=fill, **ink)
            for s in (-1, 1)
        )  # fmt: skip
        svg = (
            leaves + covers
            + el("polygon", points=points((-5, -h + 7.4), (5, -h + 7.4), (5, -1.9), (0, -1.3),
                 (-5, -1.9)), fill=spine, stroke=INK, stroke_width=2, stroke_linejoin="round")
            + emblem(w * 0.56, -h * 0.54)
        )  # fmt: skip
        box = (-w - 1.3, -h - lift - 4, w + 1.3, 0.0)
        return Drawing(svg, box, defs, {"grip": (0, -3), "top": (0, -h)})
    w, h = 27.0, 66.0
    side = 7.0
    svg = (
        # the block of pages, above and to the right, then the cover and its spine
        el("polygon", points=points((-w + 4, -h), (-w + 4 + side, -h - lift),
           (w + side, -h - lift), (w + side, -lift - 1.3), (w, -1.3)), fill=PAPER, **ink)
        + _stroke(f"M{n(w + side * 0.5)} {n(-h - lift * 0.4)}V{n(-5)}", shade(PAPER, 0.25), 1.6)
        + el("rect", x=-w, y=-h, width=2 * w, height=h - 1.3, rx=2, fill=fill, **ink)
        + el("rect", x=-w, y=-h, width=9, height=h - 1.3, rx=2, fill=spine, **ink)
        + emblem(5, -h * 0.58)
        + _stroke(f"M-8 {n(-h * 0.26)}H18", mark, 2.4)
    )  # fmt: skip
    box = (-w - 1.3, -h - lift - 1.3, w + side + 1.3, 0.0)
    return Drawing(svg, box, defs, {"grip": (0, -3), "top": (0, -h)})


def _hoop(look: Look) -> Drawing:
    rng = random.Random(look.variant)
    uid, t = look.uid, 17.0
    fill, defs = paint(look.material, look.colour, f"{uid}m", look.scale)
    r, ledge = 97.5, 4.0 if look.pitch == "eye level" else 7.0
    c = -r
    edge = shade(look.colour, -0.3 if _dark(look.colour) else 0.38)
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


def _ladder(look: Look) -> Drawing:
    rng = random.Random(look.variant)
    uid = look.uid
    fill, defs = paint(look.material, look.colour, f"{uid}m", look.scale)
    ink = {"stroke": INK, "stroke_width": LINE, "stroke_linejoin": "round"}
    top, foot, head, thick = -259.0, 44.0, 34.0, 13.0

    def centre(y: float) -> float:
        return foot + (head - foot) * y / top

    count = rng.choice((6, 7))
    drop = 2.0 if look.pitch == "eye level" else 5.0  # of each rung's upper side, from above
    rungs = ""
    for k in range(count):
        y = -26.0 + (top + 24.0 + 26.0) * k / (count - 1)
        x = centre(y)
        rungs += el("rect", x=-x, y=y - 5.5, width=2 * x, height=11, fill=fill, **ink)
        rungs += el("rect", x=-x, y=y - 5.5, width=2 * x, height=drop + 1, opacity=0.7,
                    fill=shade(look.colour, -0.45))  # fmt: skip
    rails = feet = ""
    for s in (-1, 1):
        h = thick / 2
        rail = (
            (s * foot - h, -1.3),
            (s * head - h, top),
            (s * head + h, top),
            (s * foot + h, -1.3),
        )
        rails += el("polygon", points=points(*rail), fill=fill, **ink)
        shoe = ((s * foot - h, -1.3), (s * foot - h - 0.1, -10), (s * foot + h, -10),
                (s * foot + h, -1.3))  # fmt: skip
        feet += el("polygon", points=points(*shoe), fill="#77747d", **ink)
    half = foot + thick / 2 + 1.3
    box = (-half, top - 1.3, half, 0.0)
    return Drawing(rungs + rails + feet, box, defs, {"top": (0, top)})


DRAW: dict[str, Callable[[Look], Drawing]] = {
    "ball": _ball,
    "balloon": _balloon,
    "umbrella": _umbrella,
    "book": _book,
    "hoop": _hoop,
    "ladder": _ladder,
}
