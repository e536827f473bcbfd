"""Trees, bushes, cacti and flowers.

Cacti and flowers stand in a small terracotta pot when ``look.variant`` is even and grow from
the ground when it is odd (what a held flower wants: nothing hangs below the stem).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from finecaption_synth.art.core import Drawing, Look, el, group, n, points
from finecaption_synth.art.extent import extent
from finecaption_synth.art.foliage import (
    BARK,
    EDGE,
    LEAF,
    blossom,
    dome,
    draw_limbs,
    flowerpot,
    fruit,
    leaf,
    lobes,
    scallop,
)
from finecaption_synth.art.paint import HEX, INK, linear, mix, saturate, shade, stroke_line

Spot = tuple[float, float]


def potted(look: Look) -> bool:
    """Whether a cactus or flower with this look stands in a pot."""
    return look.variant % 2 == 0


# --- tree ---------------------------------------------------------------------------------


def _bare_tree(look: Look, base: str, rnd: Random) -> str:
    limbs: list[tuple[str, float]] = []
    tips: list[tuple[float, float, float]] = []
    if look.shape == "round":
        limbs.append(("M0 -24V-110", 20))
        for deg, length, bend in (
            (-78, 88, 14),
            (-47, 112, 8),
            (-16, 128, 4),
            (16, 128, -4),
            (47, 112, -8),
            (78, 88, -14),
        ):
            a = math.radians(deg + rnd.uniform(-3, 3))
            x, y = length * math.sin(a), -108 - length * math.cos(a)
            limbs.append(
                (
                    f"M0 -100Q{n(x * 0.4 + bend)} {n(-108 - length * 0.62 * math.cos(a))} "
                    f"{n(x)} {n(y)}",
                    8,
                )
            )
            tips.append((x, y, deg - 90))
            for t, turn in ((0.5, 38), (0.72, -38)):
                px, py = x * t + bend * 0.4, -108 + (y + 108) * t
                b = math.radians(deg + turn)
                qx, qy = px + 34 * math.sin(b), py - 34 * math.cos(b)
                limbs.append((f"M{n(px)} {n(py)}L{n(qx)} {n(qy)}", 5))
                tips.append((qx, qy, deg + turn - 90))
    else:
        limbs.append(("M0 -24V-120", 17))
        limbs.append(("M0 -110V-252", 10))
        for k, y in enumerate((-72, -108, -142, -174, -204, -230)):
            reach = 84 - 13.5 * k
            for side in (-1, 1):
                x, y1 = side * reach, y - reach * 0.16
                limbs.append((f"M0 {n(y)}Q{n(x * 0.6)} {n(y + 2)} {n(x)} {n(y1)}", 8 - k * 0.6))
                tips.append((x, y1, 0 if side > 0 else 180))
                if k < 4:
                    limbs.append((f"M{n(x * 0.55)} {n(y)}L{n(x * 0.72)} {n(y - 17)}", 4.5))
                    tips.append((x * 0.72, y - 17, -70 * side + (0 if side > 0 else 180)))
        tips.append((0, -252, -90))
    leaves = ""
    for x, y, angle in tips:
        leaves += leaf(
            x, y, angle + rnd.uniform(-25, 25), shade(base, rnd.uniform(-0.08, 0.08)), 24
        )
    return draw_limbs(limbs, BARK) + group(
        leaves, stroke=INK, stroke_width=2, stroke_linejoin="round"
    )


def _cone_layer(top: float, bottom: float, half: float) -> str:
    k = half / 3
    d = f"M0 {n(top)}L{n(half)} {n(bottom)}"
    for j in range(6):
        x = half - j * k
        d += f"Q{n(x - k / 2)} {n(bottom + 15)} {n(x - k)} {n(bottom)}"
    return d + "Z"


def tree(look: Look) -> Drawing:
    """A tree about 265 high: crown in the main colour, fruit in the accent."""
    rnd = Random(look.variant)
    base = HEX[look.colour]
    dark, light = shade(base, 0.22), shade(base, -0.35)
    roots = el("path", d="M-10 -44Q-11 -8 -26 0H26Q11 -8 10 -44Z", fill=BARK, **EDGE)
    fill, defs = (
        f"url(#{look.uid}c)",
        linear(f"{look.uid}c", (0, shade(base, -0.12)), (1, shade(base, 0.14))),
    )
    at: tuple[Spot, ...]
    if look.state == "bare":
        svg = roots + _bare_tree(look, base, rnd)
        svg += el("path", d="M-8.5 -60Q-9 -12 -18 -2H18Q9 -12 8.500 -60Z", fill=BARK)
    elif look.shape == "round":
        trunk = el("path", d="M-11 -120Q-9 -30 -26 0H26Q9 -30 11 -120Z", fill=BARK, **EDGE)
        trunk += stroke_line("M-3 -80Q-2 -50 -7 -24M5 -66Q5 -44 8 -30", shade(BARK, 0.35), 2.2)
        crown = lobes(0, -170, 92, 82, 12, rnd.uniform(0, 0.5), 0.28)
        under = lobes(4, -146, 64, 44, 9, rnd.uniform(0, 0.5), 0.2)
        svg = trunk + el("path", d=crown, fill=fill, **EDGE)
        svg += el("path", d=under, fill=dark, opacity=0.45)
        svg += el(
            "ellipse",
            cx=-34,
            cy=-214,
            rx=36,
            ry=20,
            fill=light,
            opacity=0.75,
            transform="rotate(-24 -34 -214)",
        )
        for x, y in ((-62, -176), (-18, -192), (34, -212), (58, -166), (8, -146), (-40, -134)):
            sx, sy = x + rnd.uniform(-6, 6), y + rnd.uniform(-6, 6)
            svg += scallop(sx, sy, 14, shade(base, 0.4))
        at = (
            (-66, -146),
            (-50, -202),
            (-8, -228),
            (-14, -170),
            (42, -204),
            (70, -156),
            (28, -134),
            (-32, -118),
        )
    else:
        svg = roots + el("rect", x=-11, y=-52, width=22, height=42, fill=BARK, **EDGE)
        svg += stroke_line("M-3 -34V-16M5 -40V-22", shade(BARK, 0.35), 2.2)
        layers = ((-170, -46, 88), (-222, -112, 70), (-266, -176, 51))
        for k, (top, bottom, width) in enumerate(layers):
            half = width + rnd.uniform(-3, 3)
            svg += el(
                "path", d=_cone_layer(top, bottom, half), fill=shade(base, 0.1 - 0.09 * k), **EDGE
            )
            svg += el(
                "polygon",
                points=points((-4, top + 12), (-half * 0.62, bottom - 6), (-half * 0.3, bottom)),
                fill=light,
                opacity=0.6,
            )
            svg += el(
                "polygon",
                points=points((3, top + 16), (half * 0.86, bottom + 1), (half * 0.42, bottom + 4)),
                fill=dark,
                opacity=0.45,
            )
        at = ((-56, -62), (-16, -72), (28, -60), (62, -64), (-40, -124), (6, -128), (42, -122),
              (-18, -188), (20, -190))  # fmt: skip
    if look.state == "bearing fruit":
        svg += "".join(
            fruit(x + rnd.uniform(-4, 4), y + rnd.uniform(-4, 4), 12.5, look.accent) for x, y in at
        )
    box = extent(svg)
    return Drawing(svg, box, defs, {"top": (0, box[1]), "trunk": (0, -60)})


# --- bush ---------------------------------------------------------------------------------


def bush(look: Look) -> Drawing:
    """A bush about 110 high: a round dome or a clipped box; blossoms in the accent."""
    rnd = Random(look.variant)
    base = HEX[look.colour]
    fill, defs = (
        f"url(#{look.uid}c)",
        linear(f"{look.uid}c", (0, shade(base, -0.14)), (1, shade(base, 0.16))),
    )
    dark, light, vein = shade(base, 0.24), shade(base, -0.36), shade(base, 0.4)
    at: tuple[Spot, ...]
    if look.shape == "round":
        svg = el("path", d=dome(68, 100, 9, rnd.uniform(-0.2, 0.2)), fill=fill, **EDGE)
        svg += el(
            "path",
            d="M-58 -3Q-66 -26 -40 -28Q-24 -40 2 -30Q26 -40 42 -26Q64 -24 58 -3Z",
            fill=dark,
            opacity=0.5,
        )
        svg += el(
            "ellipse",
            cx=-20,
            cy=-82,
            rx=26,
            ry=11,
            fill=light,
            opacity=0.75,
            transform="rotate(-16 -20 -82)",
        )
        at = (
            (-44, -62),
            (-18, -40),
            (-10, -86),
            (20, -66),
            (48, -48),
            (34, -94),
            (-50, -26),
            (24, -24),
        )
    else:
        top = -92 if look.pitch == "eye level" else -84
        front = f"M-58 -2V{top}"
        for k in range(6):  # a clipped hedge: straight sides, a slightly leafy top edge
            x = -58 + k * 116 / 6
            front += f"Q{n(x + 9.7)} {n(top - 9)} {n(x + 19.3)} {n(top)}"
        front += (
            "V-2"
            + "".join(
                f"Q{n(58 - k * 19.33 - 9.7)} 3 {n(58 - (k + 1) * 19.33)} -2" for k in range(6)
            )
            + "Z"
        )
        lid = f"M-58 {top}L-42 -112H72L58 {top}Z"
        svg = el("path", d=lid, fill=light, **EDGE) + el(
            "path", d="M58 -92L72 -112V-14L58 -2Z".replace("-92", str(top)), fill=dark, **EDGE
        )
        svg += el("path", d=front, fill=fill, **EDGE)
        svg += el("rect", x=-54, y=-28, width=108, height=24, fill=dark, opacity=0.4)
        at = ((-38, -72), (-8, -80), (24, -70), (-24, -44), (10, -46), (42, -42), (-42, -18),
              (-4, -16), (34, -16))  # fmt: skip
    for x, y in (
        (-40, -44),
        (-6, -62),
        (34, -52),
        (-24, -20),
        (16, -32),
        (44, -20),
        (4, -12),
        (-34, -74),
    ):
        sx, sy = x + rnd.uniform(-4, 4), y + rnd.uniform(-4, 4)
        svg += scallop(sx, sy, 9, vein)
    if look.state == "in bloom":
        svg += "".join(
            blossom(x + rnd.uniform(-3, 3), y + rnd.uniform(-3, 3), 12.5, look.accent)
            for x, y in at
        )
    box = extent(svg)
    return Drawing(svg, box, defs, {"top": (0, box[1])})


# --- cactus -------------------------------------------------------------------------------


def cactus(look: Look) -> Drawing:
    """A cactus about 130 high: a ribbed ball or a column with arms; blossoms in the accent."""
    rnd = Random(look.variant)
    base = HEX[look.colour]
    line, light = shade(base, 0.45), shade(base, -0.3)
    pot = potted(look)
    lift = 34 if pot else 0
    defs, crowns = "", [(0.0, 0.0)]
    if look.shape == "round":
        defs = linear(f"{look.uid}c", (0, shade(base, -0.16)), (1, shade(base, 0.16)), x2=1, y2=0.3)
        r = 46 if pot else 56
        cy = -lift - r * 0.92 - (0 if pot else 5)
        d = lobes(0, cy, r * 0.93, r * 0.9, 12, math.pi / 12)
        body = el("path", d=d, fill=f"url(#{look.uid}c)", **EDGE)
        top = cy - r * 0.9
        for k in (-0.82, -0.42, 0, 0.42, 0.82):
            body += stroke_line(
                f"M{n(k * 9)} {n(top + 3)}Q{n(k * r * 1.5)} {n(cy)} {n(k * 11)} {n(cy + r * 0.86)}",
                line,
                2.4,
            )
        for k in (-0.6, -0.2, 0.2, 0.6):
            for t in (-0.45, 0, 0.42):
                x, y = k * r * (1.12 - 0.45 * abs(t)), cy + t * r
                body += stroke_line(
                    f"M{n(x - 4)} {n(y - 4)}L{n(x)} {n(y)}L{n(x + 4)} {n(y - 4)}", "#fdf6dc", 2
                )
        crowns = [(0, top - 4), (-26, top + 7), (26, top + 7)]
    else:
        g, top = -lift + 2, -138
        arm = -lift - 34
        limbs = [
            (f"M0 {n(g - 8)}V{top + 16}", 34.0),
            (f"M0 {n(arm)}H-30Q-42 {n(arm)} -42 {n(arm - 12)}V{n(arm - 36)}", 21.0),
            (f"M0 {n(arm - 14)}H28Q42 {n(arm - 14)} 42 {n(arm - 27)}V{n(arm - 54)}", 21.0),
        ]
        if not pot:
            limbs[0] = (f"M0 -17V{top + 16}", 34.0)
        body = draw_limbs(limbs, base)
        body += stroke_line(
            f"M-9 {n(g - 14)}V{top + 12}M-42 {n(arm - 10)}V{n(arm - 34)}M37 {n(arm - 24)}"
            f"V{n(arm - 52)}",
            light,
            4,
            opacity=0.8,
        )
        body += stroke_line(
            f"M0 {n(g - 14)}V{top + 8}M10 {n(g - 16)}V{top + 14}M-37 {n(arm - 8)}"
            f"V{n(arm - 36)}"
            f"M45 {n(arm - 24)}V{n(arm - 54)}",
            line,
            2.2,
        )
        for x, y in (
            (-13, -60),
            (5, -74),
            (-5, -92),
            (12, -106),
            (-9, -116),
            (4, -54),
            (-42, arm - 22),
            (42, arm - 36),
        ):
            y += rnd.uniform(-3, 3)
            body += stroke_line(
                f"M{n(x - 4)} {n(y - 4)}L{n(x)} {n(y)}L{n(x + 4)} {n(y - 4)}", "#fdf6dc", 2
            )
        crowns = [(0, top - 4), (-42, arm - 46), (42, arm - 64)]
    if pot:
        svg = body + flowerpot(look, 56, lift + 4)
    else:
        svg = body + el(
            "path", d="M-34 2Q-26 -8 -12 -7Q0 -11 14 -7Q28 -8 34 2Z", fill="#b79b78", **EDGE
        )
    if look.state == "in bloom":
        svg += "".join(
            blossom(x, y, 15 if k == 0 else 13, look.accent) for k, (x, y) in enumerate(crowns)
        )
    box = extent(svg)
    return Drawing(svg, box, defs, {"top": (0, box[1])})


# --- flower -------------------------------------------------------------------------------


def _head(look: Look, base: str, r: float, heart: str) -> str:
    """The flower's head about the origin: eight round petals, or five sharp ones."""
    edge = mix(base, INK, 0.65)
    petals = ""
    if look.shape == "round":
        for k in range(8):
            a = math.tau * k / 8 + 0.39
            petals += el("circle", cx=0.6 * r * math.cos(a), cy=0.6 * r * math.sin(a), r=0.4 * r)
        petals += el("circle", r=0.62 * r, stroke="none")
        veins = ""
    else:
        star = [
            (
                q * r * math.cos(math.pi * k / 5 - math.pi / 2),
                q * r * math.sin(math.pi * k / 5 - math.pi / 2),
            )
            for k in range(10)
            for q in ((1.18, 0.46)[k % 2],)
        ]
        petals = el("polygon", points=points(*star))
        veins = "".join(
            f"M0 0L{n(0.85 * r * math.cos(a))} {n(0.85 * r * math.sin(a))}"
            for a in (math.tau * k / 5 - math.pi / 2 for k in range(5))
        )
        veins = stroke_line(veins, shade(base, 0.25), 2)
    return (
        group(petals, fill=base, stroke=edge, stroke_width=2.5, stroke_linejoin="round")
        + veins
        + el("circle", r=0.27 * r, fill=heart, stroke=edge, stroke_width=2)
    )


