"""What can be seen of a scene: regions with masks, and the truth about each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finecaption_synth import vocabulary as voc
from finecaption_synth.art.core import Look
from finecaption_synth.compose import (
    casts_shadow,
    figure_of,
    ids_svgs,
    is_reflected,
    render_ids,
    scene_svg,
)
from finecaption_synth.scene import SIZE, Figure, Scene, unseen
from finecaption_synth.truth import Facets, Link, RegionTruth, SceneTruth

MIN_AREA = 700  # pixels of a region at 512 x 512; parts may have half of it
MIN_VISIBLE = 0.3  # of a figure's own area
_SOLO = 128  # size at which a figure is drawn alone, to learn what the others hide of it
_SEEN, _UNSEEN = 0.6, 0.15  # of a detail: above, it is told; below, it cannot be seen; else unasked
_INVERSE = {
    "holding": "held by",
    "sitting on": "sat on by",
    "standing on": "supporting",
    "encircling": "encircled by",
    "leaning on": "leaned on by",
}


@dataclass(frozen=True)
class Observed:
    """A picture's regions.

    Attributes:
        svg: the picture.
        ids: int32 (512, 512), see compose.figure_of.
        masks: region id -> bool (512, 512), visible pixels; a whole includes its parts.
        truth: what is true; its regions in the order of masks.
        unseen: region ids whose combination training never shows.
    """

    svg: str
    ids: np.ndarray
    masks: dict[int, np.ndarray]
    truth: SceneTruth
    unseen: frozenset[int]


@dataclass(frozen=True)
class _Seen:
    """A figure in view: index, figure, mask, and how much of its head and feet shows (0..1)."""

    index: int
    figure: Figure
    mask: np.ndarray
    head: float
    feet: float

    @property
    def centre(self) -> tuple[float, float]:
        x0, y0, x1, y1 = self.figure.box
        return (x0 + x1) / 2, (y0 + y1) / 2


def _band(solo: np.ndarray, shown: np.ndarray, top: float, bottom: float) -> float:
    """Share of a figure's pixels between two heights (canvas pixels) that shows."""
    k = _SOLO / SIZE
    a, b = max(0, round(top * k)), max(1, round(bottom * k))
    whole = solo[a:b].sum()
    return float((solo & shown)[a:b].sum() / whole) if whole else 0.0


def _touch(a: Figure, b: Figure) -> bool:
    """Whether two figures' boxes overlap, a few pixels of outlines included."""
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = a.box, b.box
    return ax0 < bx1 + 4 and bx0 < ax1 + 4 and ay0 < by1 + 4 and by0 < ay1 + 4


