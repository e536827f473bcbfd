"""Signs: a post, a board and a word."""

from __future__ import annotations

from collections.abc import Callable

from finecaption_synth.art.core import Drawing, Look, el, points
from finecaption_synth.art.lettering import lettering, width_of
from finecaption_synth.art.paint import HEX, INK, paint, shade

_LINE = {"stroke": INK, "stroke_width": 2.4, "stroke_linejoin": "round"}
_PANEL = "#fff8ea"
_TOP = -176.0
_CRACKS = {  # polylines by shape; kept off the panel so that the word stays legible
    "square": (
        ((-40, -174), (-26, -160), (-44, -154), (-18, -143), (-26, -130)),
        ((44, -65), (26, -76), (46, -84), (20, -95), (28, -104)),
        ((64, -170), (40, -162), (48, -150), (18, -141), (22, -132)),
        ((-64, -76), (-46, -80), (-48, -90), (-26, -94), (-28, -102)),
    ),
    "round": (
        ((-32, -164), (-18, -156), (-34, -148), (-8, -139), (-16, -128)),
        ((34, -57), (18, -68), (36, -77), (12, -86), (20, -95)),
        ((34, -163), (20, -154), (40, -146), (18, -137), (24, -128)),
        ((-38, -60), (-26, -70), (-36, -78), (-14, -84), (-20, -93)),
    ),
    "triangular": (
        ((22, -140), (2, -132), (18, -121), (-14, -111), (8, -99), (-6, -84)),
        ((-46, -102), (-28, -102), (-38, -91), (-20, -84)),
        ((50, -96), (32, -99), (40, -89), (22, -84)),
    ),
}


def _board(shape: str | None, grow: float) -> tuple[str, dict[str, object]]:
    """Tag and geometry of the board, larger by grow on every side."""
    g = grow
    if shape == "round":
        return "circle", {"cx": 0, "cy": _TOP + 66.2, "r": 65 + g}
    if shape == "triangular":
        corners = ((0, _TOP + 1.2 - 2 * g), (84 + 1.8 * g, -48 + g), (-84 - 1.8 * g, -48 + g))
        return "polygon", {"points": points(*corners)}
    return "rect", {
        "x": -66 - g,
        "y": _TOP + 1.2 - g,
        "width": 132 + 2 * g,
        "height": 112 + 2 * g,
        "rx": 3,
    }


def sign(look: Look) -> Drawing:
    """A road sign: the word stands on a plain panel across the board; cracked or clean."""
    shape = look.shape if look.shape in _CRACKS else "square"
    fill, defs = paint(look.material, look.colour, f"{look.uid}m", look.scale)
    dark = shade(HEX[look.colour], 0.25)
    above = look.pitch == "from above"
    ry = 11 if above else 6
    out = [
        el("ellipse", cx=0, cy=-ry - 1.2, rx=30, ry=ry, fill=fill, **_LINE),
        el("rect", x=-9, y=-70, width=18, height=70 - ry, fill=fill, **_LINE),
    ]
    lift = 7 if above else 0
    tag, geometry = _board(shape, 0)
    if above:  # the board's upper edge shows
        out.append(el(tag, transform=f"translate(0 {-lift})", fill=dark, **geometry, **_LINE))
    out.append(el(tag, fill=fill, **geometry, **_LINE))
    tag, inner = _board(shape, -7)
    rim = "#f6f2e9" if look.colour != "white" else "#98999f"
    out.append(el(tag, fill="none", stroke=rim, stroke_width=2, opacity=0.8, **inner))
    cy = {"round": _TOP + 66.2, "triangular": -69.0, "square": _TOP + 57}[shape]
    if look.state == "cracked":
        for crack in _CRACKS[shape]:
            xy = points(*crack)
            line = {"fill": "none", "stroke_linejoin": "round"}
            out.append(el("polyline", points=xy, stroke="#fff3dc", stroke_width=11, **line))
            out.append(el("polyline", points=xy, stroke="#191319", stroke_width=7, **line))
    if look.text:
        most = 22.0 if shape == "triangular" else 25.0
        wide = 100.0 if shape == "triangular" else 114.0
        height = most
        if len(look.text) <= 4:
            height = min(most * 1.2, most * wide / width_of(look.text, most))
        if shape == "triangular":
            height = most
        w = width_of(look.text, height) + 12
        h = height + 12 if shape != "triangular" else height + 9
        out.append(el("rect", x=-w / 2, y=cy - h / 2, width=w, height=h, rx=4, fill=_PANEL,
                      stroke=INK, stroke_width=2))  # fmt: skip
        out.append(lettering(look.text, 0, cy, height, INK, bold=1.15))
    half = {"round": 66.2, "triangular": 85.2, "square": 67.2}[shape]
    box = (-half, _TOP - lift, half, 0.0)
    anchors = {"top": (0.0, _TOP), "board": (0.0, cy)}
    return Drawing("".join(out), box, defs, anchors)


DRAW: dict[str, Callable[[Look], Drawing]] = {"sign": sign}
