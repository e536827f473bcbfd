"""What is true of a drawn scene: the structured side of every caption.

Facets by attribute (an attribute that does not apply to a region is absent):

==================================  =====================================================
One-Sentence Description            colour, category
Category Name                       category
Body Pose/Gesture                   pose
Body Shape                          build
Facial Expression                   expression
Skin Texture and Color              tone, texture (people) / coat, colour (animals)
Hair                                style, colour (bald: style alone)
Clothing Shoes Accessories          garment, colour, shoes, accessory
Age Range                           age
Color                               colour
Materials/Texture                   material
Shape                               shape
Camera Viewpoint                    facing (where it has sides), pitch
Associative Visual Effect           effect
Interaction with Other Objects      interaction, as "kind|category of the other" or "none"
Relative Location with Other Ob...  relation, as "kind|category of the other" or "alone"
Visible Text                        text: a word in capitals, or "no text"
State or Activity                   state (of a person who moves, the pose)
==================================  =====================================================

A facet that applies but cannot be seen (a face from behind, feet behind a bush) has the one
value vocabulary.HIDDEN.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from finecaption_synth.vocabulary import CATEGORIES

Facets = dict[str, tuple[str, ...]]  # facet -> accepted values, the one to be said first

INTERACTIONS = (
    "holding", "held by", "sitting on", "sat on by", "standing on", "supporting", "wearing",
    "worn by", "attached to", "encircling", "encircled by", "leaning on", "leaned on by",
)  # fmt: skip

PASSIVE = ("held by", "sat on by", "supporting", "worn by", "encircled by", "leaned on by")
"""Interactions better told from the other side."""


@dataclass(frozen=True)
class Link:
    """A relation to another region, as a sentence says it.

    Attributes:
        kind: a value of vocabulary.RELATIONS or of INTERACTIONS.
        other: region id of the other.
        category, colour: of the other, to name it: "the red car".
    """

    kind: str
    other: int
    category: str
    colour: str

    @property
    def value(self) -> str:
        """The facet value that the link stands for: "kind|category"."""
        return f"{self.kind}|{self.category}"


@dataclass(frozen=True)
class RegionTruth:
    """All that is true of one region.

    Attributes:
        region_id: 1-based, unique in the scene; what ``(entity_id_k)`` refers to.
        category: a category, or a part name of vocabulary.PARTS.
        colour: main colour.
        part_of: region id of the whole, for a part.
        attributes: attribute name -> facets.
        relation: the relative location that is said first; None when alone.
        interaction: the interaction that is said first; None when there is none.
        area: visible pixels as a fraction of the image, 0 to 1; None where it is not known.
    """

    region_id: int
    category: str
    colour: str
    attributes: dict[str, Facets]
    part_of: int | None = None
    relation: Link | None = None
    interaction: Link | None = None
    area: float | None = None


@dataclass(frozen=True)
class SceneTruth:
    """All that is true of one picture.

    Attributes:
        setting: one of vocabulary.OUTDOOR + vocabulary.INDOOR.
        pitch: one of vocabulary.PITCHES.
        light: "left", "right" (where long shadows fall) or "soft" (none).
    """

    setting: str
    pitch: str
    light: str
    regions: tuple[RegionTruth, ...] = field(default=())


SALIENT_AREA = 0.005
"""The least area of a salient region: 1,311 of 512 x 512 pixels, about 36 x 36."""


def salient(scene: SceneTruth) -> list[RegionTruth]:
    """The regions that a description of the whole image must name, the foremost first.

    Whole objects (a part is told with its whole) of at least SALIENT_AREA; all of them where areas
    are not known. People come first, then animals, then the rest; objects of one category stand
    together; within that the larger ones first.
    """
    found = [
        r for r in scene.regions if r.part_of is None and (r.area is None or r.area >= SALIENT_AREA)
    ]
    largest: dict[str, float] = {}
    for r in found:
        largest[r.category] = max(largest.get(r.category, 0.0), r.area or 0.0)

    def key(r: RegionTruth) -> tuple[int, float, str, float]:
        known = CATEGORIES.get(r.category)
        rank = {"person": 0, "animal": 1}.get(known.group if known else "", 2)
        return rank, -largest[r.category], r.category, -(r.area or 0.0)

    return sorted(found, key=key)


def truth_to_json(truth: SceneTruth) -> dict[str, Any]:
    """A scene's truth as plain JSON values; truth_from_json reads it back equal."""
    return asdict(truth)


def truth_from_json(data: dict[str, Any]) -> SceneTruth:
    """Inverse of truth_to_json (lists become tuples again)."""

    def link(d: dict[str, Any] | None) -> Link | None:
        return None if d is None else Link(**d)

    def region(d: dict[str, Any]) -> RegionTruth:
        facets = {
            name: {facet: tuple(values) for facet, values in f.items()}
            for name, f in d["attributes"].items()
        }
        links = {"relation": link(d["relation"]), "interaction": link(d["interaction"])}
        return RegionTruth(**{**d, "attributes": facets, **links})

    return SceneTruth(**{**data, "regions": tuple(region(r) for r in data["regions"])})
