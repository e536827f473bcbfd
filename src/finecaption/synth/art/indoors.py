"""Backdrops within walls: living room, kitchen and gallery."""

from __future__ import annotations

import random

from finecaption.synth.art.backdrop import (
    SIZE,
    Backdrop,
    band,
    checks,
    depths,
    finish,
    rays,
    wall_base,
)
from finecaption.synth.art.core import el, group, n, points
from finecaption.synth.art.paint import linear, mix, shade


def _boards(pitch: str, rng: random.Random, colour: str) -> str:
    """Floor boards that run away from the viewer, with staggered ends."""
    base, vanish = wall_base(pitch)
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


_LIVING = (  # wall, stripe, skirting, floor, rug, curtain
    ("#f0dfcd", "#f6eadc", "#fbf6ec", "#e3cbae", "#dcc3c6", "#e6c9b4"),
    ("#d5e2df", "#e0ebe8", "#f7f6ee", "#dfcdb8", "#c6d0d8", "#bfd4cf"),
    ("#e4daea", "#ece4f0", "#faf6f4", "#dccab9", "#d6cbdc", "#cfc0da"),
    ("#e9e4c6", "#f0ecd6", "#fbf8ea", "#dcc6a8", "#cdd2b6", "#d6d3a4"),
    ("#d3deee", "#dfe8f3", "#f6f6f4", "#dcc8b2", "#e2cfc0", "#bccbe0"),
    ("#f2d8d4", "#f7e4e0", "#fcf4ee", "#e0cab0", "#cfd3d6", "#e6bfbc"),
)


def living_room(pitch: str, variant: int) -> Backdrop:
    """Striped wallpaper, a window, boards and a rug."""
    rng = random.Random(variant)
    wall, stripe, skirting, floor, rug, curtain = rng.choice(_LIVING)
    base, _ = wall_base(pitch)
    eye = pitch == "eye level"
    defs = linear("bgfloor", (0, shade(floor, 0.05)), (1, shade(floor, -0.18)))
    svg = [band(0, base, wall)]
    svg += [el("rect", x=k * 43, y=0, width=21, height=base, fill=stripe) for k in range(12)]
    # A window with curtains; from above, only its lower half fits.
    x, w = rng.choice((70.0, 190.0, 300.0)), 130.0
    y0, y1 = (46.0, 208.0) if eye else (-60.0, 92.0)
    defs += linear("bgpane", (0, "#d3e8f2"), (1, "#f2f6ea"))
    svg += [
        el("rect", x=x, y=y0, width=w, height=y1 - y0, fill="url(#bgpane)", stroke=skirting,
           stroke_width=9),
        el("path", d=f"M{n(x + w / 2)} {n(y0)}V{n(y1)}M{n(x)} {n((y0 + y1) / 2)}H{n(x + w)}",
           stroke=skirting, stroke_width=6),
        el("rect", x=x - 14, y=y1, width=w + 28, height=9, fill=shade(skirting, 0.06)),
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
    svg += [
        _boards(pitch, rng, floor),
        band(base - 20, base, skirting),
        band(base - 20, base - 17, shade(skirting, 0.1)),
        band(base - 1, base + 2, shade(floor, 0.22)),
    ]
    rx, ry, cy = (210.0, 50.0, 428.0) if eye else (205.0, 112.0, 372.0)
    cx = rng.uniform(226, 286)
    for grow, colour in ((1.0, rug), (0.88, shade(rug, -0.45)), (0.8, shade(rug, -0.12))):
        svg.append(el("ellipse", cx=cx, cy=cy, rx=rx * grow, ry=ry * grow, fill=colour))
    return finish(svg, defs, pitch, wall)


_KITCHEN = (  # wall, tile, floor, floor check, rail
    ("#f3ead6", "#e4eef0", "#f1ece2", "#d5dee2", "#b9b3b6"),
    ("#dce8e0", "#f2f0e4", "#f0ede4", "#cfdccb", "#b3b9b4"),
    ("#ece0ec", "#f0f0f0", "#f2eef0", "#d9d0de", "#b8b2bc"),
    ("#f6dfd2", "#f5f0e6", "#f5efe6", "#e6cfc0", "#bfb2ae"),
    ("#d9e4f0", "#f0f3f2", "#f0f0ee", "#c9d6e2", "#b0b6be"),
)


def _tools(rng: random.Random, y: float, x: float, colour: str) -> str:
    """A rail with a ladle, a slice and a whisk hanging from it."""
    out = [el("path", d=f"M{n(x - 76)} {n(y)}H{n(x + 76)}", stroke=colour, stroke_width=5,
              stroke_linecap="round")]  # fmt: skip
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


def kitchen(pitch: str, variant: int) -> Backdrop:
    """Wall tiles, a rail of tools and a checked floor."""
    rng = random.Random(variant)
    wall, tile, floor, check, rail = rng.choice(_KITCHEN)
    base, vanish = wall_base(pitch)
    eye = pitch == "eye level"
    tiled = 128.0 if eye else 44.0  # the tiles' upper edge
    size = 34
    grout = shade(tile, 0.16)
    defs = (
        f'<pattern id="bgtile" width="{size}" height="{size}" y="{n(tiled)}" '
        'patternUnits="userSpaceOnUse">'
        + el("rect", width=size, height=size, fill=grout)
        + el("rect", x=1, y=1, width=size - 2, height=size - 2, rx=3, fill=tile)
        + el("path", d=f"M5 {size - 8}V5H{size - 8}", fill="none", stroke=shade(tile, -0.6),
             stroke_width=2)
        + "</pattern>"
        + linear("bgfloor", (0, shade(floor, 0.05)), (1, floor))
    )  # fmt: skip
    cx = rng.uniform(200, 312)
    svg = [
        band(0, tiled, wall),
        band(tiled, base, "url(#bgtile)"),
        band(tiled - 8, tiled, mix(check, tile, 0.2)),
        _tools(rng, 56 if eye else -14, rng.choice((130.0, 256.0, 380.0)), mix(rail, wall, 0.35)),
        band(base, SIZE, "url(#bgfloor)"),
        el("path", d=checks(vanish, cx, base, 96, 0.2 if eye else 0.14), fill=check),
        band(base - 14, base, shade(check, 0.06)),
        band(base - 1, base + 2, shade(check, 0.2)),
    ]
    return finish(svg, defs, pitch, tile)


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
    base, vanish = wall_base(pitch)
    eye = pitch == "eye level"
    soft = mix(frame, wall, 0.3)
    y, h = (70.0, 104.0) if eye else (-24.0, 112.0)
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
    return finish(svg, defs, pitch, wall)
