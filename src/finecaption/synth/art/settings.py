"""Backdrops: eight calm, pale places for figures to stand in, each seen at two camera pitches."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from finecaption.synth.art.core import el, group, n, points
from finecaption.synth.art.paint import linear, mix, shade

SIZE = 512
# y of the horizon, and the nearest and farthest y on which feet stand.
HORIZON = {"eye level": 300.0, "from above": 140.0}
GROUND = {"eye level": (350.0, 490.0), "from above": (240.0, 490.0)}


@dataclass(frozen=True)
class Backdrop:
    """An opaque picture of an empty place on a 512 x 512 canvas.

    Attributes:
        svg: elements, in canvas pixels.
        defs: gradients and patterns; every id begins with "bg".
        ground: (y_far, y_near) in canvas pixels: where feet can stand.
    """

    svg: str
    defs: str
    ground: tuple[float, float]


def _wall_base(pitch: str) -> tuple[float, float]:
    """y of a room's wall foot and y of the point to which its floor lines run."""
    return (312.0, 215.0) if pitch == "eye level" else (156.0, -110.0)


def _band(y0: float, y1: float, fill: str) -> str:
    return el("rect", x=0, y=y0, width=SIZE, height=y1 - y0, fill=fill)


def _cloud(x: float, y: float, s: float, colour: str) -> str:
    d = (
        f"M{n(x - 46 * s)} {n(y)}q{n(-8 * s)} {n(-20 * s)} {n(16 * s)} {n(-20 * s)}"
        f"q{n(8 * s)} {n(-22 * s)} {n(32 * s)} {n(-12 * s)}q{n(22 * s)} {n(-10 * s)} {n(28 * s)} "
        f"{n(12 * s)}q{n(22 * s)} 0 {n(18 * s)} {n(20 * s)}z"
    )
    return el("path", d=d, fill=colour)


def _sky(rng: random.Random, top: str, low: str, horizon: float) -> tuple[str, str]:
    """Sky down to the horizon with a few clouds, and the gradient that it needs."""
    out = [_band(0, horizon + 2, "url(#bgsky)")]
    count = 3 if horizon > 200 else 2
    for i in range(count):
        x = SIZE * (i + rng.uniform(0.2, 0.8)) / count
        y = rng.uniform(0.22, 0.55) * horizon
        out.append(_cloud(x, y, rng.uniform(0.6, 1.1) * (0.6 + horizon / 750), mix(low, "#ffffff", 0.75)))
    return "".join(out), linear("bgsky", (0, top), (1, low))


def _ridge(
    rng: random.Random, y: float, rise: float, foot: float, colour: str, bumps: int = 3
) -> str:
    """A row of soft hills from y - rise down to the line at foot."""
    step = (SIZE + 80) / bumps
    x = -rng.uniform(20, 60)
    d = [f"M{n(x)} {n(foot)}V{n(y)}"]
    for _ in range(bumps + 1):
        top = y - rise * rng.uniform(0.6, 1.0)
        d.append(f"C{n(x + step * 0.3)} {n(top)} {n(x + step * 0.7)} {n(top)} {n(x + step)} {n(y)}")
        x += step
    d.append(f"V{n(foot)}Z")
    return el("path", d="".join(d), fill=colour)


def _peaks(rng: random.Random, y: float, rise: float, colour: str, cap: str) -> str:
    """A row of distant mountains with pale caps, standing on the line at y."""
    out = []
    x = -rng.uniform(30, 90)
    while x < SIZE:
        w, h = rng.uniform(150, 230), rise * rng.uniform(0.65, 1.0)
        mx = x + w * rng.uniform(0.42, 0.58)
        out.append(el("polygon", points=points((x, y), (mx, y - h), (x + w, y)), fill=colour))
        t = 0.3  # the cap reaches this far down the slopes
        left, right = mx - (mx - x) * t, mx + (x + w - mx) * t
        low = y - h * (1 - t)
        cap_points = ((mx, y - h), (right, low), (mx + 6, low - 8), (mx - 7, low + 5), (left, low))
        out.append(el("polygon", points=points(*cap_points), fill=cap))
        x += w * rng.uniform(0.6, 0.8)
    return "".join(out)


