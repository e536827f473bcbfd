"""How large things are drawn: real heights, depth, and a gentle compression.

A thing of H meters is drawn ``UNIT * depth_scale(t) * H ** GAMMA`` pixels high on the 512-pixel
canvas. t is its depth: 0 on the far line of the ground, 1 on the near one, a little below 0 for
buildings and trees behind the far line. Under the exponent a house is 2.3 times as high as a man
and not 3.4 times, a cup a sixth of him and not a fourteenth: the order of sizes stays, and what is
small can still be described. Nothing is drawn lower than LEAST pixels.
"""

from __future__ import annotations

UNIT = 182.0  # pixels of one meter on the near line
GAMMA = 0.7
LEAST = 29.0
_FAR, _SPAN = 0.52, 0.56  # scale on the far line, and how much more on the near one


def depth_scale(t: float) -> float:
    """Scale at depth t, 1.08 on the near line; never under 0.34."""
    return max(0.34, _FAR + _SPAN * t)


def pixels(meters: float, t: float) -> float:
    """Drawn height in pixels of a thing of this height in meters at depth t."""
    return max(LEAST, UNIT * depth_scale(t) * meters**GAMMA)
