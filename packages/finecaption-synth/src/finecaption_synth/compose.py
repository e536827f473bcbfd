"""A scene as one SVG, and the same SVG with every region in one flat colour for its mask."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import numpy as np
import resvg_py
from PIL import Image

from finecaption_synth.art import SETTINGS
from finecaption_synth.art.core import attrs, el, n
from finecaption_synth.art.paint import radial
from finecaption_synth.scene import SIZE, Figure, Scene
from finecaption_synth.vocabulary import PARTS

NAMESPACE = "http://www.w3.org/2000/svg"
PART_NAMES = tuple(PARTS)
_STEP = 16  # ids of a figure: 16 (i + 1) for the body, + 1 + its place in PART_NAMES for a part
_REFLECTIVE = ("frozen lake", "gallery")
_SHAPES = {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"}
_DROP = {"opacity", "fill-opacity", "stroke-opacity", "filter", "class"}

# Here and not where it is needed: elements are to be written alike from the first scene on.
ET.register_namespace("", NAMESPACE)


def body_id(figure: int) -> int:
    """The id-map value of a figure's body, by its index in the scene."""
    return _STEP * (figure + 1)


def part_id(figure: int, part: str) -> int:
    """The id-map value of a part of a figure."""
    return _STEP * (figure + 1) + 1 + PART_NAMES.index(part)


def figure_of(value: int) -> tuple[int, str | None]:
    """The figure's index and the part (None for the body) that an id-map value stands for."""
    figure, rest = divmod(value, _STEP)
    return figure - 1, PART_NAMES[rest - 1] if rest else None


def _place(f: Figure) -> str:
    return f"translate({n(f.x)} {n(f.y)}) scale({f.scale:.4f})"


def _wrap(inner: str, size: int = SIZE) -> str:
    return (
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {size} {size}" width="{size}" height="{size}">'
        f"{inner}</svg>"
    )


def casts_shadow(scene: Scene, f: Figure) -> bool:
    """Whether a figure throws a long shadow on the ground."""
    return f.grounded and scene.light in ("left", "right")


def is_reflected(scene: Scene, f: Figure) -> bool:
    """Whether a figure is mirrored in ice or a polished floor."""
    return f.grounded and scene.setting in _REFLECTIVE


def _silhouette(f: Figure, ink: str) -> str:
    root = ET.fromstring(f'<svg xmlns="{NAMESPACE}">{f.drawing.svg}</svg>')
    flat = _flatten(root, ink, "black", None, parts=None)
    return "".join(ET.tostring(c, encoding="unicode") for c in flat)


def _ground_effects(scene: Scene, f: Figure) -> str:
    """Contact shadow, and the long shadow or reflection, all of class fx."""
    x0, _, x1, _ = f.box
    if not f.grounded:
        return ""
    contact = el(
        "ellipse", cx=(x0 + x1) / 2, cy=f.y, rx=(x1 - x0) * 0.5, ry=7, fill="#2a2140", opacity=0.16
    )
    out = contact
    if casts_shadow(scene, f):
        lean = 0.95 if scene.light == "left" else -0.95
        shape = _silhouette(f, "#2a2140")
        move = f"translate({n(f.x)} {n(f.y)}) matrix(1 0 {lean} 0.42 0 0) scale({f.scale:.4f})"
        out += f'<g opacity="0.26" transform="{move}">{shape}</g>'
    if is_reflected(scene, f):
        move = f"translate({n(f.x)} {n(f.y + 3)}) scale({f.scale:.4f} {-f.scale * 0.62:.4f})"
        out += f'<g opacity="0.3" transform="{move}">{f.drawing.svg}</g>'
    return f'<g class="fx">{out}</g>'