def _look_around(scene: Scene, alone: list[str], ids: np.ndarray) -> list[_Seen]:
    figures = ids // 16 - 1
    small = figures[SIZE // _SOLO // 2 :: SIZE // _SOLO, SIZE // _SOLO // 2 :: SIZE // _SOLO]
    out = []
    for i, f in enumerate(scene.figures):
        mask = figures == i
        if mask.sum() < MIN_AREA:
            continue
        if not any(_touch(f, nearer) for nearer in scene.figures[i + 1 :]):
            out.append(_Seen(i, f, mask, 1.0, 1.0))  # nothing before it: no need to look
            continue
        solo = render_ids(alone[i], _SOLO) > 0
        shown = small == i
        if shown.sum() < MIN_VISIBLE * solo.sum():
            continue
        x0, y0, x1, y1 = f.box
        head_bottom = y0 + 0.34 * (y1 - y0)
        head = _band(solo, shown, y0, head_bottom)
        feet = _band(solo, shown, y1 - 0.1 * (y1 - y0), y1)
        out.append(_Seen(i, f, mask, head, feet))
    return out


def _tell(share: float, value: str | None) -> tuple[str, ...] | None:
    """The facet of a detail of which this share shows; None when it is better not asked."""
    if value is None or _UNSEEN < share < _SEEN:
        return None
    return (value,) if share >= _SEEN else (voc.HIDDEN,)


def _facets(**kw: tuple[str, ...] | str | None) -> Facets | None:
    """Facets, or None when one of them should not be asked."""
    out: Facets = {}
    for key, value in kw.items():
        if value is None:
            return None
        out[key] = (value,) if isinstance(value, str) else value
    return out


def _person(look: Look, s: _Seen, out: dict[str, Facets | None]) -> None:
    face = 0.0 if look.facing == "back" else s.head
    out["Body Pose/Gesture"] = _facets(pose=look.pose)
    out["Body Shape"] = _facets(build=look.build)
    out["Facial Expression"] = _facets(expression=_tell(face, look.expression))
    out["Skin Texture and Color"] = _facets(
        tone=_tell(face, look.skin), texture=_tell(face, look.skin_texture)
    )
    if look.hair_style == "bald":
        out["Hair"] = _facets(style=_tell(s.head, "bald"))
    else:
        out["Hair"] = _facets(
            style=_tell(s.head, look.hair_style), colour=_tell(s.head, look.hair_colour)
        )
    hidden_glasses = look.accessory == "glasses" and look.facing == "back"
    out["Clothing Shoes Accessories"] = _facets(
        garment=look.garment,
        colour=look.colour,
        shoes=_tell(s.feet, look.shoes),
        accessory="no accessories" if hidden_glasses else look.accessory,
    )
    out["Age Range"] = _facets(age=look.age)


def _state(look: Look) -> str | None:
    """The state to be told; of a person in motion the pose."""
    return look.pose if look.pose in voc.MOVING and look.state == "idle" else look.state


def _attributes(scene: Scene, s: _Seen) -> dict[str, Facets]:
    look, c = s.figure.look, voc.CATEGORIES[s.figure.look.category]
    out: dict[str, Facets | None] = {
        "One-Sentence Description": _facets(colour=look.colour, category=look.category),
        "Category Name": _facets(category=look.category),
        "Color": _facets(colour=look.colour),
        "Visible Text": _facets(text=look.text or "no text"),
        "State or Activity": _facets(state=_state(look)),
        "Materials/Texture": _facets(material=look.material),
        "Shape": _facets(shape=look.shape),
    }
    if c.facings:
        out["Camera Viewpoint"] = _facets(facing=look.facing, pitch=scene.pitch)
    else:
        out["Camera Viewpoint"] = _facets(pitch=scene.pitch)
    if c.group == "person":
        _person(look, s, out)
    if c.group == "animal":
        out["Body Pose/Gesture"] = _facets(pose=look.pose)
        out["Body Shape"] = _facets(build=look.build)
        out["Skin Texture and Color"] = _facets(coat=look.coat, colour=look.colour)
    if look.state == "switched on":
        effect = "glow"
    elif is_reflected(scene, s.figure):
        effect = "reflection"
    elif casts_shadow(scene, s.figure):
        effect = f"shadow to the {scene.light}"
    else:
        effect = "no effect"
    out["Associative Visual Effect"] = _facets(effect=effect)
    return {k: v for k, v in out.items() if v is not None}


def _overlap(a: _Seen, b: _Seen) -> float:
    """Intersection of the boxes over the smaller one."""
    ax0, ay0, ax1, ay1 = a.figure.box
    bx0, by0, bx1, by1 = b.figure.box
    w, h = min(ax1, bx1) - max(ax0, bx0), min(ay1, by1) - max(ay0, by0)
    small = min((ax1 - ax0) * (ay1 - ay0), (bx1 - bx0) * (by1 - by0))
    return max(w, 0) * max(h, 0) / small


def _relation(a: _Seen, b: _Seen, bonds: dict[tuple[int, int], str]) -> tuple[str, bool] | None:
    """(kind, strong) of a's place relative to b, or None when it is nothing to say."""
    bond = bonds.get((a.index, b.index))
    if bond in ("sitting on", "standing on"):
        return "on", True
    if bond in ("sat on by", "supporting"):
        return "under", True
    if bond == "encircled by":
        return "inside", True
    if bond is None and _overlap(a, b) > 0.2:
        return ("in front of" if a.index > b.index else "behind"), True
    if bond is not None:
        return ("in front of" if a.index > b.index else "behind"), True
    dx = a.centre[0] - b.centre[0]
    if abs(dx) < 40:
        return None
    return ("to the left of" if dx < 0 else "to the right of"), False


def _link(kind: str, number: int, other: Figure) -> Link:
    return Link(kind, number, other.look.category, other.look.colour)


def _relations(
    a: _Seen, seen: list[_Seen], bonds: dict[tuple[int, int], str], number: dict[int, int]
) -> tuple[Link | None, tuple[str, ...]]:
    """The relation to be said first (strong before nearest), and all accepted values."""
    best: tuple[tuple[bool, float], Link] | None = None
    accepted: list[str] = []
    for b in seen:
        if b.index == a.index:
            continue
        found = _relation(a, b, bonds)
        if found is None:
            continue
        kind, strong = found
        link = _link(kind, number[b.index], b.figure)
        accepted.append(link.value)
        distance = abs(a.centre[0] - b.centre[0]) + 0.3 * abs(a.centre[1] - b.centre[1])
        key = (not strong, distance)
        if best is None or key < best[0]:
            best = (key, link)
    if best is None:
        return None, ("alone",)
    return best[1], tuple(dict.fromkeys([best[1].value, *accepted]))


_PART_COLOURS = {"wheels": "black"}  # else the accent; the shade has the lamp's own colour


def part_colour(look: Look, part: str) -> str:
    """The colour of a part of a figure of this look."""
    return look.colour if part == "shade" else _PART_COLOURS.get(part, look.accent)


def _part(region: int, whole: RegionTruth, look: Look, part: str, area: float) -> RegionTruth:
    group = voc.PARTS[part]
    worn = group == "person"
    colour = part_colour(look, part)
    kind = "worn by" if worn else "attached to"
    place = "inside" if part == "flowers" else "on"
    relation = Link(place, whole.region_id, whole.category, whole.colour)
    interaction = Link(kind, whole.region_id, whole.category, whole.colour)
    attributes: dict[str, Facets] = {
        "One-Sentence Description": {"colour": (colour,), "category": (part,)},
        "Category Name": {"category": (part,)},
        "Color": {"colour": (colour,)},
        "Interaction with Other Objects": {"interaction": (interaction.value,)},
        "Relative Location with Other Objects": {"relation": (relation.value,)},
        "Visible Text": {"text": ("no text",)},
        "Camera Viewpoint": {"pitch": whole.attributes["Camera Viewpoint"]["pitch"]},
    }
    if part in voc.PART_MATERIALS:
        attributes["Materials/Texture"] = {"material": voc.PART_MATERIALS[part]}
    if voc.SHAPED_PARTS.get(whole.category) == part:
        attributes["Shape"] = whole.attributes["Shape"]
    elif part == "wheels":
        attributes["Shape"] = {"shape": voc.part_shapes(part)}
    return RegionTruth(
        region, part, colour, attributes, whole.region_id, relation, interaction, area
    )


def _interactions(
    s: _Seen,
    bonds: dict[tuple[int, int], str],
    number: dict[int, int],
    figures: tuple[Figure, ...],
    parts: dict[tuple[int, str], int],
) -> tuple[Link | None, tuple[str, ...]]:
    links = [
        _link(kind, number[b], figures[b])
        for (a, b), kind in bonds.items()
        if a == s.index and b in number
    ]
    for part in ("hat", "scarf", "bag"):
        if (s.index, part) in parts:
            colour = part_colour(s.figure.look, part)
            links.append(Link("wearing", parts[s.index, part], part, colour))
    if not links:
        return None, ("none",)
    return links[0], tuple(dict.fromkeys(k.value for k in links))


def observe(scene: Scene) -> Observed:
    """Renders a scene's id map and works out what is true of every region in view.

    A figure is a region when at least MIN_AREA pixels and MIN_VISIBLE of it show; a part when
    MIN_AREA / 2 pixels show and its whole is a region. Region ids count from 1: figures far to
    near, then parts.
    """
    svg = scene_svg(scene)
    together, alone = ids_svgs(svg)
    ids = render_ids(together)
    seen = _look_around(scene, alone, ids)
    number = {s.index: k for k, s in enumerate(seen, 1)}
    masks = {number[s.index]: s.mask for s in seen}
    parts: dict[tuple[int, str], int] = {}
    for value, count in zip(*np.unique(ids, return_counts=True), strict=True):
        index, part = figure_of(int(value))
        if part is not None and index in number and count >= MIN_AREA / 2:
            parts[index, part] = len(masks) + 1
            masks[parts[index, part]] = ids == value
    bonds: dict[tuple[int, int], str] = {}
    for a, kind, b in scene.bonds:
        bonds[a, b] = kind
        bonds[b, a] = _INVERSE[kind]
    regions = []
    for s in seen:
        attributes = _attributes(scene, s)
        relation, places = _relations(s, seen, bonds, number)
        attributes["Relative Location with Other Objects"] = {"relation": places}
        interaction, doing = _interactions(s, bonds, number, scene.figures, parts)
        attributes["Interaction with Other Objects"] = {"interaction": doing}
        look = s.figure.look
        if look.category == "chair" and interaction is not None:
            attributes["State or Activity"] = {"state": (voc.OCCUPIED,)}
        regions.append(
            RegionTruth(
                number[s.index],
                look.category,
                look.colour,
                attributes,
                relation=relation,
                interaction=interaction,
                area=float(s.mask.mean()),
            )
        )
    for (index, part), region in parts.items():
        whole = regions[number[index] - 1]
        area = float(masks[region].mean())
        regions.append(_part(region, whole, scene.figures[index].look, part, area))
    strange = frozenset(number[s.index] for s in seen if unseen(s.figure.look))
    truth = SceneTruth(scene.setting, scene.pitch, scene.light, tuple(regions))
    return Observed(svg, ids, masks, truth, strange)