def _depths(vanish: float, y0: float, ratio: float) -> list[float]:
    """y of equally deep rows from the near edge of the canvas to y0, near first."""
    out, k = [], 1
    while True:
        y = vanish + (SIZE - vanish) / (1 + k * ratio)
        if y <= y0 + 1.5:
            return out
        out.append(y)
        k += 1


def _rays(vanish: float, cx: float, y0: float, step: float, y1: float = SIZE) -> str:
    """Path data of floor lines that run to (cx, vanish), cut to y0..y1; step at the near edge."""
    d = []
    t0, t1 = (y0 - vanish) / (SIZE - vanish), (y1 - vanish) / (SIZE - vanish)
    reach = (SIZE / 2 + abs(cx - SIZE / 2)) / max(t0, 0.05)
    k = -int(reach / step) - 1
    while k * step <= reach:
        x = (k + 0.5) * step
        d.append(f"M{n(cx + x * t0)} {n(y0)}L{n(cx + x * t1)} {n(y1)}")
        k += 1
    return "".join(d)


def _checks(vanish: float, cx: float, y0: float, step: float, ratio: float) -> str:
    """Path data of every other square of a tiled floor."""
    ys = [float(SIZE), *_depths(vanish, y0, ratio), y0]
    d = []
    for row, (near, far) in enumerate(zip(ys, ys[1:], strict=False)):
        tn, tf = (near - vanish) / (SIZE - vanish), (far - vanish) / (SIZE - vanish)
        reach = int((SIZE / 2 + abs(cx - SIZE / 2)) / tf / step) + 1
        for k in range(-reach, reach + 1):
            if (k + row) % 2:
                a, b = k * step, (k + 1) * step
                d.append(
                    f"M{n(cx + a * tn)} {n(near)}L{n(cx + b * tn)} {n(near)}"
                    f"L{n(cx + b * tf)} {n(far)}L{n(cx + a * tf)} {n(far)}Z"
                )
    return "".join(d)


def _tufts(rng: random.Random, y0: float, count: int, colour: str) -> str:
    """Blades of grass in threes, larger nearby."""
    d = []
    for i in range(count):
        y = y0 + (SIZE - y0) * ((i + rng.random()) / count) ** 1.3
        s = 2.5 + 7 * (y - y0) / (SIZE - y0)
        x = rng.uniform(0, SIZE)
        d.append(
            f"M{n(x)} {n(y)}q{n(-s * 0.2)} {n(-s * 0.7)} {n(-s * 0.8)} {n(-s)}"
            f"M{n(x)} {n(y)}v{n(-s * 1.3)}M{n(x)} {n(y)}q{n(s * 0.2)} {n(-s * 0.7)} {n(s * 0.8)} {n(-s)}"
        )
    return el("path", d="".join(d), fill="none", stroke=colour, stroke_width=2, stroke_linecap="round")


def _swell(rng: random.Random, y: float, amp: float, colour: str) -> str:
    """Ground from a gently waving line at y down to the bottom of the canvas."""
    a, b = rng.uniform(-amp, amp), rng.uniform(-amp, amp)
    d = f"M0 {n(y + a)}C130 {n(y - b)} 200 {n(y + a + b)} 300 {n(y)}S440 {n(y - a)} 512 {n(y + b)}V512H0Z"
    return el("path", d=d, fill=colour)


_MEADOW = (  # sky top, sky low, far hill, near hill, grass
    ("#bfe0f2", "#eef7f4", "#c3dcc9", "#bfdcae", "#cfe6b2"),
    ("#f6d9c4", "#fdf1dc", "#d9cfc0", "#cfd8a8", "#dbe4b0"),
    ("#cfd9f0", "#f3f0f4", "#c6cfe0", "#bcd5c3", "#c9e2c0"),
    ("#cdeae6", "#f8f7e4", "#bfd9d2", "#cddf9f", "#dcebb0"),
    ("#dcd6ee", "#fbeef0", "#cfc6dc", "#c3d6b4", "#d2e5ba"),
)