def scene_svg(scene: Scene) -> str:
    """The whole picture as SVG text, 512 x 512 user units.

    Every figure is a group with ``data-figure`` (its index); parts inside carry ``data-part``;
    light, not matter, has class ``fx``. ids_svgs makes the masks' picture of the same text.
    """
    back = SETTINGS[scene.setting](scene.pitch, scene.variant)
    defs = back.defs + "".join(f.drawing.defs for f in scene.figures)
    defs += radial("vignette", (0, "#ffffff00"), (0.75, "#ffffff00"), (1, "#2a214022"), r=0.75)
    out = [f"<defs>{defs}</defs>", f'<g class="backdrop">{back.svg}</g>']
    out += [_ground_effects(scene, f) for f in scene.figures]
    for i, f in enumerate(scene.figures):
        out.append(f"<g {attrs(data_figure=i, transform=_place(f))}>{f.drawing.svg}</g>")
    out.append(el("rect", class_="fx", width=SIZE, height=SIZE, fill="url(#vignette)"))
    return _wrap("".join(out))


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def _colour(value: int) -> str:
    return f"#{value & 255:02x}{value >> 8 & 255:02x}00"


def _flatten(
    node: ET.Element, paint: str, fill: str | None, stroke: str | None, parts: int | None
) -> list[ET.Element]:
    """The children of a node with flat paint; light left out; clip paths kept.

    ``parts``: index of the figure whose parts get colours of their own; None: one colour.
    """
    out = []
    for child in node:
        tag = _local(child.tag)
        if tag == "clipPath":
            out.append(child)
            continue
        if child.get("class") == "fx" or tag not in _SHAPES | {"g", "defs"}:
            continue
        own_fill, own_stroke = child.get("fill", fill), child.get("stroke", stroke)
        own = paint
        part = child.get("data-part")
        if part is not None and parts is not None:
            own = _colour(part_id(parts, part))
        copy = ET.Element(child.tag, {k: v for k, v in child.attrib.items() if k not in _DROP})
        if tag in _SHAPES:
            copy.set("fill", "none" if own_fill == "none" else own)
            if own_stroke not in (None, "none"):
                copy.set("stroke", own)
        else:
            copy.attrib.pop("fill", None)
            copy.attrib.pop("stroke", None)
            copy.extend(_flatten(child, own, own_fill, own_stroke, parts))
        out.append(copy)
    return out


def ids_svgs(svg: str) -> tuple[str, list[str]]:
    """The id pictures of a scene's SVG: black ground, each region in its flat id colour.

    Args:
        svg: what scene_svg returned.

    Returns:
        The whole scene, and each figure alone, unhidden by the others.
    """
    root = ET.fromstring(svg)
    defs, groups = "", []
    for child in root:
        if _local(child.tag) == "defs":
            clips = [c for c in child if _local(c.tag) == "clipPath"]
            inner = "".join(ET.tostring(c, encoding="unicode") for c in clips)
            defs = f"<defs>{inner}</defs>"
        index = child.get("data-figure")
        if index is None:
            continue
        group = ET.Element(child.tag, {"transform": child.get("transform", "")})
        group.extend(_flatten(child, _colour(body_id(int(index))), "black", None, int(index)))
        groups.append(ET.tostring(group, encoding="unicode"))
    return _wrap(defs + "".join(groups)), [_wrap(defs + g) for g in groups]


def _raster(svg: str, size: int, crisp: bool) -> np.ndarray:
    png = resvg_py.svg_to_bytes(
        svg_string=svg,
        width=size,
        height=size,
        skip_system_fonts=True,
        background="#000000",
        shape_rendering="crisp_edges" if crisp else "geometric_precision",
    )
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB"))


def render_rgb(svg: str, size: int = SIZE) -> np.ndarray:
    """Rasterises an SVG: uint8 (size, size, 3)."""
    return _raster(svg, size, crisp=False)


def render_ids(flat: str, size: int = SIZE) -> np.ndarray:
    """The id map of an id picture: int32 (size, size), 0 for the backdrop.

    Without anti-aliasing, so every pixel belongs to exactly one region (see figure_of).
    """
    rgb = _raster(flat, size, crisp=True).astype(np.int32)
    return rgb[..., 0] + (rgb[..., 1] << 8)
