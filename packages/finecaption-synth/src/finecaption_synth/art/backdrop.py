"""What every backdrop is made of: sky, hills, mountains, ground lines and floors in perspective."""

from __future__ import annotations

import random
from dataclasses import dataclass

from finecaption_synth.art.core import el, n, points
from finecaption_synth.art.paint import linear, mix

SIZE = 512
# Range of the horizon's y, and how far below it the farthest feet stand, by pitch.
HORIZON = {"eye level": (228.0, 316.0), "from above": (96.0, 168.0)}
_SETBACK = {"eye level": 38.0, "from above": 72.0}
NEAR = 494.0  # y of the nearest feet
# The same of a room: y of the wall's foot.
WALL = {"eye level": (262.0, 330.0), "from above": (118.0, 178.0)}
_STEP = {"eye level": 20.0, "from above": 44.0}


@dataclass(frozen=True)
class Backdrop:
    """An opaque picture of an empty place on a 512 x 512 canvas.

    Attributes:
        svg: elements, in canvas pixels.
        defs: gradients and patterns; every id begins with "bg".
        ground: (y_far, y_near) in canvas pixels: where feet can stand.
        limit: y of the farthest ground on which buildings and trees can stand.
        road: (y_far, y_near) of where wheels can stand; None: no road.
        water: (y_far, y_near) of where boats can float; None: no water.
    """

    svg: str
    defs: str
    ground: tuple[float, float]
    limit: float
    road: tuple[float, float] | None = None
    water: tuple[float, float] | None = None


def horizon(pitch: str, rng: random.Random) -> float:
    """y of a horizon: one of many places, as photographers hold their cameras."""
    return rng.uniform(*HORIZON[pitch])


def band(y0: float, y1: float, fill: str) -> str:
    return el("rect", x=0, y=y0, width=SIZE, height=y1 - y0, fill=fill)


def finish(
    svg: list[str],
    defs: str,
    under: str,
    ground: tuple[float, float],
    limit: float,
    road: tuple[float, float] | None = None,
    water: tuple[float, float] | None = None,
) -> Backdrop:
    """The backdrop of these elements, on a sheet of colour that closes the seams between them."""
    return Backdrop(band(0, SIZE, under) + "".join(svg), defs, ground, limit, road, water)


def open_ground(pitch: str, h: float) -> tuple[float, float]:
    """Where feet stand below a horizon at y = h."""
    return h + _SETBACK[pitch], NEAR


def room_ground(pitch: str, base: float) -> tuple[float, float]:
    """Where feet stand in a room whose wall ends at y = base."""
    return base + _STEP[pitch], NEAR


def _cloud(x: float, y: float, s: float, colour: str) -> str:
    d = (
        f"M{n(x - 46 * s)} {n(y)}q{n(-8 * s)} {n(-20 * s)} {n(16 * s)} {n(-20 * s)}"
        f"q{n(8 * s)} {n(-22 * s)} {n(32 * s)} {n(-12 * s)}q{n(22 * s)} {n(-10 * s)} {n(28 * s)} "
        f"{n(12 * s)}q{n(22 * s)} 0 {n(18 * s)} {n(20 * s)}z"
    )
    return el("path", d=d, fill=colour)


def sky(rng: random.Random, top: str, low: str, horizon: float) -> tuple[str, str]:
    """Sky down to the horizon with a few clouds, and the gradient that it needs."""
    out = [band(0, horizon + 2, "url(#bgsky)")]
    count = 3 if horizon > 200 else 2
    for i in range(count):
        x = SIZE * (i + rng.uniform(0.2, 0.8)) / count
        y = rng.uniform(0.22, 0.55) * horizon
        out.append(
            _cloud(x, y, rng.uniform(0.6, 1.1) * (0.6 + horizon / 750), mix(low, "#ffffff", 0.75))
        )
    return "".join(out), linear("bgsky", (0, top), (1, low))


def ridge(
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


def peaks(rng: random.Random, y: float, rise: float, colour: str, cap: str) -> str:
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


def tufts(rng: random.Random, y0: float, count: int, colour: str) -> str:
    """Blades of grass in threes, larger nearby."""
    d = []
    for i in range(count):
        y = y0 + (SIZE - y0) * ((i + rng.random()) / count) ** 1.3
        s = 2.5 + 7 * (y - y0) / (SIZE - y0)
        x = rng.uniform(0, SIZE)
        d.append(
            f"M{n(x)} {n(y)}q{n(-s * 0.2)} {n(-s * 0.7)} {n(-s * 0.8)} {n(-s)}"
            f"M{n(x)} {n(y)}v{n(-s * 1.3)}"
            f"M{n(x)} {n(y)}q{n(s * 0.2)} {n(-s * 0.7)} {n(s * 0.8)} {n(-s)}"
        )
    return el(
        "path", d="".join(d), fill="none", stroke=colour, stroke_width=2, stroke_linecap="round"
    )


def swell(rng: random.Random, y: float, amp: float, colour: str) -> str:
    """Ground from a gently waving line at y down to the bottom of the canvas."""
    a, b = rng.uniform(-amp, amp), rng.uniform(-amp, amp)
    d = (
        f"M0 {n(y + a)}C130 {n(y - b)} 200 {n(y + a + b)} 300 {n(y)}"
        f"S440 {n(y - a)} 512 {n(y + b)}V512H0Z"
    )
    return el("path", d=d, fill=colour)


def wall_base(pitch: str, rng: random.Random) -> tuple[float, float]:
    """y of a room's wall foot and y of the point to which its floor lines run."""
    base = rng.uniform(*WALL[pitch])
    return base, base - (100.0 if pitch == "eye level" else 266.0)


def lane(y0: float, y1: float, colour: str, edge: str, dashes: str) -> str:
    """A road across the canvas from y0 down to y1, with a dashed middle."""
    mid, t = (y0 + y1) / 2, max(2.0, (y1 - y0) * 0.07)
    marks = "".join(f"M{k * 96 + 20} {n(mid)}h52" for k in range(6))
    return (
        band(y0 - 3, y1 + 4, edge)
        + band(y0, y1, colour)
        + el("path", d=marks, fill="none", stroke=dashes, stroke_width=t)
    )


def depths(vanish: float, y0: float, ratio: float) -> list[float]:
    """y of equally deep rows from the near edge of the canvas to y0, near first."""
    out: list[float] = []
    k = 1
    while True:
        y = vanish + (SIZE - vanish) / (1 + k * ratio)
        if y <= y0 + 1.5:
            return out
        out.append(y)
        k += 1


def rays(vanish: float, cx: float, y0: float, step: float, y1: float = SIZE) -> str:
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


def checks(vanish: float, cx: float, y0: float, step: float, ratio: float) -> str:
    """Path data of every other square of a tiled floor."""
    ys = [float(SIZE), *depths(vanish, y0, ratio), y0]
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
