"""Legs of people: how they stand, walk and sit, trousers, laps and shoes."""

from __future__ import annotations

from finecaption_synth.art.clothes import Frame, Outfit, along
from finecaption_synth.art.core import Look
from finecaption_synth.art.paint import INK, shade
from finecaption_synth.art.pen import Pen, Point, symmetric


def _stance(f: Frame, look: Look) -> list[tuple[Point, Point, Point, float]]:
    """(hip, knee, ankle, turn of the foot) of each leg, the farther one first."""
    low = -8.0
    if f.sitting:
        if f.side:
            k = f.knee
            return [((0, f.hip), (k * 0.98, f.hip + 1), (k * 1.04, low), 0)] * 2
        out = []
        for s in (-1, 1):
            knee = (s * f.knees, f.hip + 12)
            out.append(((s * f.hw * 0.5, f.hip), knee, (s * f.knees * 0.97, low), 0.0))
        return out
    h, k = f.hip, f.hip * 0.5
    if look.pose == "walking":
        g = f.leg
        if f.side:
            return [
                ((0, h), (-g * 0.06, k), (-g * 0.42, low - g * 0.16), 38.0),
                ((0, h), (g * 0.24, k), (g * 0.36, low - 2), -10.0),
            ]
        up = g * 0.2
        return [
            ((f.hw * 0.5, h), (f.hw * 0.85, k), (f.hw * 0.7, low - up), -16.0),
            ((-f.hw * 0.48, h), (-f.hw * 0.6, k), (-f.hw * 0.72, low), 0.0),
        ]
    if f.side:
        return [
            ((0, h), (f.lw * 0.25, k), (f.lw * 0.22, low), 0.0),
            ((0, h), (-f.lw * 0.1, k), (-f.lw * 0.14, low), 0.0),
        ]
    return [
        ((s * f.hw * 0.5, h), (s * f.hw * 0.52, k), (s * f.hw * 0.54, low), 0.0) for s in (-1, 1)
    ]


def draw_legs(pen: Pen, f: Frame, o: Outfit, look: Look) -> None:
    """Both legs with shoes; the garment over them comes later."""
    for i, (hip, knee, ankle, turn) in enumerate(_stance(f, look)):
        skin = shade(o.skin, 0.14) if f.side and i == 0 else o.skin
        fill = skin if o.legs == o.skin else shade(o.legs, 0.12) if f.side and i == 0 else o.legs
        line = o.line if o.legs not in (o.skin, "#5a5360") else INK
        if o.shoes != "boots":
            pen.limb([knee, (ankle[0], ankle[1] - 2)], f.lw * 0.72, skin)
        trouser = fill != skin
        end = along(knee, ankle, (0.7 if o.shoes == "sandals" else 0.84) if trouser else 0.88)
        joint = [knee, end] if f.sitting else [hip, knee, end]
        pen.limb(joint, f.lw if trouser else f.lw * 0.82, fill, line)
        _shoe(pen, f, o, knee, ankle, turn, skin)
        if o.garment == "t-shirt and shorts" and not f.sitting:
            wide = f.lw * (1.55 if f.female else 1.25)
            pen.slab(hip, along(hip, knee, 0.97), (f.lw * 1.2, wide), o.deep, o.line)
        if f.female and o.garment == "overalls" and not f.sitting and o.shoes != "boots":
            pen.slab(knee, along(knee, end, 0.92), (f.lw, f.lw * 1.7), fill, line)


