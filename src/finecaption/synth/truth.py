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
State or Activity                   state
==================================  =====================================================

A facet that applies but cannot be seen (a face from behind, feet behind a bush) has the one
value vocabulary.HIDDEN.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

Facets = dict[str, tuple[str, ...]]  # facet -> accepted values, the one to be said first

INTERACTIONS = (
    "holding", "held by", "sitting on", "sat on by", "standing on", "supporting", "wearing",
    "worn by", "attached to", "encircling", "encircled by", "leaning on", "leaned on by",
)  # fmt: skip


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
    """

    region_id: int
    category: str
    colour: str
    attributes: dict[str, Facets]
    part_of: int | None = None
    relation: Link | None = None
    interaction: Link | None = None


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