def flower(look: Look) -> Drawing:
    """A single flower about 120 high; wilted, its head hangs from a bent stem.

    Anchors: ``grip`` on the stem where a hand holds it, ``top``.
    """
    base = HEX[look.colour]
    wilted = look.state == "wilted"
    pot = potted(look)
    foot = -28 if pot else 0
    stem_colour = "#8c8550" if wilted else LEAF
    heart = "#8a5a2c" if look.colour in ("yellow", "white", "orange") else "#f7d774"
    if wilted:
        heart = "#6e5237"
        tint = mix(saturate(base, 0.85), "#8a7355", 0.08) if look.colour != "white" else "#eee5d2"
        stem = f"M0 {foot}C-4 -60 -10 -112 16 -112C34 -112 38 -98 37 -84"
        head = group(
            _head(look, tint, 34 if look.shape == "round" else 40, heart),
            transform="translate(40 -64) rotate(152) scale(1 0.86)",
        )
        leaves = ""
        for side, y in ((-1, foot - 24), (1, foot - 14)):
            leaves += el(
                "path",
                fill="#a39a5c",
                **{**EDGE, "stroke_width": 2},
                d=f"M0 {n(y)}Q{side * 20} {n(y - 16)} {side * 28} {n(y + 10)}"
                f"Q{side * 14} {n(y - 2)} 0 "
                f"{n(y)}Z",
            )
        fallen = "".join(
            el("ellipse", cx=x, cy=-5, rx=9, ry=4.5, transform=f"rotate({a} {x} -5)")
            for x, a in ((34, -12), (52, 14))
            if pot  # a held flower has no ground to drop them on
        )
        fallen = group(fallen, fill=tint, stroke=mix(base, INK, 0.65), stroke_width=2)
    else:
        stem = f"M0 {foot}Q-5 {n((foot - 84) / 2)} 0 -84"
        head = group(_head(look, base, 37, heart), transform="translate(0 -86)")
        leaves, fallen = "", ""
        for side, y in ((-1, foot - 12), (1, foot - 20)):
            tip_x, tip_y = side * 34, y - 16
            leaves += el(
                "path",
                fill=stem_colour,
                **{**EDGE, "stroke_width": 2},
                d=f"M0 {n(y)}Q{side * 12} {n(y - 24)} {tip_x} {n(tip_y)}"
                f"Q{side * 24} {n(y + 4)} 0 {n(y)}Z",
            )
    svg = draw_limbs([(stem, 5.5)], stem_colour) + leaves
    svg += flowerpot(look, 42, 30) if pot else ""
    svg += fallen + head
    box = extent(svg)
    anchors = {"grip": (-2.0, foot - 8.0 if not pot else -40.0), "top": (0.0, box[1])}
    return Drawing(svg, box, "", anchors)


DRAW: dict[str, Callable[[Look], Drawing]] = {
    "tree": tree,
    "bush": bush,
    "cactus": cactus,
    "flower": flower,
}
