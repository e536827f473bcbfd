"""Backdrops within walls: living room, kitchen and gallery."""

from __future__ import annotations

import random

from finecaption_synth.art.backdrop import (
    SIZE,
    Backdrop,
    band,
    checks,
    depths,
    finish,
    rays,
    room_ground,
    wall_base,
)
from finecaption_synth.art.core import el, group, n, points
from finecaption_synth.art.paint import linear, mix, shade


def _boards(pitch: str, rng: random.Random, base: float, vanish: float, colour: str) -> str:
    """Floor boards that run away from the viewer, with staggered ends."""
    cx = rng.uniform(200, 312)
    line = shade(colour, 0.16)
    d = [rays(vanish, cx, base, 92)]
    for i, y in enumerate(depths(vanish, base, 0.17 if pitch == "eye level" else 0.12)):
        t = (y - vanish) / (SIZE - vanish)
        for k in range(-8 + i % 2, 9, 2):
            x = cx + (k + 0.5) * 92 * t
            d.append(f"M{n(x)} {n(y)}h{n(92 * t)}")
    return band(base, SIZE, "url(#bgfloor)") + el(
        "path", d="".join(d), fill="none", stroke=line, stroke_width=1.6
    )


def _window(x: float, y0: float, w: float, y1: float, frame: str, curtain: str) -> str:
    """A window with a sill between two curtains on a pole; x: its left edge."""
    svg = [
        el("rect", x=x, y=y0, width=w, height=y1 - y0, fill="url(#bgpane)", stroke=frame,
           stroke_width=9),
        el("path", d=f"M{n(x + w / 2)} {n(y0)}V{n(y1)}M{n(x)} {n((y0 + y1) / 2)}H{n(x + w)}",
           stroke=frame, stroke_width=6),
        el("rect", x=x - 14, y=y1, width=w + 28, height=9, fill=shade(frame, 0.06)),
    ]  # fmt: skip
    for side in (-1, 1):
        cx = x + w / 2 + side * (w / 2 + 8)
        d = (
            f"M{n(cx - 20)} {n(y0 - 14)}H{n(cx + 20)}Q{n(cx + 14)} {n((y0 + y1) / 2)} "
            f"{n(cx + 22)} {n(y1 + 22)}H{n(cx - 22)}Q{n(cx - 14)} {n((y0 + y1) / 2)} {n(cx - 20)} "
            f"{n(y0 - 14)}Z"
        )
        svg.append(el("path", d=d, fill=curtain))
        folds = "".join(f"M{n(cx + k)} {n(y0 - 14)}V{n(y1 + 22)}" for k in (-8, 8))
        svg.append(el("path", d=folds, stroke=shade(curtain, 0.1), stroke_width=2))
    svg.append(
        el("rect", x=x - 40, y=y0 - 18, width=w + 80, height=6, rx=3, fill=shade(curtain, 0.25))
    )
    return "".join(svg)


def _clock(x: float, y: float, r: float, rim: str, face: str) -> str:
    """A wall clock; its hands stand at ten past ten, as in every shop window."""
    hand = shade(rim, 0.25)
    return (
        el("circle", cx=x, cy=y, r=r, fill=rim)
        + el("circle", cx=x, cy=y, r=r * 0.82, fill=face)
        + el(
            "path",
            d=f"M{n(x - r * 0.42)} {n(y - r * 0.3)}L{n(x)} {n(y)}L{n(x + r * 0.5)} "
            f"{n(y - r * 0.42)}",
            fill="none",
            stroke=hand,
            stroke_width=3,
            stroke_linecap="round",
        )
    )


_LIVING = (  # wall, stripe, skirting, floor, rug, curtain
    ("#f0dfcd", "#f6eadc", "#fbf6ec", "#e3cbae", "#dcc3c6", "#e6c9b4"),
    ("#d5e2df", "#e0ebe8", "#f7f6ee", "#dfcdb8", "#c6d0d8", "#bfd4cf"),
    ("#e4daea", "#ece4f0", "#faf6f4", "#dccab9", "#d6cbdc", "#cfc0da"),
    ("#e9e4c6", "#f0ecd6", "#fbf8ea", "#dcc6a8", "#cdd2b6", "#d6d3a4"),
    ("#d3deee", "#dfe8f3", "#f6f6f4", "#dcc8b2", "#e2cfc0", "#bccbe0"),
    ("#f2d8d4", "#f7e4e0", "#fcf4ee", "#e0cab0", "#cfd3d6", "#e6bfbc"),
)