def _shoe(pen: Pen, f: Frame, o: Outfit, knee: Point, ankle: Point, turn: float, skin: str) -> None:
    k = 0.8 if f.child else 1.0
    a, h = (14.5 * k, 15 * k)
    dome: str
    if f.side:
        dome = (
            f"M {-a} 8 L {-a} {8 - h} L {a * 0.6} {8 - h} Q {a * 0.8} {8 - h * 0.75} "
            f"{a * 1.5} {8 - h * 0.65} Q {a * 2.15} {8 - h * 0.5} {a * 2.05} 8 "
            "Z"
        )
        sole = f"M {-a} 6.2 L {a * 2.05} 6.2"
    else:
        dome = (
            f"M {-a} 8 Q {-a * 1.05} {8 - h * 1.25} 0 {8 - h * 1.25} Q {a * 1.05} "
            f"{8 - h * 1.25} {a} 8 Z"
        )
        sole = f"M {-a * 0.9} 6.2 L {a * 0.9} 6.2"
    if o.shoes == "boots":
        leather, light = "#5f3f2c", "#94683f"
        top = along(ankle, knee, 0.72 if not f.sitting else 0.55)
        pen.slab(top, ankle, (f.lw * 1.12, f.lw * 1.05), leather, INK)
        pen.slab(
            along(top, ankle, -0.05), along(top, ankle, 0.24), (f.lw * 1.3, f.lw * 1.3), light, INK
        )
        with pen.group(*ankle, turn):
            pen.path(dome, leather)
            pen.line(sole, "#2c2023", 5)
        return
    with pen.group(*ankle, turn):
        if o.shoes == "sneakers":
            pen.path(dome, "#fbfaf6")
            pen.line(sole, "#c8c4c0", 4.4)
            y = 8 - h * 0.62
            if f.side:
                pen.line(f"M {-a * 0.4} {y + 4} L {a * 0.7} {y - 1}", "#56627a", 4)
            elif not f.back:
                for i in (0, 5):
                    pen.line(f"M {-a * 0.4} {y + i - 2} L {a * 0.4} {y + i - 2}", "#56627a", 2.6)
            else:
                pen.line(f"M 0 {y - 5} L 0 {y + 4}", "#56627a", 4.5)
            return
        strap = "#4f2f22" if o.skin > "#c" else "#e0b06c"
        pen.path(dome, skin)
        pen.line(sole, strap, 4.4)
        y = 8 - h
        if f.side:
            pen.line(
                f"M {-a * 0.7} {y} L {a * 0.4} {y} M {a * 0.8} 5 L {a * 1.4} {y + 6}", strap, 4
            )
        else:
            pen.line(
                f"M {-a * 0.6} {y - 2} L {a * 0.6} {y - 2} M {-a * 0.7} {y + 9} Q 0 {y} "
                f"{a * 0.7} {y + 9}",
                strap,
                4,
            )


def draw_lap(pen: Pen, f: Frame, o: Outfit) -> None:
    """Thighs, skirt or coat tails of someone sitting."""
    skirted = o.garment in ("coat", "dress") or (f.female and o.garment == "striped sweater")
    fill = o.deep if o.garment in ("striped sweater", "t-shirt and shorts") else o.main
    trim = o.trim if o.garment == "dress" else None
    h = f.hip
    if f.side:
        k = f.knee
        t = f.lw * 0.6
        if skirted and (f.female or o.garment != "coat"):
            pen.path(
                f"M {-f.depth} {h - 12} Q {-f.depth - 6} {h + t} {-f.depth * 0.6} {h + t + 3} "
                f"L {k * 0.8} {h + t + 14} L {k + t + 4} {h + t + 10} Q {k + t + 4} {h - t} "
                f"{k} {h - t - 3} L {f.depth} {h - 16} Z",
                fill,
                o.line,
            )
            if trim:
                pen.line(f"M {k * 0.8} {h + t + 9} L {k + t + 3} {h + t + 5}", trim, 4)
            return
        bare = o.garment == "t-shirt and shorts"
        if bare:
            pen.limb([(0, h), (k * 0.98, h + 1)], f.lw * 0.95, o.skin)
        cloth = o.legs if o.garment == "coat" else fill
        end, u = (k * 0.7, t * 1.08) if bare else (k + t * 0.7, t)
        pen.path(
            f"M {-f.depth} {h - 12} Q {-f.depth - 3} {h + t} {-f.depth * 0.5} {h + t} "
            f"L {end} {h + u} Q {end + (3 if bare else t * 0.5)} {h} {end} {h - u} "
            f"L {f.depth * 0.9} {h - t - 3} L {f.depth} {h - 14} Z",
            cloth,
            o.line,
        )
        if o.garment == "coat":  # its tail, over the seat and half of the thigh
            pen.path(
                f"M {-f.depth} {h - 14} Q {-f.depth - 8} {h + t} {-f.depth * 0.9} {h + t + 16} "
                f"L {k * 0.3} {h + t + 12} L {k * 0.46} {h - t - 2} L {f.depth} {h - 16} "
                "Z",
                fill,
                o.line,
            )
        return
    if f.back:
        wide = f.hw * (1.38 if skirted else 1.25)
        low = h + (22 if skirted else 15)
        pen.path(
            symmetric(
                (0, h - 14), ((wide, h - 16), (wide, low - 9)), ((wide * 0.9, low), (0, low - 2))
            ),
            fill,
            o.line,
        )
        return
    if skirted and (f.female or o.garment != "coat"):
        _skirt_over_knees(pen, f, o, fill, trim)
        return
    _thighs(pen, f, o, fill)


