"""Backdrops under the sky: meadow, street, beach, snow and frozen lake."""

from __future__ import annotations

import random

from finecaption_synth.art.backdrop import (
    NEAR,
    SIZE,
    Backdrop,
    band,
    finish,
    horizon,
    lane,
    open_ground,
    peaks,
    rays,
    ridge,
    sky,
    swell,
    tufts,
)
from finecaption_synth.art.core import el, group, n, points
from finecaption_synth.art.paint import linear, mix, shade

_MEADOW = (  # sky top, sky low, far hill, near hill, grass
    ("#bfe0f2", "#eef7f4", "#c3dcc9", "#bfdcae", "#cfe6b2"),
    ("#f6d9c4", "#fdf1dc", "#d9cfc0", "#cfd8a8", "#dbe4b0"),
    ("#cfd9f0", "#f3f0f4", "#c6cfe0", "#bcd5c3", "#c9e2c0"),
    ("#cdeae6", "#f8f7e4", "#bfd9d2", "#cddf9f", "#dcebb0"),
    ("#dcd6ee", "#fbeef0", "#cfc6dc", "#c3d6b4", "#d2e5ba"),
)


def _lane_of(ground: tuple[float, float]) -> tuple[float, float]:
    """Where wheels stand on a country road across this ground."""
    far, near = ground
    return far + 0.16 * (near - far), far + 0.34 * (near - far)


def meadow(pitch: str, variant: int) -> Backdrop:
    """Grass and tufts below soft hills; through every second one leads a country road."""
    rng = random.Random(variant)
    h = horizon(pitch, rng)
    top, low, far, near, grass = rng.choice(_MEADOW)
    above, defs = sky(rng, top, low, h)
    svg = [
        above,
        ridge(rng, h - 4, h * 0.26, h + 4, far, rng.choice((2, 3))),
        ridge(rng, h + 2, h * 0.12, h + 6, near, rng.choice((3, 4))),
        band(h, SIZE, "url(#bgground)"),
    ]
    for t in (0.2, 0.5):
        svg.append(swell(rng, h + (SIZE - h) * t, 9, shade(grass, 0.05 if t < 0.4 else -0.12)))
    svg.append(tufts(rng, h + 12, 44 if h > 200 else 60, shade(grass, 0.22)))
    ground = open_ground(pitch, h)
    road = _lane_of(ground) if rng.random() < 0.45 else None
    if road:
        svg.append(lane(road[0] - 16, road[1] + 8, "#dccdb4", shade(grass, 0.16), "#f1e8d6"))
    defs += linear("bgground", (0, shade(grass, 0.06)), (1, grass))
    return finish(svg, defs, grass, ground, h + 8, road)


_STREET = (  # sky top, sky low, wall, pavement, road
    ("#c8dff0", "#f3f4ee", "#ddd2c6", "#e9e4da", "#d3d3da"),
    ("#f3dcc8", "#fbf3e2", "#d5cdd2", "#ece2d6", "#d5d2d0"),
    ("#d4daee", "#f5f0f2", "#cfd6cb", "#e4e4e0", "#d6d4dc"),
    ("#cce6e2", "#f6f6e8", "#e0cfc8", "#eae6dc", "#d0d6d6"),
    ("#dcd8ee", "#faeee8", "#cdd3dc", "#e8e0e2", "#d6d1d6"),
)


