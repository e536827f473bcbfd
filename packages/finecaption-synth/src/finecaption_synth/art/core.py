"""What an artist's function takes and gives: a Look in, a Drawing out.

Local coordinates: x to the right, y down, the ground contact at (0, 0), so that most of a
figure has negative y. One local unit is one pixel of a 512-pixel canvas before the scene
scales the figure.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Look:
    """Everything that decides how one entity looks. Fields that do not apply are None.

    Attributes:
        category: key of vocabulary.CATEGORIES.
        colour: main colour, one of vocabulary.COLOURS (for a person, of the garment).
        accent: a second colour for trims, never the main one.
        facing: front, back, left or right (left: nose towards smaller x).
        pitch: camera, "eye level" or "from above" (rims and tops show as ellipses).
        scale: pixels of a 512-pixel canvas a local unit; textures divide by it, so that their
            pitch on the picture does not depend on the size of the figure.
        uid: prefix for every id in defs; letters and digits, unique in the scene.
        holding: category of the thing that a person holds in a hand (see the anchor hand).
        variant: 0..2**31, seed for harmless variation that no sentence mentions.
    """

    category: str
    colour: str
    accent: str
    uid: str
    facing: str = "front"
    pitch: str = "eye level"
    scale: float = 1.0
    variant: int = 0
    material: str | None = None
    shape: str | None = None
    state: str | None = None
    text: str | None = None
    pose: str | None = None
    build: str | None = None
    expression: str | None = None
    skin: str | None = None
    skin_texture: str | None = None
    hair_style: str | None = None
    hair_colour: str | None = None
    garment: str | None = None
    shoes: str | None = None
    accessory: str | None = None
    age: str | None = None
    coat: str | None = None
    holding: str | None = None


@dataclass(frozen=True)
class Drawing:
    """SVG of one figure in local coordinates.

    Attributes:
        svg: elements. A part that is a region of its own is wrapped in
            ``<g data-part="hat">``. Elements (or groups) with ``class="fx"`` are light, not
            matter (steam, glow, speed lines, highlights beyond the silhouette): they never
            count for a mask. Everything else is opaque for the mask, whatever its opacity.
        box: (x0, y0, x1, y1) extent of the matter in local units; y1 is about 0.
        defs: gradients, patterns and clip paths, ids prefixed with the look's uid.
        anchors: named points in local units, such as hand, seat, surface, top, inside.
    """

    svg: str
    box: tuple[float, float, float, float]
    defs: str = ""
    anchors: dict[str, tuple[float, float]] = field(default_factory=dict)


def n(value: float) -> str:
    """A number as SVG writes it, at most two decimals."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def attrs(**kw: object) -> str:
    """Keyword arguments as SVG attributes: stroke_width=2 -> stroke-width="2"."""
    out = []
    for key, value in kw.items():
        if value is None:
            continue
        text = n(value) if isinstance(value, (int, float)) else str(value)
        out.append(f'{key.rstrip("_").replace("_", "-")}="{text}"')
    return " ".join(out)


def el(tag: str, **kw: object) -> str:
    """An empty SVG element: el("circle", cx=0, cy=0, r=3, fill="#fff")."""
    return f"<{tag} {attrs(**kw)}/>"


def group(*children: str, **kw: object) -> str:
    """A <g> around the children; class_="fx" and data_part="hat" work as attributes."""
    return f"<g {attrs(**kw)}>{''.join(children)}</g>" if kw else f"<g>{''.join(children)}</g>"


def points(*xy: tuple[float, float]) -> str:
    """Points as polygon and polyline take them."""
    return " ".join(f"{n(x)},{n(y)}" for x, y in xy)