def _skirt_over_knees(pen: Pen, f: Frame, o: Outfit, fill: str, trim: str | None) -> None:
    """A skirt drawn tight over two knees that come forward."""
    h, x, r = f.hip, f.knees, f.lw * 0.72
    w, hem = x + r + 5, h + (21 if f.child else 31)
    pen.path(
        symmetric(
            (0, h - 16),
            ((f.hw * 0.95, h - 18), (w, h - 8)),
            ((w + 3, h + 8), (w + 6, hem - 1)),
            ((x, hem + 4), (0, hem + 2)),
        ),
        fill,
        o.line,
    )
    for s in (-1, 1):
        pen.path(
            f"M {s * (x - r)} {h + 12} Q {s * (x - r)} {h - 5} {s * x} {h - 5} "
            f"Q {s * (x + r)} {h - 5} {s * (x + r)} {h + 12}",
            "none",
            o.line,
            2.4,
        )
    if trim:
        pen.line(
            f"M {-w - 3} {hem - 6} Q {-x} {hem - 1} 0 {hem - 3} Q {x} {hem - 1} {w + 3} {hem - 6}",
            trim,
            4,
        )


def _thighs(pen: Pen, f: Frame, o: Outfit, fill: str) -> None:
    """Two thighs that come forward and end in round knees, in perspective."""
    h, x, r = f.hip, f.knees, f.lw * 0.66
    bare = o.garment == "t-shirt and shorts"
    cloth = o.legs if o.garment == "coat" else fill
    for s in (-1, 1):
        inner, outer = max(2.0, x - r), x + r
        shape = (
            f"M {s * inner * 0.4} {h - 8} L {s * max(f.hw * 0.98, x + 4)} {h - 12} "
            f"Q {s * (outer + 2)} {h - 4} {s * (outer + 1)} {h + 12} Q {s * outer} "
            f"{h + 13 + r} {s * x} {h + 13 + r} Q {s * inner} {h + 13 + r} {s * inner} "
            f"{h + 10} Z"
        )
        pen.path(shape, o.skin if bare else cloth, INK if bare else o.line)
        pen.line(
            f"M {s * (x - r * 0.5)} {h + 8} Q {s * x} {h + 1} {s * (x + r * 0.5)} {h + 8}",
            o.line if not bare else shade(o.skin, 0.38),
            2.2,
        )
        if bare:
            pen.path(
                f"M {s * inner * 0.4} {h - 8} L {s * max(f.hw, x + 4)} {h - 13} Q "
                f"{s * (outer + 4)} {h - 4} {s * (outer + 4)} {h + 3} Q {s * x} {h + 8} "
                f"{s * (inner - 2)} {h + 4} Z",
                fill,
                o.line,
            )
        if o.garment == "coat":  # the tails fall to both sides
            pen.path(
                f"M {s * f.hw * 0.5} {h - 14} L {s * (f.hw + 1)} {h - 16} Q {s * (outer + 9)} "
                f"{h} {s * (outer + 8)} {h + 30} L {s * (outer - 5)} {h + 26} Q "
                f"{s * (outer - 6)} {h} {s * f.hw * 0.5} {h - 14} Z",
                o.main,
                o.line,
            )
