"""Colours and materials: the palette, shades of it, and fills that show what a thing is made of.

Material textures have a pitch of 16 to 34 pixels on a 512-pixel canvas: plain at 256 pixels, the
high resolution of the encoders, lost at the low one, as the paper's materials are. Each material
has a mark of its own: wood boards with grain, metal hard bands of sheen, glass a pale body with
white streaks, ceramic one soft gleam, fabric a tartan with stitches, stone specks, brick courses
and wicker a weave.
"""

from __future__ import annotations

import colorsys

from finecaption_synth.art.core import attrs, el

HEX = {
    "red": "#d8392f",
    "orange": "#ef8a2b",
    "yellow": "#f4cd3c",
    "green": "#4f9a48",
    "blue": "#3b72c4",
    "purple": "#8355b0",
    "pink": "#ee8fb4",
    "brown": "#8a5a35",
    "black": "#33313a",
    "white": "#f6f2e9",
    "grey": "#98999f",
}
SKIN = {"pale": "#f7d9c3", "tan": "#e0aa7b", "brown": "#a86f46", "dark": "#5c3a28"}
HAIR = {
    "black": "#2a2528",
    "brown": "#874f24",
    "blond": "#e8c25c",
    "red": "#d4622a",
    "grey": "#b9b7b8",
}
INK = "#3a2f38"  # outlines: a warm dark, softer than black


def rgb(colour: str) -> tuple[int, int, int]:
    """A palette name or #rrggbb as 0..255 integers."""
    h = HEX.get(colour, colour).lstrip("#")
    return int(h[0:2], 16), int(h[2:4], 16), int(h[4:6], 16)


def mix(a: str, b: str, t: float) -> str:
    """The colour a fraction t of the way from a to b, as #rrggbb."""
    return "#" + "".join(
        f"{round(x + (y - x) * t):02x}" for x, y in zip(rgb(a), rgb(b), strict=True)
    )


def shade(colour: str, t: float) -> str:
    """Darker and slightly cooler for t > 0, lighter and warmer for t < 0; |t| in 0..1."""
    return mix(colour, "#241a38", t) if t >= 0 else mix(colour, "#fff6e2", -t)


def saturate(colour: str, factor: float) -> str:
    """The colour with its saturation multiplied."""
    hue, light, s = colorsys.rgb_to_hls(*(v / 255 for v in rgb(colour)))
    r, g, b = colorsys.hls_to_rgb(hue, light, min(1.0, s * factor))
    return f"#{round(r * 255):02x}{round(g * 255):02x}{round(b * 255):02x}"


def stroke_line(d: str, colour: str, width: float = 2, **kw: object) -> str:
    """A path that is not filled, with round ends and corners."""
    return el(
        "path",
        d=d,
        fill="none",
        stroke=colour,
        stroke_width=width,
        stroke_linecap="round",
        stroke_linejoin="round",
        **kw,
    )


def outlined(tag: str, pen: float = 2.5, /, **kw: object) -> str:
    """An element with the outline of the picture book."""
    return el(tag, stroke=INK, stroke_width=pen, stroke_linejoin="round", **kw)


def linear(uid: str, *stops: tuple[float, str], x2: float = 0, y2: float = 1) -> str:
    """A linear gradient over the object's box; stops are (offset, colour)."""
    inner = "".join(el("stop", offset=o, stop_color=c) for o, c in stops)
    return f"<linearGradient {attrs(id=uid, x1=0, y1=0, x2=x2, y2=y2)}>{inner}</linearGradient>"


def radial(
    uid: str, *stops: tuple[float, str], cx: float = 0.5, cy: float = 0.5, r: float = 0.6
) -> str:
    """A radial gradient over the object's box."""
    inner = "".join(el("stop", offset=o, stop_color=c) for o, c in stops)
    return f"<radialGradient {attrs(id=uid, cx=cx, cy=cy, r=r)}>{inner}</radialGradient>"


def _pattern(uid: str, w: float, h: float, scale: float, inner: str, rotate: float = 0) -> str:
    turn = f" rotate({rotate})" if rotate else ""
    transform = f"scale({1 / scale:.4f}){turn}"
    return (
        f'<pattern {attrs(id=uid, width=w, height=h)} patternUnits="userSpaceOnUse" '
        f'patternTransform="{transform}">{inner}</pattern>'
    )


