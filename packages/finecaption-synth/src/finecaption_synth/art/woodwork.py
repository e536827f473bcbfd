"""Outlined boards and panels, of which furniture is made."""

from __future__ import annotations

from finecaption_synth.art.core import Look, el, points
from finecaption_synth.art.paint import INK

Point = tuple[float, float]

LINE = {"stroke": INK, "stroke_width": 2.4, "stroke_linejoin": "round"}
EDGE = 1.2  # half an outline


def rect(x0: float, y0: float, x1: float, y1: float, fill: str, rx: float = 0) -> str:
    """An outlined rectangle between two corners."""
    return el("rect", x=x0, y=y0, width=x1 - x0, height=y1 - y0, rx=rx or None, fill=fill, **LINE)


def poly(fill: str, *xy: Point) -> str:
    """An outlined polygon."""
    return el("polygon", points=points(*xy), fill=fill, **LINE)


def above(look: Look) -> bool:
    """Whether the camera looks down, so that tops show."""
    return look.pitch == "from above"