def living_room(pitch: str, variant: int) -> Backdrop:
    """Wallpaper with a window, a picture and a clock above boards and a rug."""
    rng = random.Random(variant)
    wall, stripe, skirting, floor, rug, curtain = rng.choice(_LIVING)
    base, vanish = wall_base(pitch, rng)
    eye = pitch == "eye level"
    defs = linear("bgfloor", (0, shade(floor, 0.05)), (1, shade(floor, -0.18)))
    defs += linear("bgpane", (0, "#d3e8f2"), (1, "#f2f6ea"))
    svg = [band(0, base, wall)]
    svg += [el("rect", x=k * 43, y=0, width=21, height=base, fill=stripe) for k in range(12)]
    x, w = rng.choice((70.0, 190.0, 300.0)), 130.0
    # From above, only the window's lower half fits.
    y0, y1 = (base - 256, base - 104) if eye else (base - 216, base - 64)
    svg.append(_window(x, y0, w, y1, skirting, curtain))
    tints = (mix(curtain, wall, 0.4), mix(rug, wall, 0.35), skirting)
    room = sorted(((x - 50, 0.0), (SIZE - x - w - 50, x + w + 50)))  # beside the curtains
    for (free, left), what in zip(reversed(room), ("picture", "clock"), strict=True):
        if free < 76 or rng.random() < 0.25:
            continue
        mid = left + free / 2
        if what == "picture":
            pw = min(free - 36, rng.uniform(80, 130))
            ph = pw * rng.uniform(0.65, 0.9)
            py = y0 + 24 if eye else y1 - ph - 4
            svg.append(_canvas(rng, mid - pw / 2, py, pw, ph, shade(curtain, 0.12), tints))
        elif eye:
            svg.append(_clock(mid, y0 + 44, 25, shade(curtain, 0.16), skirting))
    svg += [
        _boards(pitch, rng, base, vanish, floor),
        band(base - 20, base, skirting),
        band(base - 20, base - 17, shade(skirting, 0.1)),
        band(base - 1, base + 2, shade(floor, 0.22)),
    ]
    cy, rx, ry = base + 0.58 * (SIZE - base), 208.0, (SIZE - base) * (0.27 if eye else 0.31)
    cx = rng.uniform(206, 306)
    square = rng.random() < 0.5
    for grow, colour in ((1.0, rug), (0.88, shade(rug, -0.45)), (0.8, shade(rug, -0.12))):
        x2, y2 = rx * grow, ry * grow
        if square:
            lean = 0.82
            corners = (
                (cx - x2 * lean, cy - y2),
                (cx + x2 * lean, cy - y2),
                (cx + x2, cy + y2),
                (cx - x2, cy + y2),
            )
            svg.append(el("polygon", points=points(*corners), fill=colour))
        else:
            svg.append(el("ellipse", cx=cx, cy=cy, rx=x2, ry=y2, fill=colour))
    return finish(svg, defs, wall, room_ground(pitch, base), base + 8)


_KITCHEN = (  # wall, tile, floor, floor check, rail
    ("#f3ead6", "#e4eef0", "#f1ece2", "#d5dee2", "#b9b3b6"),
    ("#dce8e0", "#f2f0e4", "#f0ede4", "#cfdccb", "#b3b9b4"),
    ("#ece0ec", "#f0f0f0", "#f2eef0", "#d9d0de", "#b8b2bc"),
    ("#f6dfd2", "#f5f0e6", "#f5efe6", "#e6cfc0", "#bfb2ae"),
    ("#d9e4f0", "#f0f3f2", "#f0f0ee", "#c9d6e2", "#b0b6be"),
)