def street(pitch: str, variant: int) -> Backdrop:
    """A low wall, pavement, kerb and a road with a dashed middle."""
    rng = random.Random(variant)
    h = horizon(pitch, rng)
    top, low, wall, pavement, road = rng.choice(_STREET)
    eye = pitch == "eye level"
    above, defs = sky(rng, top, low, h)
    wall_top, foot = (h - 44, h + 8) if eye else (h - 36, h + 22)
    kerb = foot + (34 if eye else 76)
    cx = rng.uniform(180, 332)
    vanish = h - 40 if eye else -60.0
    lip = 9 if eye else 13
    svg = [
        above,
        ridge(rng, wall_top + 6, h * 0.2, wall_top + 12, mix(low, wall, 0.4), 3),
        band(wall_top, foot, wall),
        band(wall_top - 6, wall_top + 3, shade(wall, -0.45)),
        band(wall_top + 3, wall_top + 6, shade(wall, 0.14)),
        band(foot, kerb, pavement),
        band(foot, foot + 4, shade(pavement, 0.12)),
    ]
    joints = []
    for row in range(3):
        y0 = wall_top + 6 + row * (foot - wall_top - 6) / 3
        y1 = wall_top + 6 + (row + 1) * (foot - wall_top - 6) / 3
        joints.append(f"M0 {n(y1)}H512")
        for k in range(9):
            left = k * 64 + (32 if row % 2 else 0)
            joints.append(f"M{left} {n(y0)}V{n(y1)}")
    svg.append(
        el("path", d="".join(joints), stroke=shade(wall, 0.1), stroke_width=1.5, fill="none")
    )
    slabs = rays(vanish, cx, foot + 4, 130, kerb) + f"M0 {n((foot + kerb) / 2)}H512"
    svg.append(el("path", d=slabs, stroke=shade(pavement, 0.12), stroke_width=1.5, fill="none"))
    svg += [
        band(kerb, kerb + lip, shade(pavement, -0.5)),
        band(kerb + lip, kerb + lip * 1.9, shade(pavement, 0.24)),
        band(kerb + lip * 1.9, SIZE, "url(#bgroad)"),
    ]
    # The dashed middle of the road, in perspective: near edge longer than the far one.
    start = kerb + lip * 1.9
    y, t = start + (SIZE - start) * 0.55, (9.0 if eye else 13.0)
    shift = rng.uniform(-60, 60)
    for k in range(-1, 5):
        x = k * 140 + shift
        dash = ((x, y), (x + 74, y), (x + 78, y + t), (x - 3, y + t))
        svg.append(el("polygon", points=points(*dash), fill=shade(road, -0.6)))
    defs += linear("bgroad", (0, shade(road, 0.06)), (1, shade(road, -0.15)))
    wheels = (start + 14, start + 0.45 * (SIZE - start))
    return finish(svg, defs, road, (foot + 8, NEAR), foot + 4, wheels)


_BEACH = (  # sky top, sky low, sea, sand
    ("#bfe2f2", "#f2f7f0", "#a9d6de", "#f3e3c2"),
    ("#f7d3c2", "#fdf0d8", "#b9cfdc", "#f5e0c6"),
    ("#ccd8f2", "#f6eff0", "#a8c8e0", "#efe4cc"),
    ("#d2ece4", "#fbf8e4", "#a6dccf", "#f6e7bd"),
    ("#ddd3ee", "#fcecec", "#b3c4e2", "#f4dfd0"),
)


def beach(pitch: str, variant: int) -> Backdrop:
    """Sea, foam and sand."""
    rng = random.Random(variant)
    h = horizon(pitch, rng)
    top, low, sea, sand = rng.choice(_BEACH)
    eye = pitch == "eye level"
    above, defs = sky(rng, top, low, h)
    shore = h + (40 if eye else 92)
    svg = [above, band(h, shore + 20, "url(#bgsea)")]
    waves = []
    rows = 3 if eye else 5
    for row in range(rows):
        y = h + (shore - h) * (row + 0.7) / rows
        w = 10 + 8 * row
        for _ in range(5):
            x = rng.uniform(-10, SIZE)
            waves.append(f"M{n(x)} {n(y)}q{n(w / 2)} -4 {n(w)} 0t{n(w)} 0")
    svg.append(
        el(
            "path",
            d="".join(waves),
            fill="none",
            stroke=mix(sea, "#ffffff", 0.6),
            stroke_width=2,
            stroke_linecap="round",
        )
    )
    state = rng.getstate()
    for lift, colour in ((-7, "#fdfdf8"), (0, shade(sand, 0.1)), (10, "url(#bgsand)")):
        rng.setstate(state)  # foam, wet and dry sand share one shoreline
        svg.append(swell(rng, shore + lift, 7 if eye else 14, colour))
    for t in (0.35, 0.66):
        svg.append(
            swell(rng, shore + (SIZE - shore) * t, 8, shade(sand, -0.2 if t < 0.5 else -0.32))
        )
    grains = "".join(
        f"M{n(rng.uniform(0, SIZE))} {n(rng.uniform(shore + 22, SIZE))}h.1" for _ in range(90)
    )
    svg.append(
        el("path", d=grains, stroke=shade(sand, 0.22), stroke_width=2.6, stroke_linecap="round")
    )
    defs += linear("bgsea", (0, shade(sea, 0.08)), (1, shade(sea, -0.3)))
    defs += linear("bgsand", (0, shade(sand, 0.03)), (1, sand))
    far, near = open_ground(pitch, h)
    dry = (max(far, shore + 14), near)
    return finish(svg, defs, sand, dry, shore + 10, None, (h + 0.45 * (shore - h), shore - 6))