def _meadow(pitch: str, variant: int) -> Backdrop:
    rng, h = random.Random(variant), HORIZON[pitch]
    top, low, far, near, grass = rng.choice(_MEADOW)
    sky, defs = _sky(rng, top, low, h)
    svg = [
        sky,
        _ridge(rng, h - 4, h * 0.26, h + 4, far, rng.choice((2, 3))),
        _ridge(rng, h + 2, h * 0.12, h + 6, near, rng.choice((3, 4))),
        _band(h, SIZE, "url(#bgground)"),
    ]
    for t in (0.2, 0.5):
        svg.append(_swell(rng, h + (SIZE - h) * t, 9, shade(grass, 0.05 if t < 0.4 else -0.12)))
    svg.append(_tufts(rng, h + 12, 44 if h > 200 else 60, shade(grass, 0.22)))
    defs += linear("bgground", (0, shade(grass, 0.06)), (1, grass))
    return Backdrop("".join(svg), defs, GROUND[pitch])


_STREET = (  # sky top, sky low, wall, pavement, road
    ("#c8dff0", "#f3f4ee", "#ddd2c6", "#e9e4da", "#c9c9d0"),
    ("#f3dcc8", "#fbf3e2", "#d5cdd2", "#ece2d6", "#c8c5c4"),
    ("#d4daee", "#f5f0f2", "#cfd6cb", "#e4e4e0", "#cdcbd4"),
    ("#cce6e2", "#f6f6e8", "#e0cfc8", "#eae6dc", "#c4cacb"),
    ("#dcd8ee", "#faeee8", "#cdd3dc", "#e8e0e2", "#ccc6cc"),
)


def _street(pitch: str, variant: int) -> Backdrop:
    rng, h = random.Random(variant), HORIZON[pitch]
    top, low, wall, pavement, road = rng.choice(_STREET)
    eye = pitch == "eye level"
    sky, defs = _sky(rng, top, low, h)
    wall_top, foot = (h - 44, h + 8) if eye else (h - 36, h + 22)
    kerb = foot + (34 if eye else 76)
    cx = rng.uniform(180, 332)
    vanish = h - 40 if eye else -60.0
    lip = 9 if eye else 13
    svg = [
        sky,
        _ridge(rng, wall_top + 6, h * 0.2, wall_top + 12, mix(low, wall, 0.4), 3),
        _band(wall_top, foot, wall),
        _band(wall_top - 6, wall_top + 3, shade(wall, -0.45)),
        _band(wall_top + 3, wall_top + 6, shade(wall, 0.14)),
        _band(foot, kerb, pavement),
        _band(foot, foot + 4, shade(pavement, 0.12)),
    ]
    joints = []
    for row in range(3):
        y0 = wall_top + 6 + row * (foot - wall_top - 6) / 3
        y1 = wall_top + 6 + (row + 1) * (foot - wall_top - 6) / 3
        joints.append(f"M0 {n(y1)}H512")
        for k in range(9):
            x = k * 64 + (32 if row % 2 else 0)
            joints.append(f"M{x} {n(y0)}V{n(y1)}")
    svg.append(el("path", d="".join(joints), stroke=shade(wall, 0.1), stroke_width=1.5, fill="none"))
    slabs = _rays(vanish, cx, foot + 4, 130, kerb) + f"M0 {n((foot + kerb) / 2)}H512"
    svg.append(el("path", d=slabs, stroke=shade(pavement, 0.12), stroke_width=1.5, fill="none"))
    svg += [
        _band(kerb, kerb + lip, shade(pavement, -0.5)),
        _band(kerb + lip, kerb + lip * 1.9, shade(pavement, 0.24)),
        _band(kerb + lip * 1.9, SIZE, "url(#bgroad)"),
    ]
    # The dashed middle of the road, in perspective: near edge longer than the far one.
    y, t = (440.0, 9.0) if eye else (388.0, 13.0)
    shift = rng.uniform(-60, 60)
    for k in range(-1, 5):
        x = k * 140 + shift
        dash = ((x, y), (x + 74, y), (x + 78, y + t), (x - 3, y + t))
        svg.append(el("polygon", points=points(*dash), fill=shade(road, -0.6)))
    defs += linear("bgroad", (0, shade(road, 0.06)), (1, shade(road, -0.15)))
    return Backdrop("".join(svg), defs, GROUND[pitch])


_BEACH = (  # sky top, sky low, sea, sand
    ("#bfe2f2", "#f2f7f0", "#a9d6de", "#f3e3c2"),
    ("#f7d3c2", "#fdf0d8", "#b9cfdc", "#f5e0c6"),
    ("#ccd8f2", "#f6eff0", "#a8c8e0", "#efe4cc"),
    ("#d2ece4", "#fbf8e4", "#a6dccf", "#f6e7bd"),
    ("#ddd3ee", "#fcecec", "#b3c4e2", "#f4dfd0"),
)