def paint(material: str | None, colour: str, uid: str, scale: float = 1.0) -> tuple[str, str]:
    """A fill for a surface of this material and colour.

    Args:
        material: one of vocabulary.MATERIALS, or None for a plain painted surface.
        colour: palette name or #rrggbb.
        uid: id for the gradient or pattern, unique in the document.
        scale: canvas pixels a local unit, so that the pitch is the same on every picture.

    Returns:
        (fill, defs): a value for ``fill`` and the definitions that it needs.
    """
    base = HEX.get(colour, colour)
    if material in ("glass", "ceramic") and sum(rgb(base)) > 640:
        base = "#dfe4e4"  # white needs some grey for its highlights to show
    light, dark, deep = shade(base, -0.3), shade(base, 0.3), shade(base, 0.5)
    # On near-black surfaces the dark marks vanish: draw them lighter instead.
    if sum(rgb(base)) < 200:
        dark, deep = shade(base, -0.25), shade(base, -0.4)
    ref = f"url(#{uid})"
    stops: tuple[tuple[float, str], ...]
    if material == "wood":
        inner = (
            el("rect", width=68, height=36, fill=base)
            + el("rect", y=18, width=68, height=18, fill=shade(base, -0.14))
            + el("path", d="M0 0H68M0 18H68M46 0V18M12 18V36", fill="none", stroke=deep,
                 stroke_width=2.4)
            + el("path", d="M4 6H40M52 11Q60 7 68 11M0 13Q12 9 26 13T42 12M18 24H64M16 30Q30 26 "
                 "44 30T68 30M0 27H8", fill="none", stroke=dark, stroke_width=1.7)
            + el("ellipse", cx=34, cy=9, rx=5, ry=2.6, fill=deep)
        )  # fmt: skip
        return ref, _pattern(uid, 68, 36, scale, inner)
    if material == "metal":
        stops = ((0, dark), (0.16, light), (0.24, shade(base, -0.8)), (0.34, base), (0.6, dark),
                 (0.72, light), (0.78, shade(base, -0.6)), (0.86, base), (1, deep))  # fmt: skip
        return ref, linear(uid, *stops, x2=1, y2=0.3)
    if material == "glass":
        clear = mix(base, "#eef9fc", 0.5)
        stops = ((0, shade(clear, 0.1)), (0.16, clear), (0.2, "#ffffff"), (0.32, "#ffffff"),
                 (0.36, clear), (0.6, mix(base, "#eef9fc", 0.28)), (0.66, "#ffffff"),
                 (0.71, "#ffffff"), (0.75, mix(base, "#eef9fc", 0.3)), (1, base))  # fmt: skip
        return ref, linear(uid, *stops, x2=1, y2=0.7)
    if material == "ceramic":
        stops = (
            (0, "#ffffff"),
            (0.13, "#ffffff"),
            (0.2, shade(base, -0.16)),
            (0.6, base),
            (1, shade(base, 0.34)),
        )
        return ref, radial(uid, *stops, cx=0.33, cy=0.28, r=0.8)
    if material == "fabric":
        stitch = {"fill": "none", "stroke": "#fff8ea", "stroke_width": 1.8}
        if sum(rgb(base)) > 600:
            stitch["stroke"] = deep
        inner = (
            el("rect", width=24, height=24, fill=base)
            + el("rect", width=24, height=8, fill=dark, opacity=0.5)
            + el("rect", width=8, height=24, fill=dark, opacity=0.5)
            + el("path", d="M0 16H24M16 0V24", stroke_dasharray="4 4", **stitch)
        )
        return ref, _pattern(uid, 24, 24, scale, inner)
    if material == "stone":
        inner = el("rect", width=34, height=34, fill=mix(base, "#a7a59e", 0.22)) + "".join(
            el("ellipse", cx=x, cy=y, rx=rx, ry=ry, fill=c)
            for x, y, rx, ry, c in (
                (7, 7, 5, 3.6, deep),
                (22, 5, 3.2, 2.6, light),
                (17, 16, 4.2, 3.2, dark),
                (28, 18, 3.6, 4, deep),
                (6, 24, 3.4, 3, light),
                (19, 28, 4.8, 3.2, deep),
                (29, 29, 2.2, 2, light),
                (8, 15, 2, 1.6, dark),
            )
        )
        return ref, _pattern(uid, 34, 34, scale, inner)
    if material == "brick":
        mortar = shade(base, -0.66) if sum(rgb(base)) < 600 else shade(base, 0.35)
        inner = (
            el("rect", width=32, height=24, fill=mortar)
            + el("rect", x=1, y=1, width=30, height=10, fill=base)
            + el("rect", x=-15, y=13, width=30, height=10, fill=shade(base, 0.1))
            + el("rect", x=17, y=13, width=30, height=10, fill=shade(base, 0.1))
        )
        return ref, _pattern(uid, 32, 24, scale, inner)
    if material == "wicker":
        inner = (
            el("rect", width=22, height=22, fill=deep)
            + el("rect", x=0.5, y=1.5, width=10, height=8, rx=3.5, fill=light)
            + el("rect", x=11.5, y=12.5, width=10, height=8, rx=3.5, fill=light)
            + el("rect", x=12.5, y=0.5, width=8, height=10, rx=3.5, fill=base)
            + el("rect", x=1.5, y=11.5, width=8, height=10, rx=3.5, fill=base)
        )
        return ref, _pattern(uid, 22, 22, scale, inner)
    return ref, linear(uid, (0, shade(base, -0.12)), (1, shade(base, 0.14)))
