"""Letters as strokes: signs need no font file, and every machine draws the same word."""

from __future__ import annotations

from finecaption_synth.art.core import el, n

# Strokes in a cell 4 wide and 6 high, y down.
_GLYPHS: dict[str, str] = {
    "A": "M0 6L2 0L4 6M0.8 4H3.2",
    "B": "M0 0V6H2.6Q4 6 4 4.500T2.600 3H0M2.600 3Q3.700 3 3.700 1.500T2.400 0H0",
    "C": "M4 1Q3.400 0 2.200 0Q0 0 0 3T2.200 6Q3.400 6 4 5",
    "E": "M4 0H0V6H4M0 3H3",
    "F": "M4 0H0V6M0 3H3",
    "I": "M2 0V6",
    "K": "M0 0V6M4 0L0 3.200L4 6",
    "L": "M0 0V6H4",
    "M": "M0 6V0L2 3.500L4 0V6",
    "N": "M0 6V0L4 6V0",
    "O": "M2 0Q4 0 4 3T2 6Q0 6 0 3T2 0Z",
    "P": "M0 6V0H2.500Q4 0 4 1.700T2.500 3.400H0",
    "R": "M0 6V0H2.500Q4 0 4 1.600T2.500 3.200H0M2 3.200L4 6",
    "S": "M4 1Q3.300 0 2 0Q0 0 0 1.500T2 3T4 4.500T2 6Q0.700 6 0 5",
    "T": "M0 0H4M2 0V6",
    "X": "M0 0L4 6M4 0L0 6",
    "Z": "M0 0H4L0 6H4",
}


def lettering(
    word: str, cx: float, cy: float, height: float, colour: str, bold: float = 1.0
) -> str:
    """A word centred on (cx, cy), in local units.

    Args:
        word: capitals that a sign uses; others raise KeyError.
        height: of a capital, in local units.
        bold: stroke width as a multiple of the usual (0.15 of the height).
    """
    s = height / 6
    advance = 5.6
    width = (advance * len(word) - 1.6) * s
    x = cx - width / 2
    out = []
    for letter in word:
        out.append(
            f'<g transform="translate({n(x)} {n(cy - height / 2)}) scale({s:.3f})">'
            + el(
                "path",
                d=_GLYPHS[letter],
                fill="none",
                stroke=colour,
                stroke_width=0.95 * bold,
                stroke_linecap="round",
                stroke_linejoin="round",
            )
            + "</g>"
        )
        x += advance * s
    return "".join(out)


def width_of(word: str, height: float) -> float:
    """Width of the lettered word, in the unit that ``height`` is in."""
    return (5.6 * len(word) - 1.6) * height / 6