def _beach(pitch: str, variant: int) -> Backdrop:
    rng, h = random.Random(variant), HORIZON[pitch]
    top, low, sea, sand = rng.choice(_BEACH)
    eye = pitch == "eye level"
    sky, defs = _sky(rng, top, low, h)
    shore = h + (34 if eye else 84)
    svg = [sky, _band(h, shore + 20, "url(#bgsea)")]
    waves = []
    rows = 3 if eye else 5
    for row in range(rows):
        y = h + (shore - h) * (row + 0.7) / rows
        w = 10 + 8 * row
        for _ in range(5):
            x = rng.uniform(-10, SIZE)
            waves.append(f"M{n(x)} {n(y)}q{n(w / 2)} -4 {n(w)} 0t{n(w)} 0")
    svg.append(el("path", d="".join(waves), fill="none", stroke=mix(sea, "#ffffff", 0.6),
                  stroke_width=2, stroke_linecap="round"))  # fmt: skip
    state = rng.getstate()
    for lift, colour in ((-7, "#fdfdf8"), (0, shade(sand, 0.1)), (10, "url(#bgsand)")):
        rng.setstate(state)  # foam, wet and dry sand share one shoreline
        svg.append(_swell(rng, shore + lift, 7 if eye else 14, colour))
    for t in (0.35, 0.66):
        svg.append(_swell(rng, shore + (SIZE - shore) * t, 8, shade(sand, -0.2 if t < 0.5 else -0.32)))
    grains = "".join(
        f"M{n(rng.uniform(0, SIZE))} {n(rng.uniform(shore + 22, SIZE))}h.1" for _ in range(90)
    )
    svg.append(el("path", d=grains, stroke=shade(sand, 0.22), stroke_width=2.6, stroke_linecap="round"))
    defs += linear("bgsea", (0, shade(sea, 0.08)), (1, shade(sea, -0.3)))
    defs += linear("bgsand", (0, shade(sand, 0.03)), (1, sand))
    return Backdrop("".join(svg), defs, GROUND[pitch])


_SNOW = (  # sky top, sky low, mountain, snow
    ("#c3d3e8", "#e9eff4", "#b6c5dc", "#e6edf4"),
    ("#d6cde6", "#f4e9ee", "#c2bdd8", "#ebe8f3"),
    ("#bcd9e2", "#e8f4f2", "#b0ccd6", "#e3eff2"),
    ("#f0d6cf", "#fbefe4", "#cdc4d2", "#f0ebf0"),
    ("#cbd0d8", "#edeeee", "#b9c0cb", "#e8ebef"),
)


def _snow(pitch: str, variant: int) -> Backdrop:
    rng, h = random.Random(variant), HORIZON[pitch]
    top, low, rock, snow = rng.choice(_SNOW)
    svg = [
        _band(0, h + 2, "url(#bgsky)"),
        _peaks(rng, h + 2, h * 0.42, mix(rock, low, 0.3), mix(snow, "#ffffff", 0.7)),
        _ridge(rng, h + 4, h * 0.14, h + 8, shade(snow, 0.08), 3),
        _band(h + 4, SIZE, "url(#bgground)"),
    ]
    for t in (0.14, 0.4, 0.72):
        y = h + (SIZE - h) * t
        svg.append(_swell(rng, y, 12, mix(snow, "#c3d2e6", 0.34)))
        svg.append(_swell(rng, y + 7, 12, mix(snow, "#ffffff", 0.25)))
    flakes = "".join(
        f"M{n(rng.uniform(0, SIZE))} {n(rng.uniform(0, h * 0.95))}h.1" for _ in range(36)
    )
    svg.append(el("path", d=flakes, stroke="#ffffff", stroke_width=5, stroke_linecap="round"))
    defs = linear("bgsky", (0, top), (1, low)) + linear(
        "bgground", (0, shade(snow, 0.06)), (1, mix(snow, "#ffffff", 0.4))
    )
    return Backdrop("".join(svg), defs, GROUND[pitch])


