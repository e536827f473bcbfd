"""Cars, buses, bicycles and boats.

Side views are drawn with the nose to the right and mirrored for ``left``; lettering is added
after the mirroring. Tyres and their hubs (part ``wheels``) are near-black and pale grey on every
vehicle; the body, hull or frame is the look's colour in the look's material. "Moving" is light:
speed lines and dust behind the tail, outside the mask.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from finecaption_synth.art.core import Drawing, Look, attrs, el, group, n, points
from finecaption_synth.art.paint import HEX, INK, mix, outlined, paint, shade, stroke_line
from finecaption_synth.art.vehicle_parts import (
    CREAM,
    GLASS,
    LAMP,
    STEEL,
    TAIL,
    TYRE,
    facing,
    front_wheels,
    head_wind,
    pane,
    plate,
    seam,
    tail_wind,
    wheels,
)

_LEATHER = "#5b463b"


def _car_side(look: Look, fill: str) -> Drawing:
    edge, above = seam(look.colour), look.pitch == "from above"
    top = 11 if above else 0  # from above the roof takes part of the windows' height
    if look.shape == "rounded":
        body = "M-114 -26C-121 -66 -104 -82 -86 -86C-72 -147 40 -153 56 -86C94 -84 120 -64 114 -26Z"
        panes = pane(
            f"M-73 -88C-64 {n(-116 + top)} -40 {n(-122 + top)} -19 {n(-122 + top)}V-88Z",
            (-36, -114 + top, 22 - top),
        ) + pane(
            f"M-9 {n(-122 + top)}C16 {n(-122 + top)} 34 {n(-114 + top)} 43 -88H-9Z",
            (12, -114 + top, 22 - top),
        )
        doors, handle = "M-14 -84V-34M48 -78Q52 -60 44 -46", "M-6 -72h14"
        roof = f"M-66 {n(-112 + top)}Q-46 -128 -16 -128T38 {n(-108 + top)}"
        lamp = outlined("ellipse", 2.2, cx=103, cy=-60, rx=9, ry=12, fill=LAMP)
        tail = outlined("ellipse", 2, cx=-108, cy=-58, rx=5, ry=9, fill=TAIL)
    else:
        body = "M-116 -24V-86H-94L-88 -132.500H32L46 -88H112Q116 -88 116 -84V-24Z"
        panes = pane(
            f"M-83 -90L{n(-79 + top / 4)} {n(-122 + top)}H-34V-90Z", (-50, -116 + top, 20 - top)
        ) + pane(f"M-24 {n(-122 + top)}H{n(25 + top / 4)}L35 -90H-24Z", (6, -116 + top, 20 - top))
        doors, handle = "M-29 -84V-34M46 -80V-50", "M-20 -70h14"
        roof = "M-85 -115H37" if above else "M-87 -127H33"
        lamp = outlined("rect", 2.2, x=96, y=-74, width=18, height=20, rx=2, fill=LAMP)
        tail = outlined("rect", 2, x=-115, y=-74, width=10, height=22, fill=TAIL)
    svg = (
        (tail_wind(-118, (-112, -80, -48)) if look.state == "moving" else "")
        + outlined("path", 2.8, d=body, fill=fill)
        + el("rect", x=-110, y=-44, width=220, height=18, fill="#241a38", opacity=0.16)
        + stroke_line(roof, shade(look.colour, -0.55), 4 if above else 3, opacity=0.8)
        + panes
        + stroke_line(doors, edge)
        + stroke_line(handle, edge, 4)
        + lamp
        + tail
        + outlined("rect", x=102, y=-40, width=20, height=13, rx=5, fill=STEEL)
        + outlined("rect", x=-122, y=-40, width=20, height=13, rx=5, fill=STEEL)
        + wheels(look, (-68, 70), 27)
    )
    return facing(look, Drawing(svg, (-123, -134, 123, 0), anchors={"top": (-20, -134)}))


def _car_front(look: Look, fill: str) -> Drawing:
    above = look.pitch == "from above"
    top = 12 if above else 0
    light = shade(look.colour, -0.55)
    if look.shape == "rounded":
        body = (
            "M-70 -22C-84 -68 -66 -86 -58 -90C-50 -147 50 -147 58 -90"
            "C66 -86 84 -68 70 -22Q0 -12 -70 -22Z"
        )
        screen = pane(
            f"M-50 -90C-42 {n(-131 + top)} 42 {n(-131 + top)} 50 -90Q0 -82 -50 -90Z",
            (-14, -114 + top, 26 - top),
        )
        roof = "M-36 -120Q0 -132 36 -120" if above else "M-30 -127Q0 -132 30 -127"
        grille = outlined("ellipse", 2.2, cx=0, cy=-54, rx=22, ry=9, fill="#45404b")
        lamps = "".join(outlined("circle", 2.2, cx=x, cy=-60, r=14, fill=LAMP) for x in (-48, 48))
    else:
        body = "M-74 -20V-86H-64L-58 -132.500H58L64 -86H74V-20Z"
        screen = pane(
            f"M-54 -88L{n(-49 - top / 6)} {n(-123 + top)}H{n(49 + top / 6)}L54 -88Z",
            (-14, -118 + top, 24 - top),
        )
        roof = "M-54 -116H54" if above else "M-53 -128H53"
        grille = outlined(
            "rect", 2.2, x=-26, y=-68, width=52, height=20, fill="#45404b"
        ) + stroke_line("M-13 -64V-52M0 -64V-52M13 -64V-52", STEEL)
        lamps = "".join(
            outlined("rect", 2.2, x=x, y=-72, width=26, height=26, rx=2, fill=LAMP)
            for x in (-67, 41)
        )
    svg = (
        (head_wind(76, -134) if look.state == "moving" else "")
        + front_wheels(40, 70, -34)
        + "".join(
            outlined("ellipse", 2.2, cx=x, cy=-92, rx=9, ry=7, fill=HEX[look.colour])
            for x in (-72, 72)
        )
        + outlined("path", 2.8, d=body, fill=fill)
        + stroke_line(roof, light, 4 if above else 3, opacity=0.8)
        + screen
        + grille
        + lamps
        + outlined("rect", x=-77, y=-39, width=154, height=15, rx=6, fill=STEEL)
        + outlined("rect", 2, x=-20, y=-39, width=40, height=15, rx=2, fill=CREAM)
    )
    return Drawing(svg, (-82, -134, 82, 0), anchors={"top": (0, -134)})


def car(look: Look) -> Drawing:
    """A car, 134 units high: a box with a bonnet, or a beetle."""
    fill, defs = paint(look.material, look.colour, f"{look.uid}b", look.scale)
    drawing = _car_front(look, fill) if look.facing == "front" else _car_side(look, fill)
    return replace(drawing, defs=defs)


def _bus_side(look: Look, fill: str) -> Drawing:
    rng = random.Random(look.variant)
    above = look.pitch == "from above"
    edge, light = seam(look.colour), shade(look.colour, -0.55)
    round_ = look.shape == "rounded"
    body = (
        "M-148 -34V-118Q-148 -168.500 -98 -168.500H92Q148 -168.500 148 -112V-34Q148 -22 136 -22"
        "H-136Q-148 -22 -148 -34Z"
        if round_
        else "M-148 -22V-168.500H148V-22Z"
    )
    y, h = (-142, 38) if above else (-148, 44)
    rx = 15 if round_ else 2
    panes = "".join(
        outlined("rect", 2.2, x=x, y=y, width=34, height=h, rx=rx, fill=GLASS)
        + el(
            "polygon",
            points=points(
                (x + 18, y + 7), (x + 25, y + 7), (x + 14, y + h - 7), (x + 7, y + h - 7)
            ),
            fill="#ffffff",
        )
        for x in (-134, -92, -50, -8, 34)
    )
    door = (
        outlined("rect", 2.4, x=78, y=y, width=34, height=-27 - y, rx=rx, fill=GLASS)
        + stroke_line(f"M95 {n(y + 2)}V-30", INK)
        + el("rect", x=81, y=-54, width=28, height=14, fill=STEEL)
    )
    screen = outlined("path", 2.2, d=f"M123 {n(y + 2)}H134Q146 -128 146 -92H123Z", fill=GLASS)
    roof = "M-96 -157H90" if above else "M-96 -161H90"
    svg = (
        (tail_wind(-150, (-140, -106, -62)) if look.state == "moving" else "")
        + outlined("path", 2.8, d=body, fill=fill)
        + el("rect", x=-144, y=-40, width=288, height=15, fill="#241a38", opacity=0.16)
        + stroke_line(roof, light, 5 if above else 3.5, opacity=0.8)
        + panes + door + screen
        + ("" if look.text else stroke_line("M-146 -78H74", light, rng.choice((5, 7)), opacity=0.9))
        + stroke_line("M-146 -46H74", edge, 2)
        + outlined("circle" if round_ else "rect", 2.2, fill=LAMP,
                  **({"cx": 136, "cy": -58, "r": 10} if round_
                     else {"x": 127, "y": -68, "width": 20, "height": 18}))
        + outlined("rect", 2, x=-147, y=-74, width=8, height=20, fill=TAIL)
        + outlined("rect", x=132, y=-37, width=20, height=13, rx=5, fill=STEEL)
        + outlined("rect", x=-152, y=-37, width=20, height=13, rx=5, fill=STEEL)
        + wheels(look, (-94, 40), 24)
    )  # fmt: skip
    drawing = facing(look, Drawing(svg, (-153, -170, 153, 0), anchors={"top": (0, -170)}))
    if not look.text:
        return drawing
    word = plate(look.text, 30 if look.facing == "left" else -30, -77, 28, 6.5)
    return replace(drawing, svg=drawing.svg + word)


def _bus_front(look: Look, fill: str) -> Drawing:
    above = look.pitch == "from above"
    round_ = look.shape == "rounded"
    body = (
        "M-74 -20V-116Q-74 -168.500 -22 -168.500H22Q74 -168.500 74 -116V-20Z"
        if round_
        else "M-74 -20V-168.500H74V-20Z"
    )
    if round_:
        screen = pane(
            "M-58 -120Q-56 -146 -30 -146H30Q56 -146 58 -120V-104Q58 -99 53 -99H-53"
            "Q-58 -99 -58 -104Z",
            (-16, -139, 33),
        )
        lamps = "".join(outlined("circle", 2.2, cx=x, cy=-42, r=12, fill=LAMP) for x in (-54, 54))
    else:
        screen = pane("M-58 -146H58V-99H-58Z", (-16, -140, 34))
        lamps = "".join(
            outlined("rect", 2.2, x=x, y=-54, width=24, height=22, fill=LAMP) for x in (-67, 43)
        )
    roof = "M-30 -158H30" if above else "M-32 -162H32"
    svg = (
        (head_wind(78, -168) if look.state == "moving" else "")
        + front_wheels(40, 70, -32)
        + "".join(
            outlined("rect", 2.2, x=x, y=-134, width=11, height=26, rx=5, fill="#45404b")
            for x in (-85, 74)
        )
        + outlined("path", 2.8, d=body, fill=fill)
        + stroke_line(roof, shade(look.colour, -0.55), 4 if above else 3, opacity=0.8)
        + screen
        + stroke_line("M0 -145V-101", INK, 2.2)
        + lamps
        + outlined("rect", 2.2, x=-28, y=-46, width=56, height=9, rx=3, fill="#45404b")
        + outlined("rect", x=-78, y=-31, width=156, height=14, rx=6, fill=STEEL)
    )
    if look.text:
        svg += plate(look.text, 0, -74, 24, 5.5)
    else:
        svg += stroke_line("M-72 -74H72", shade(look.colour, -0.55), 6, opacity=0.9)
    return Drawing(svg, (-86, -170, 86, 0), anchors={"top": (0, -170)})


def bus(look: Look) -> Drawing:
    """A bus, 170 units high, with the word on a cream board on its side or under its screen."""
    fill, defs = paint(look.material, look.colour, f"{look.uid}b", look.scale)
    drawing = _bus_front(look, fill) if look.facing == "front" else _bus_side(look, fill)
    return replace(drawing, defs=defs)


def _bicycle_wheel(cx: float, cy: float, r: float) -> str:
    spokes = "".join(
        stroke_line(
            f"M{n(cx - r)} {n(cy)}H{n(cx + r)}",
            "#8d8993",
            1.6,
            transform=f"rotate({angle} {n(cx)} {n(cy)})",
        )
        for angle in (0, 45, 90, 135)
    )
    ring = attrs(cx=cx, cy=cy, fill="none")
    return (
        spokes
        + f"<circle {ring} {attrs(r=r, stroke=TYRE, stroke_width=7)}/>"
        + f"<circle {ring} {attrs(r=r - 5, stroke=STEEL, stroke_width=2.4)}/>"
        + el("circle", cx=cx, cy=cy, r=5, fill=TYRE)
    )


def bicycle(look: Look) -> Drawing:
    """A bicycle, 145 units high, with a carrier box of the frame's material."""
    fill, defs = paint(look.material, look.colour, f"{look.uid}b", look.scale)
    rng = random.Random(look.variant)
    wood = look.material == "wood"
    tube = 12.0 if wood else 8.5
    frame = "M-64 -46L-6 -50L-24 -104L-64 -46M-6 -50L44 -104L-24 -104M37 -128L66 -46"
    guards = "M-112 -54A49 49 0 0 1 -30 -81M32 -80A49 49 0 0 1 112 -62"
    bars = "M37 -128L35 -138Q24 -143 14 -138M35 -138Q46 -142 50 -134"
    if wood:
        planks = stroke_line(
            "M-92 -111H-46",
            shade(look.colour, 0.5) if look.colour != "black" else seam("black"),
            2,
        )
    else:
        planks = stroke_line("M-84 -122V-104", "#ffffff", 4, opacity=0.85)
    svg = (
        (tail_wind(-116, (-104, -76, -48)) if look.state == "moving" else "")
        + group(_bicycle_wheel(-64, -46, 42.5), _bicycle_wheel(66, -46, 42.5), data_part="wheels")
        + ("" if look.state == "moving" else stroke_line("M-14 -48L-30 -3", INK, 5))
        + stroke_line(guards, INK, 10)
        + stroke_line(guards, HEX[look.colour], 5.5)
        + stroke_line(frame, INK, tube + 4.5)
        + stroke_line(frame, fill, tube)
        + ("" if wood else stroke_line(frame, "#ffffff", 1.8, opacity=0.75))
        + outlined("path", d="M-97 -128H-41L-45 -95H-93Z", fill=fill)
        + planks
        + stroke_line("M-24 -104L-28 -117", INK, 5)
        + outlined(
            "path",
            d="M-44 -121Q-30 -126 -10 -120Q-16 -114 -26 -114Q-40 -113 -44 -121Z",
            fill=_LEATHER,
        )
        + stroke_line(bars, INK, 8)
        + stroke_line(bars, STEEL, 3.5)
        + stroke_line("M22 -141Q16 -141 12 -137", _LEATHER, 7)
        + outlined("circle", cx=-6, cy=-50, r=9, fill=STEEL)
        + stroke_line(
            "M-6 -50L4 -30M-2 -30H11" if rng.random() < 0.5 else "M-6 -50L10 -38M4 -38H17", INK, 4
        )
        + outlined("circle", 2, cx=50, cy=-116, r=6, fill=LAMP)
    )
    return facing(look, Drawing(svg, (-119, -145, 118, 0), defs, {"seat": (-26, -124)}))


