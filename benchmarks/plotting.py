"""How the benchmarks' plots look."""

from __future__ import annotations

from typing import Any

GREY, BLUE, ORANGE = "#8a8a8a", "#1f5fa8", "#c8600a"


def open_pyplot() -> Any:
    """matplotlib.pyplot, drawing to files alone: without frames, the same bytes every time."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {"svg.hashsalt": "finecaption", "font.size": 10, "axes.spines.top": False,
         "axes.spines.right": False}
    )  # fmt: skip
    from matplotlib import pyplot

    return pyplot