_SNOW = (  # sky top, sky low, mountain, snow
    ("#c3d3e8", "#e9eff4", "#b6c5dc", "#e6edf4"),
    ("#d6cde6", "#f4e9ee", "#c2bdd8", "#ebe8f3"),
    ("#bcd9e2", "#e8f4f2", "#b0ccd6", "#e3eff2"),
    ("#f0d6cf", "#fbefe4", "#cdc4d2", "#f0ebf0"),
    ("#cbd0d8", "#edeeee", "#b9c0cb", "#e8ebef"),
)


def snow(pitch: str, variant: int) -> Backdrop:
    """Drifts below mountains, with flakes in the air."""
    rng = random.Random(variant)
    h = horizon(pitch, rng)
    top, low, rock, snow = rng.choice(_SNOW)
    svg = [
        band(0, h + 2, "url(#bgsky)"),
        peaks(rng, h + 2, h * 0.42, mix(rock, low, 0.3), mix(snow, "#ffffff", 0.7)),
        ridge(rng, h + 4, h * 0.14, h + 8, shade(snow, 0.08), 3),
        band(h + 4, SIZE, "url(#bgground)"),
    ]
    for t in (0.14, 0.4, 0.72):
        y = h + (SIZE - h) * t
        svg.append(swell(rng, y, 12, mix(snow, "#c3d2e6", 0.34)))
        svg.append(swell(rng, y + 7, 12, mix(snow, "#ffffff", 0.25)))
    flakes = "".join(
        f"M{n(rng.uniform(0, SIZE))} {n(rng.uniform(0, h * 0.95))}h.1" for _ in range(36)
    )
    svg.append(el("path", d=flakes, stroke="#ffffff", stroke_width=5, stroke_linecap="round"))
    defs = linear("bgsky", (0, top), (1, low)) + linear(
        "bgground", (0, shade(snow, 0.06)), (1, mix(snow, "#ffffff", 0.4))
    )
    ground = open_ground(pitch, h)
    road = _lane_of(ground) if rng.random() < 0.3 else None
    if road:
        svg.append(lane(road[0] - 16, road[1] + 8, "#cfd2da", "#ffffff", "#ecedf2"))
    return finish(svg, defs, snow, ground, h + 12, road)


_ICE = (  # sky top, sky low, mountain, bank, ice
    ("#c9dcee", "#f0f4f2", "#b9c9dc", "#f2f5f6", "#b9dce6"),
    ("#f2d7d2", "#fcf0e4", "#cbbfd2", "#f7f1f2", "#c2d6e8"),
    ("#d2d0ea", "#f4ecf2", "#bdbbd8", "#f1eff6", "#bccfe8"),
    ("#c6e4e2", "#f2f6ea", "#afcdcf", "#eff6f3", "#b2e0dc"),
    ("#f0e2c8", "#fbf6e6", "#c6c9c6", "#f6f4ee", "#bfdbe0"),
)


def frozen_lake(pitch: str, variant: int) -> Backdrop:
    """Smooth ice from the far bank down; it mirrors the mountains."""
    rng = random.Random(variant)
    h = horizon(pitch, rng)
    top, low, rock, bank, ice = rng.choice(_ICE)
    tall = h * 0.4
    state = rng.getstate()
    far = peaks(rng, h, tall, mix(rock, low, 0.25), bank)
    rng.setstate(state)
    mirror = peaks(rng, h, tall, mix(rock, ice, 0.65), mix(bank, ice, 0.5))
    svg = [
        band(0, h + 2, "url(#bgsky)"),
        far,
        band(h, SIZE, "url(#bgice)"),
        group(mirror, transform=f"translate(0 {n(h + h * 0.5)}) scale(1 -0.5)", opacity=0.55),
        ridge(rng, h + 1, 16, h + 5, bank, 4),
    ]
    for _ in range(5):  # sheen: slanting bands of light
        x, w = rng.uniform(-60, 480), rng.uniform(24, 60)
        strip = (
            (x + 120, h + 5),
            (x + 120 + w, h + 5),
            (x + w - 40, SIZE),
            (x - 40 - w * 0.6, SIZE),
        )
        svg.append(el("polygon", points=points(*strip), fill="#ffffff", opacity=0.22))
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
    return finish(svg, defs, ice, open_ground(pitch, h), h + 4)