def boat(look: Look) -> Drawing:
    """A sailing boat, 160 units high, its hull on the ground line."""
    fill, defs = paint(look.material, look.colour, f"{look.uid}b", look.scale)
    rng = random.Random(look.variant)
    above = look.pitch == "from above"
    edge, raised = seam(look.colour), look.state == "sail raised"
    cloth, fold = mix(look.colour, "#fff6e2", 0.12), seam(look.colour)
    inside = shade("brown", -0.35) if look.colour != "brown" else shade("brown", 0.35)
    if look.shape == "rounded":
        hull = (
            "M-108 -66C-110 -16 -72 -1.300 -14 -1.300C58 -1.300 104 -32 122 -82"
            "Q62 -62 0 -61Q-60 -60 -108 -66Z"
        )
        deck = "M-100 -63Q-50 -58 0 -58.500T110 -76Q76 -44 0 -43Q-78 -42 -100 -63Z"
        rail = "M-107 -58Q-58 -52 0 -53T116 -71"
        shadow = (
            "M-96 -34C-82 -6 -52 -2.500 -14 -2.500C44 -2.500 78 -18 100 -44"
            "Q60 -16 -14 -16Q-72 -16 -96 -34Z"
        )
        sail = "M2 -152Q-66 -128 -96 -74Q-46 -84 2 -76Z"
        jib = "M16 -150Q52 -124 96 -84Q52 -90 16 -80Z"
        creases = "M-34 -127Q-14 -122 1 -125M-72 -98Q-34 -106 1 -101"
        ports = "".join(
            outlined("circle", 2.2, cx=x, cy=-34, r=8, fill=GLASS) for x in (-50, -14, 22)
        )
    else:
        hull = "M-110 -66V-1.300H66L122 -66Z"
        deck = "M-104 -63H112L98 -46H-104Z"
        rail = "M-109 -56H112"
        shadow = "M-108 -18H79L66 -2.500H-108Z"
        sail = "M2 -146L-78 -154L-96 -76H2Z"
        jib = "M16 -148L96 -78H16Z"
        creases = "M2 -124L-82 -130M2 -100L-89 -104"
        ports = "".join(
            outlined("rect", 2.2, x=x - 8, y=-42, width=16, height=15, fill=GLASS)
            for x in (-66, -26, 14)
        )
    mast = outlined("rect", 2.2, x=5, y=-158, width=8, height=100, rx=2, fill="#a9825a")
    boom = outlined("rect", 2, x=-100, y=-75, width=106, height=6, rx=3, fill="#a9825a")
    flag = outlined(
        "path", 2, d=f"M13 -156L{rng.choice((30, 34))} -150L13 -144Z", fill=HEX[look.accent]
    )
    if raised:
        rigging = (
            boom
            + mast
            + outlined("path", d=jib, fill=shade(cloth, -0.12))
            + outlined("path", d=sail, fill=cloth)
            + stroke_line(creases, fold, 2, opacity=0.6)
        )
    else:
        bundle = (
            "M-96 -73Q-102 -86 -88 -88Q-74 -94 -58 -89Q-42 -95 -26 -89Q-8 -93 3 -86Q8 -76 0 -73Z"
        )
        rigging = (
            stroke_line("M9 -154L112 -76M9 -154L-100 -72", "#7b6a5c", 1.8)
            + mast
            + boom
            + outlined("path", d=bundle, fill=cloth)
            + stroke_line("M-74 -90V-74M-42 -91V-74M-12 -90V-74", INK, 2.6)
        )
    svg = (
        outlined("path", 2.2, d="M-106 -54H-118L-121 -8H-100Z", fill="#a9825a")
        + ("" if above else rigging + flag)
        + outlined("path", 2.8, d=hull, fill=fill)
        + (outlined("path", 2, d=deck, fill=inside) + rigging + flag if above else "")
        + el("path", d=shadow, fill="#241a38", opacity=0.16)
        + ("" if above else stroke_line(rail, edge, 2.4))
        + ports
    )
    return facing(look, Drawing(svg, (-123, -160, 124, 0), defs, {"top": (9, -159)}))


DRAW: dict[str, Callable[[Look], Drawing]] = {
    "car": car,
    "bus": bus,
    "bicycle": bicycle,
    "boat": boat,
}
