"""A pen that writes outlined shapes as SVG and keeps the extent of what it drew."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from finecaption_synth.art.core import attrs
from finecaption_synth.art.paint import INK

LINE = 2.6  # outline width, local units; the outermost group states it once
Point = tuple[float, float]
Tokens = Sequence["str | float"]  # path commands M L Q C Z and absolute coordinates


def symmetric(start: Point, *segments: Sequence[Point]) -> list[str | float]:
    """A closed path from its right half, mirrored at x = 0.

    Args:
        start: first point, on the axis or right of it.
        segments: each one to three points: the end of a line, a quadratic (control, end) or a
            cubic (two controls, end).

    Returns:
        Path tokens: down the right half, then back up its mirror image.
    """
    command = {1: "L", 2: "Q", 3: "C"}
    tokens: list[str | float] = ["M", *start]
    ends = [start]
    for seg in segments:
        tokens.append(command[len(seg)])
        tokens += [v for p in seg for v in p]
        ends.append(seg[-1])
    tokens += ["L", -ends[-1][0], ends[-1][1]]
    for i in range(len(segments) - 1, -1, -1):
        back = [*segments[i][:-1][::-1], ends[i]]
        tokens.append(command[len(back)])
        tokens += [v for x, y in back for v in (-x, y)]
    return [*tokens, "Z"]


def scallops(
    cx: float, cy: float, rx: float, ry: float, count: int, bump: float = 1.25
) -> list[str | float]:
    """A closed cloud around an ellipse: count bulges that reach bump times its radii."""
    tokens: list[str | float] = ["M", cx + rx, cy]
    for i in range(count):
        mid, end = (i + 0.5) * math.tau / count, (i + 1) * math.tau / count
        reach = 2 * bump - math.cos(math.pi / count)
        tokens += ["Q", cx + rx * reach * math.cos(mid), cy + ry * reach * math.sin(mid)]
        tokens += [cx + rx * math.cos(end), cy + ry * math.sin(end)]
    return [*tokens, "Z"]


def tokens_of(text: str) -> list[str | float]:
    """The tokens of a path written as text, such as "M 0 1 Q 2 3 4 5 Z", blanks between all."""
    return [t if t in "MLQCZ" else float(t) for t in text.split()]


def scaled(text: str, x: float, y: float) -> list[str | float]:
    """The tokens of a path whose text is in units of x across and y down, as hair is of a head."""
    out: list[str | float] = []
    factor, other = x, y
    for t in tokens_of(text):
        if isinstance(t, str):
            factor, other = x, y
            out.append(t)
        else:
            out.append(t * factor)
            factor, other = other, factor
    return out


def _num(value: float) -> str:
    text = f"{value:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text


def _write(tokens: Tokens) -> str:
    out, previous = "", True
    for t in tokens:
        if isinstance(t, str):
            out, previous = out + t, True
        else:
            out, previous = out + ("" if previous else " ") + _num(t), False
    return out


def _samples(tokens: Tokens) -> list[Point]:
    """Points on the path, dense enough for its extent to half a unit."""
    out: list[Point] = []
    sizes = {"M": 1, "L": 1, "Q": 2, "C": 3, "Z": 0}
    i = 0
    while i < len(tokens):
        command = str(tokens[i])
        k = sizes[command]
        flat = [float(v) for v in tokens[i + 1 : i + 1 + 2 * k]]
        pts = list(zip(flat[::2], flat[1::2], strict=True))
        i += 1 + 2 * k
        if k < 2:
            out += pts
            continue
        control = [out[-1], *pts]
        for step in range(1, 9):
            level, t = control, step / 8
            while len(level) > 1:
                level = [
                    (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t)
                    for a, b in zip(level, level[1:], strict=False)
                ]
            out.append(level[0])
    return out


class Pen:
    """Collects SVG elements; ``box`` is the extent of the matter drawn so far."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.box: tuple[float, float, float, float] = (math.inf, math.inf, -math.inf, -math.inf)
        self._matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
        self._light = 0

    def at(self, x: float, y: float) -> Point:
        """Where a point of the current group lies in the outermost coordinates."""
        a, b, c, d, e, f = self._matrix
        return a * x + c * y + e, b * x + d * y + f

    def _grow(self, pts: Sequence[Point], margin: float) -> None:
        if self._light:
            return
        x0, y0, x1, y1 = self.box
        for x, y in (self.at(*p) for p in pts):
            x0, y0 = min(x0, x - margin), min(y0, y - margin)
            x1, y1 = max(x1, x + margin), max(y1, y + margin)
        self.box = (x0, y0, x1, y1)

    def path(
        self,
        tokens: Tokens | str,
        fill: str,
        stroke: str | None = INK,
        width: float = LINE,
        **kw: object,
    ) -> None:
        """One path, tokens or their text, outlined unless stroke is None; records its extent."""
        if isinstance(tokens, str):
            tokens = tokens_of(tokens)
        self._grow(_samples(tokens), width / 2 if stroke else 0)
        w = None if width == LINE or not stroke else width
        self.out.append(
            f"<path {attrs(d=_write(tokens), fill=fill, stroke=stroke, stroke_width=w, **kw)}/>"
        )

    def line(self, tokens: Tokens | str, stroke: str, width: float) -> None:
        """One open stroke without a fill."""
        self.path(tokens, "none", stroke, width)

    def ellipse(
        self,
        cx: float,
        cy: float,
        rx: float,
        ry: float,
        fill: str,
        stroke: str | None = INK,
        **kw: object,
    ) -> None:
        """One ellipse, outlined unless stroke is None; its extent is recorded."""
        m = LINE / 2 if stroke else 0
        turn = [i * math.tau / 16 for i in range(16)]
        self._grow([(cx + rx * math.cos(t), cy + ry * math.sin(t)) for t in turn], m)
        r = {"cx": round(cx, 1), "cy": round(cy, 1), "rx": round(rx, 1), "ry": round(ry, 1)}
        self.out.append(f"<ellipse {attrs(**r, fill=fill, stroke=stroke, **kw)}/>")

    def limb(self, pts: Sequence[Point], width: float, fill: str, line: str = INK) -> None:
        """A rounded tube of the given full width along the points, with an outline."""
        tokens: list[str | float] = []
        for i, p in enumerate(pts):
            tokens += ["L" if i else "M", *p]
        self.path(tokens, "none", line, width + LINE)
        self.path(tokens, "none", fill, max(1.0, width - LINE))

    def slab(self, a: Point, b: Point, wide: tuple[float, float], fill: str, line: str) -> None:
        """A flat-ended tube from a to b with the full widths wide[0] and wide[1] there."""
        dx, dy = b[0] - a[0], b[1] - a[1]
        size = math.hypot(dx, dy) or 1.0
        ux, uy = -dy / size / 2, dx / size / 2
        (p, q) = wide
        self.path(["M", a[0] + ux * p, a[1] + uy * p, "L", b[0] + ux * q, b[1] + uy * q,
                   "L", b[0] - ux * q, b[1] - uy * q, "L", a[0] - ux * p, a[1] - uy * p, "Z"],
                  fill, line)  # fmt: skip

    @contextmanager
    def group(self, x: float = 0, y: float = 0, turn: float = 0, **kw: object) -> Iterator[None]:
        """Everything drawn inside is moved by (x, y), after a turn in degrees about (0, 0)."""
        before = self._matrix
        c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        a, b, cc, d, e, f = before
        nx, ny = self.at(x, y)
        self._matrix = (a * c + cc * s, b * c + d * s, cc * c - a * s, d * c - b * s, nx, ny)
        moves = f"translate({_num(x)} {_num(y)})" if x or y else ""
        moves += f" rotate({_num(turn)})" if turn else ""
        self._light += kw.get("class_") == "fx"
        self.out.append(f"<g {attrs(transform=moves.strip() or None, **kw)}>")
        yield
        self.out.append("</g>")
        self._light -= kw.get("class_") == "fx"
        self._matrix = before
