"""Colors, lines and rods that small things share."""

from __future__ import annotations

from finecaption_synth.art.core import Look
from finecaption_synth.art.paint import INK, rgb, shade, stroke_line

Point = tuple[float, float]


LINE = 2.6  # width of outlines


HANDLE = "#b98d5e"  # bare wood of handles, the same on all


PAPER = "#fbf5e6"


MOTION = "#6f7590"  # lines that show movement: readable on every pale ground


def dark(colour: str) -> bool:
    return sum(rgb(colour)) < 200


def line_color(colour: str) -> str:
    """A line colour that shows on the surface itself."""
    return shade(colour, -0.35) if dark(colour) else shade(colour, 0.42)


def stroke(d: str, colour: str = INK, width: float = LINE, **kw: object) -> str:
    return stroke_line(d, colour, width, **kw)


def tube(d: str, colour: str, width: float) -> str:
    """An outlined rod along a path."""
    return stroke(d, INK, width + 2 * LINE - 0.6) + stroke(d, colour, width)


def in_hand(look: Look) -> bool:
    """Whether an umbrella with this look is drawn as it is held in a hand.

    Else an open one lies on the ground, and a folded one leans, its tip on the ground.
    """
    return look.variant % 2 == 1