_ICE = (  # sky top, sky low, mountain, bank, ice
    ("#c9dcee", "#f0f4f2", "#b9c9dc", "#f2f5f6", "#b9dce6"),
    ("#f2d7d2", "#fcf0e4", "#cbbfd2", "#f7f1f2", "#c2d6e8"),
    ("#d2d0ea", "#f4ecf2", "#bdbbd8", "#f1eff6", "#bccfe8"),
    ("#c6e4e2", "#f2f6ea", "#afcdcf", "#eff6f3", "#b2e0dc"),
    ("#f0e2c8", "#fbf6e6", "#c6c9c6", "#f6f4ee", "#bfdbe0"),
)


def _frozen_lake(pitch: str, variant: int) -> Backdrop:
    rng, h = random.Random(variant), HORIZON[pitch]
    top, low, rock, bank, ice = rng.choice(_ICE)
    tall = h * 0.4
    state = rng.getstate()
    peaks = _peaks(rng, h, tall, mix(rock, low, 0.25), bank)
    rng.setstate(state)
    mirror = _peaks(rng, h, tall, mix(rock, ice, 0.65), mix(bank, ice, 0.5))
    svg = [
        _band(0, h + 2, "url(#bgsky)"),
        peaks,
        _band(h, SIZE, "url(#bgice)"),
        group(mirror, transform=f"translate(0 {n(h + h * 0.5)}) scale(1 -0.5)", opacity=0.55),
        _ridge(rng, h + 1, 16, h + 5, bank, 4),
    ]
    for _ in range(5):  # sheen: slanting bands of light
        x, w = rng.uniform(-60, 480), rng.uniform(24, 60)
        band = ((x + 120, h + 5), (x + 120 + w, h + 5), (x + w - 40, SIZE), (x - 40 - w * 0.6, SIZE))
        svg.append(el("polygon", points=points(*band), fill="#ffffff", opacity=0.22))
    cracks = []
    for i in range(5):
        y = h + (SIZE - h) * (0.2 + 0.16 * i) + rng.uniform(-8, 8)
        x = rng.uniform(0, 400)
        cracks.append(f"M{n(x)} {n(y)}")
        for k in range(4):
            dx, dy = rng.uniform(18, 46), rng.uniform(-9, 9)
            cracks.append(f"l{n(dx)} {n(dy)}")
            if k == 1:
                cracks.append(f"l12 {n(-dy - 8)}m-12 {n(dy + 8)}")
    svg.append(el("path", d="".join(cracks), fill="none", stroke="#ffffff", stroke_width=2.2,
                  stroke_linejoin="round", opacity=0.9))  # fmt: skip
    defs = linear("bgsky", (0, top), (1, low)) + linear(
        "bgice", (0, shade(ice, -0.35)), (0.5, ice), (1, shade(ice, 0.06))
    )
    return Backdrop("".join(svg), defs, GROUND[pitch])


def _boards(pitch: str, rng: random.Random, colour: str) -> str:
    """Floor boards that run away from the viewer, with staggered ends."""
    base, vanish = _wall_base(pitch)
    cx = rng.uniform(200, 312)
    line = shade(colour, 0.16)
    d = [_rays(vanish, cx, base, 92)]
    for i, y in enumerate(_depths(vanish, base, 0.17 if pitch == "eye level" else 0.12)):
        t = (y - vanish) / (SIZE - vanish)
        for k in range(-8 + i % 2, 9, 2):
            x = cx + (k + 0.5) * 92 * t
            d.append(f"M{n(x)} {n(y)}h{n(92 * t)}")
    return _band(base, SIZE, "url(#bgfloor)") + el(
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


def _living_room(pitch: str, variant: int) -> Backdrop:
    rng = random.Random(variant)
    wall, stripe, skirting, floor, rug, curtain = rng.choice(_LIVING)
    base, _ = _wall_base(pitch)
    eye = pitch == "eye level"
    defs = linear("bgfloor", (0, shade(floor, 0.05)), (1, shade(floor, -0.18)))
    svg = [_band(0, base, wall)]
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
    svg.append(el("rect", x=x - 40, y=y0 - 18, width=w + 80, height=6, rx=3, fill=shade(curtain, 0.25)))
    svg += [
        _boards(pitch, rng, floor),
        _band(base - 20, base, skirting),
        _band(base - 20, base - 17, shade(skirting, 0.1)),
        _band(base - 1, base + 2, shade(floor, 0.22)),
    ]
    rx, ry, cy = (210.0, 50.0, 428.0) if eye else (205.0, 112.0, 372.0)
    cx = rng.uniform(226, 286)
    for grow, colour in ((1.0, rug), (0.88, shade(rug, -0.45)), (0.8, shade(rug, -0.12))):
        svg.append(el("ellipse", cx=cx, cy=cy, rx=rx * grow, ry=ry * grow, fill=colour))
    return Backdrop("".join(svg), defs, GROUND[pitch])


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


def _kitchen(pitch: str, variant: int) -> Backdrop:
    rng = random.Random(variant)
    wall, tile, floor, check, rail = rng.choice(_KITCHEN)
    base, vanish = _wall_base(pitch)
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
        _band(0, tiled, wall),
        _band(tiled, base, "url(#bgtile)"),
        _band(tiled - 8, tiled, mix(check, tile, 0.2)),
        _tools(rng, 56 if eye else -14, rng.choice((130.0, 256.0, 380.0)), mix(rail, wall, 0.35)),
        _band(base, SIZE, "url(#bgfloor)"),
        el("path", d=_checks(vanish, cx, base, 96, 0.2 if eye else 0.14), fill=check),
        _band(base - 14, base, shade(check, 0.06)),
        _band(base - 1, base + 2, shade(check, 0.2)),
    ]
    return Backdrop("".join(svg), defs, GROUND[pitch])


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