def _tools(rng: random.Random, y: float, x: float, colour: str) -> str:
    """A rail with a ladle, a slice and a whisk hanging from it."""
    out = [
        el(
            "path",
            d=f"M{n(x - 76)} {n(y)}H{n(x + 76)}",
            stroke=colour,
            stroke_width=5,
            stroke_linecap="round",
        )
    ]
    heads = [
        "M-10 44a10 10 0 0 0 20 0z",
        "M-8 38h16l2 24h-20z",
        "M0 34q-12 14 0 30q12 -16 0 -30z",
    ]
    rng.shuffle(heads)
    for k, d in enumerate(heads):
        out.append(
            group(
                el("path", d="M0 0V40", stroke=colour, stroke_width=3.5, fill="none"),
                el("path", d=d, fill=colour),
                transform=f"translate({n(x - 48 + 48 * k)} {n(y)})",
            )
        )
    return "".join(out)


def _kitchen_wall(
    rng: random.Random, base: float, eye: bool, check: str, rail: str, wall: str
) -> list[str]:
    """What hangs on a kitchen's wall: tools on one side, a window on the other, or a clock."""
    left, right = rng.sample((118.0, 370.0), 2)
    svg = [_tools(rng, base - (150 if eye else 100), left, mix(rail, wall, 0.35))]
    if rng.random() < 0.7:
        y0, y1 = (base - 236, base - 96) if eye else (base - 200, base - 52)
        svg.append(_window(right - 58, y0, 116, y1, "#fbf9f2", mix(check, wall, 0.15)))
    elif eye:
        svg.append(_clock(right, base - 150, 27, shade(check, 0.12), "#fdfaf2"))
    return svg


def kitchen(pitch: str, variant: int) -> Backdrop:
    """Wall tiles, a window or a clock, a rail of tools and a checked floor."""
    rng = random.Random(variant)
    wall, tile, floor, check, rail = rng.choice(_KITCHEN)
    base, vanish = wall_base(pitch, rng)
    eye = pitch == "eye level"
    tiled = base - (184.0 if eye else 112.0)  # the tiles' upper edge
    size = 34
    grout = shade(tile, 0.16)
    defs = (
        f'<pattern id="bgtile" width="{size}" height="{size}" y="{n(tiled)}" '
        'patternUnits="userSpaceOnUse">'
        + el("rect", width=size, height=size, fill=grout)
        + el("rect", x=1, y=1, width=size - 2, height=size - 2, rx=3, fill=tile)
        + el(
            "path",
            d=f"M5 {size - 8}V5H{size - 8}",
            fill="none",
            stroke=shade(tile, -0.6),
            stroke_width=2,
        )
        + "</pattern>"
        + linear("bgfloor", (0, shade(floor, 0.05)), (1, floor))
    )
    cx = rng.uniform(200, 312)
    svg = [
        band(0, tiled, wall),
        band(tiled, base, "url(#bgtile)"),
        band(tiled - 8, tiled, mix(check, tile, 0.2)),
        *_kitchen_wall(rng, base, eye, check, rail, wall),
        band(base, SIZE, "url(#bgfloor)"),
        el("path", d=checks(vanish, cx, base, 96, 0.2 if eye else 0.14), fill=check),
        band(base - 14, base, shade(check, 0.06)),
        band(base - 1, base + 2, shade(check, 0.2)),
    ]
    defs += linear("bgpane", (0, "#d3e8f2"), (1, "#f2f6ea"))
    return finish(svg, defs, tile, room_ground(pitch, base), base + 8)


_GALLERY = (  # wall, frame, three tints of the pictures, floor
    ("#efece6", "#cdbb9b", ("#dfe6ea", "#e9cfc3", "#c9d6c9"), "#dccbb8"),
    ("#e3e7ea", "#bcb8b4", ("#f0e8d6", "#c8d3e2", "#dcc8cf"), "#c9ccd0"),
    ("#e9e2ea", "#c7b7a6", ("#efe7ea", "#cfd5e4", "#e6d7b8"), "#d2c6cd"),
    ("#e4e9e0", "#c4b48f", ("#eef0e4", "#d8c9b6", "#bfd2ce"), "#cdcdbf"),
    ("#f2e4dc", "#c9ae94", ("#f3ece0", "#d3c4d6", "#cfdccf"), "#d9c3b6"),
)


