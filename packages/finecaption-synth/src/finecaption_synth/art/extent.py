"""The exact box of drawn matter, from the SVG itself: curves flattened, strokes added."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from xml.etree import ElementTree

Matrix = tuple[float, float, float, float, float, float]
Point = tuple[float, float]

_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?")
_TOKEN = re.compile(r"[A-Za-z]|-?(?:\d+\.?\d*|\.\d+)")
_TRANSFORM = re.compile(r"(\w+)\(([^)]*)\)")
_STEPS = tuple(i / 8 for i in range(1, 9))


def _times(a: Matrix, b: Matrix) -> Matrix:
    return (
        a[0] * b[0] + a[2] * b[1],
        a[1] * b[0] + a[3] * b[1],
        a[0] * b[2] + a[2] * b[3],
        a[1] * b[2] + a[3] * b[3],
        a[0] * b[4] + a[2] * b[5] + a[4],
        a[1] * b[4] + a[3] * b[5] + a[5],
    )


def _matrix(text: str | None, m: Matrix) -> Matrix:
    for name, inner in _TRANSFORM.findall(text or ""):
        v = [float(x) for x in _NUMBER.findall(inner)]
        if name == "translate":
            m = _times(m, (1, 0, 0, 1, v[0], v[1] if len(v) > 1 else 0))
        elif name == "scale":
            m = _times(m, (v[0], 0, 0, v[-1], 0, 0))
        elif name == "rotate":
            a = math.radians(v[0])
            cx, cy = (v[1], v[2]) if len(v) == 3 else (0.0, 0.0)
            c, s = math.cos(a), math.sin(a)
            m = _times(m, (c, s, -s, c, cx - c * cx + s * cy, cy - s * cx - c * cy))
        else:
            raise ValueError(f"transform {name!r} in a drawing: use translate, scale or rotate")
    return m


def _path(d: str) -> Iterator[Point]:
    tokens = _TOKEN.findall(d)
    i, command = 0, ""
    x = y = cx = cy = 0.0
    while i < len(tokens):
        if tokens[i].isalpha():
            command = tokens[i]
            i += 1
            if command == "Z":
                continue
        size = {"M": 2, "L": 2, "T": 2, "H": 1, "V": 1, "Q": 4, "C": 6}.get(command)
        if size is None:
            raise ValueError(f"path command {command!r} in a drawing: use M L H V Q T C Z")
        v = [float(t) for t in tokens[i : i + size]]
        i += size
        if command in "HV":
            v = [v[0], y] if command == "H" else [x, v[0]]
        if command == "T":
            v = [2 * x - cx, 2 * y - cy, *v]
        ex, ey = v[-2:]
        if len(v) == 4:
            cx, cy = v[:2]
            for t in _STEPS:
                a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
                yield a * x + b * cx + c * ex, a * y + b * cy + c * ey
        elif len(v) == 6:
            for t in _STEPS:
                a, b, c, e = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
                yield (
                    a * x + b * v[0] + c * v[2] + e * ex,
                    a * y + b * v[1] + c * v[3] + e * ey,
                )
        else:
            yield ex, ey
        x, y = ex, ey


def _outline(node: ElementTree.Element) -> Iterator[Point]:
    g = node.attrib.get
    if node.tag == "path":
        yield from _path(g("d", ""))
    elif node.tag in ("circle", "ellipse"):
        cx, cy = float(g("cx", "0")), float(g("cy", "0"))
        rx, ry = float(g("rx", g("r", "0"))), float(g("ry", g("r", "0")))
        for k in range(24):
            a = math.tau * k / 24
            yield cx + rx * math.cos(a), cy + ry * math.sin(a)
    elif node.tag == "rect":
        x, y = float(g("x", "0")), float(g("y", "0"))
        w, h = float(g("width", "0")), float(g("height", "0"))
        yield from ((x, y), (x + w, y), (x, y + h), (x + w, y + h))
    elif node.tag in ("polygon", "polyline"):
        v = [float(t) for t in _NUMBER.findall(g("points", ""))]
        yield from zip(v[::2], v[1::2], strict=True)
    elif node.tag == "line":
        yield float(g("x1", "0")), float(g("y1", "0"))
        yield float(g("x2", "0")), float(g("y2", "0"))


def extent(svg: str) -> tuple[float, float, float, float]:
    """The box of everything in the drawing that is matter.

    Light (``class="fx"``) and elements with a clip path (taken to lie on others) do not count.
    Paths use absolute M L H V Q T C Z. Precise to about a unit.

    Returns:
        (x0, y0, x1, y1) in the drawing's own units.

    Raises:
        ValueError: no matter in it, or a path command or transform that is not known here.
    """
    boxes: list[tuple[float, float, float, float]] = []

    def visit(node: ElementTree.Element, m: Matrix, fill: str, stroke: str, width: float) -> None:
        g = node.attrib.get
        if g("class") == "fx" or g("clip-path"):
            return
        m = _matrix(g("transform"), m)
        fill, stroke = g("fill", fill), g("stroke", stroke)
        width = float(g("stroke-width", str(width)))
        if node.tag in ("g", "svg"):
            for child in node:
                visit(child, m, fill, stroke, width)
            return
        if fill == "none" and stroke == "none":
            return
        spots = [
            (m[0] * x + m[2] * y + m[4], m[1] * x + m[3] * y + m[5]) for x, y in _outline(node)
        ]
        if not spots:
            return
        pad = 0.0 if stroke == "none" else width / 2 * math.sqrt(abs(m[0] * m[3] - m[1] * m[2]))
        xs, ys = [p[0] for p in spots], [p[1] for p in spots]
        boxes.append((min(xs) - pad, min(ys) - pad, max(xs) + pad, max(ys) + pad))

    visit(ElementTree.fromstring(f"<svg>{svg}</svg>"), (1, 0, 0, 1, 0, 0), "black", "none", 1.0)
    if not boxes:
        raise ValueError("the drawing has no matter: every element is light")
    return (
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    )