def _gallery(pitch: str, variant: int) -> Backdrop:
    rng = random.Random(variant)
    wall, frame, tints, floor = rng.choice(_GALLERY)
    base, vanish = _wall_base(pitch)
    eye = pitch == "eye level"
    soft = mix(frame, wall, 0.3)
    y, h = (70.0, 104.0) if eye else (-24.0, 112.0)
    svg = [_band(0, base, "url(#bgwall)")]
    if eye:
        svg.append(_band(0, 18, shade(wall, -0.6)) + _band(18, 22, shade(wall, 0.12)))
    frames, x = [], rng.uniform(22, 44)
    for w in rng.choice(((130.0, 90.0, 130.0), (100.0, 150.0, 100.0), (180.0, 200.0))):
        frames.append((x, w))
        svg.append(_canvas(rng, x, y, w, h, soft, tints))
        x += w + 46
    svg.append(_band(base, SIZE, "url(#bgfloor)"))
    # The polish of the floor: the frames and the wall's light come back from it.
    for fx, fw in frames:
        svg.append(el("rect", x=fx - 7, y=base + 22, width=fw + 14, height=h * 0.75,
                      fill="url(#bgecho)"))  # fmt: skip
    for _ in range(3):
        sx, sw = rng.uniform(-40, 440), rng.uniform(40, 90)
        shine = ((sx, base), (sx + sw, base), (sx + sw * 0.8 - 40, SIZE), (sx - 40 - sw * 0.3, SIZE))
        svg.append(el("polygon", points=points(*shine), fill="#ffffff", opacity=0.2))
    cx = rng.uniform(200, 312)
    lines = _rays(vanish, cx, base, 210) + "".join(
        f"M0 {n(v)}H512" for v in _depths(vanish, base, 0.42 if eye else 0.3)
    )
    svg += [
        el("path", d=lines, fill="none", stroke=shade(floor, 0.1), stroke_width=1.4),
        _band(base - 16, base, shade(wall, -0.55)),
        _band(base - 16, base - 14, shade(wall, 0.12)),
        _band(base - 1, base + 2, shade(floor, 0.25)),
    ]
    defs = (
        linear("bgwall", (0, wall), (1, shade(wall, 0.04)))
        + linear("bgfloor", (0, shade(floor, -0.42)), (0.5, floor), (1, shade(floor, 0.04)))
        + linear("bgecho", (0, mix(soft, floor, 0.55)), (1, mix(floor, "#ffffff", 0.2)))
    )
    return Backdrop("".join(svg), defs, GROUND[pitch])


SETTINGS: dict[str, Callable[[str, int], Backdrop]] = {
    "meadow": _meadow,
    "street": _street,
    "beach": _beach,
    "snow": _snow,
    "frozen lake": _frozen_lake,
    "living room": _living_room,
    "kitchen": _kitchen,
    "gallery": _gallery,
}