def _canvas(
    rng: random.Random, x: float, y: float, w: float, h: float, frame: str, tints: tuple[str, ...]
) -> str:
    """A framed abstract picture: pale bands and a hump."""
    a, b, c = rng.sample(tints, 3)
    top = y + h * rng.uniform(0.35, 0.6)
    hump = (
        f"M{n(x)} {n(y + h)}V{n(top)}C{n(x + w * 0.3)} {n(top - h * 0.35)} {n(x + w * 0.5)} "
        f"{n(top + h * 0.3)} {n(x + w)} {n(top - h * rng.uniform(0, 0.2))}V{n(y + h)}Z"
    )
    return (
        el("rect", x=x - 7, y=y - 7, width=w + 14, height=h + 14, fill=frame)
        + el("rect", x=x - 2, y=y - 2, width=w + 4, height=h + 4, fill="#fbf9f4")
        + el("rect", x=x + 4, y=y + 4, width=w - 8, height=h - 8, fill=a)
        + el("path", d=hump, fill=b)
        + el("rect", x=x + 4, y=y + h * 0.84, width=w - 8, height=h * 0.16 - 4, fill=c)
    )


def gallery(pitch: str, variant: int) -> Backdrop:
    """Framed pictures above a polished floor."""
    rng = random.Random(variant)
    wall, frame, tints, floor = rng.choice(_GALLERY)
    base, vanish = wall_base(pitch, rng)
    eye = pitch == "eye level"
    soft = mix(frame, wall, 0.3)
    y, h = (base - 242, 104.0) if eye else (base - 180, 112.0)
    svg = [band(0, base, "url(#bgwall)")]
    if eye:
        svg.append(band(0, 18, shade(wall, -0.6)) + band(18, 22, shade(wall, 0.12)))
    frames, x = [], rng.uniform(22, 44)
    for w in rng.choice(((130.0, 90.0, 130.0), (100.0, 150.0, 100.0), (180.0, 200.0))):
        frames.append((x, w))
        svg.append(_canvas(rng, x, y, w, h, soft, tints))
        x += w + 46
    svg.append(band(base, SIZE, "url(#bgfloor)"))
    # The polish of the floor: the frames and the wall's light come back from it.
    for fx, fw in frames:
        svg.append(el("rect", x=fx - 7, y=base + 22, width=fw + 14, height=h * 0.75,
                      fill="url(#bgecho)", opacity=0.6))  # fmt: skip
    for _ in range(3):
        sx, sw = rng.uniform(-40, 440), rng.uniform(40, 90)
        shine = (
            (sx, base),
            (sx + sw, base),
            (sx + sw * 0.8 - 40, SIZE),
            (sx - 40 - sw * 0.3, SIZE),
        )
        svg.append(el("polygon", points=points(*shine), fill="#ffffff", opacity=0.2))
    cx = rng.uniform(200, 312)
    lines = rays(vanish, cx, base, 210) + "".join(
        f"M0 {n(v)}H512" for v in depths(vanish, base, 0.42 if eye else 0.3)
    )
    svg += [
        el("path", d=lines, fill="none", stroke=shade(floor, 0.1), stroke_width=1.4),
        band(base - 16, base, shade(wall, -0.55)),
        band(base - 16, base - 14, shade(wall, 0.12)),
        band(base - 1, base + 2, shade(floor, 0.25)),
    ]
    defs = (
        linear("bgwall", (0, wall), (1, shade(wall, 0.04)))
        + linear("bgfloor", (0, shade(floor, -0.42)), (0.5, floor), (1, shade(floor, 0.04)))
        + linear("bgecho", (0, mix(soft, floor, 0.5)), (1, mix(floor, "#ffffff", 0.06)))
    )
    return finish(svg, defs, wall, room_ground(pitch, base), base + 8)
