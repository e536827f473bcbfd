"""The synthetic world's truth as class numbers: what dense pretraining asks of every pixel."""

from __future__ import annotations

import numpy as np

from finecaption_synth import vocabulary as voc
from finecaption_synth.truth import INTERACTIONS, RegionTruth, SceneTruth

IGNORE = -1
_ALL = voc.CATEGORIES.values()


def _unique(*groups: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(v for g in groups for v in g))


# head -> (attribute, facet, classes)
HEADS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "category": ("Category Name", "category", (*voc.CATEGORIES, *voc.PARTS)),
    "colour": ("Color", "colour", voc.COLOURS),
    "material": ("Materials/Texture", "material", voc.MATERIALS),
    "shape": ("Shape", "shape", _unique(*(c.shapes for c in _ALL))),
    "state": ("State or Activity", "state", _unique(*(c.states for c in _ALL))),
    "text": ("Visible Text", "text", (*voc.WORDS, "no text")),
    "facing": ("Camera Viewpoint", "facing", voc.FACINGS),
    "pitch": ("Camera Viewpoint", "pitch", voc.PITCHES),
    "effect": ("Associative Visual Effect", "effect", voc.EFFECTS),
    "pose": ("Body Pose/Gesture", "pose", _unique(voc.POSES, voc.ANIMAL_POSES)),
    "build": ("Body Shape", "build", _unique(voc.BUILDS, voc.ANIMAL_BUILDS)),
    "expression": ("Facial Expression", "expression", (*voc.EXPRESSIONS, voc.HIDDEN)),
    "tone": ("Skin Texture and Color", "tone", (*voc.SKIN_TONES, voc.HIDDEN)),
    "texture": ("Skin Texture and Color", "texture", (*voc.SKIN_TEXTURES, voc.HIDDEN)),
    "coat": ("Skin Texture and Color", "coat", voc.COATS),
    "hair style": ("Hair", "style", (*voc.HAIR_STYLES, voc.HIDDEN)),
    "hair colour": ("Hair", "colour", (*voc.HAIR_COLOURS, voc.HIDDEN)),
    "garment": ("Clothing Shoes Accessories", "garment", voc.GARMENTS),
    "shoes": ("Clothing Shoes Accessories", "shoes", (*voc.SHOES, voc.HIDDEN)),
    "accessory": ("Clothing Shoes Accessories", "accessory", voc.ACCESSORIES),
    "age": ("Age Range", "age", voc.AGES),
}
CLASSES = {head: len(classes) for head, (_, _, classes) in HEADS.items()}
_TEXT = list(HEADS).index("text")
_NO_TEXT = HEADS["text"][2].index("no text")
BACKGROUND = CLASSES["category"]  # one class more for the category head: no region here

# Asked of whole regions alone: the relation and the interaction that are said first, and to what.
_THINGS = (*voc.CATEGORIES, *voc.PARTS)
LINK_HEADS: dict[str, tuple[str, ...]] = {
    "relation": (*voc.RELATIONS, "alone"),
    "related to": _THINGS,
    "interaction": (*INTERACTIONS, "none"),
    "interacts with": _THINGS,
}
LINK_CLASSES = {head: len(classes) for head, classes in LINK_HEADS.items()}


def region_labels(truth: RegionTruth) -> np.ndarray:
    """The class of a region under each head: int8 (len(HEADS),), IGNORE where none applies."""
    out = np.full(len(HEADS), IGNORE, dtype=np.int8)
    for i, (attribute, facet, classes) in enumerate(HEADS.values()):
        values = truth.attributes.get(attribute, {}).get(facet)
        told = facet == "state" and values and values[0] in (*voc.MOVING, voc.OCCUPIED)
        if values and not told:  # by the pose, and by the interaction
            out[i] = classes.index(values[0])
    return out


def link_labels(truth: RegionTruth) -> np.ndarray:
    """The class of a region under each of LINK_HEADS: int8 (len(LINK_HEADS),)."""
    values = (
        truth.relation.kind if truth.relation else "alone",
        truth.relation.category if truth.relation else None,
        truth.interaction.kind if truth.interaction else "none",
        truth.interaction.category if truth.interaction else None,
    )
    pairs = zip(LINK_HEADS.values(), values, strict=True)
    return np.array([IGNORE if v is None else c.index(v) for c, v in pairs], dtype=np.int8)


def region_row(truth: RegionTruth) -> np.ndarray:
    """Both kinds of labels of a region: int8 (len(HEADS) + len(LINK_HEADS),)."""
    return np.concatenate([region_labels(truth), link_labels(truth)])


def scene_labels(truth: SceneTruth) -> np.ndarray:
    """Class table of a scene: int8 (1 + regions, len(HEADS)); row 0 is the backdrop."""
    rows = np.full((1 + len(truth.regions), len(HEADS)), IGNORE, dtype=np.int8)
    rows[0, list(HEADS).index("category")] = BACKGROUND
    for region in truth.regions:
        rows[region.region_id] = region_labels(region)
    return rows


def _swap_sides(classes: tuple[str, ...]) -> np.ndarray:
    """The class that each class becomes in a mirror: int8 (classes,)."""
    words = {"left": "right", "right": "left"}
    swapped = [" ".join(words.get(w, w) for w in c.split()) for c in classes]
    return np.array(
        [classes.index(s) if s in classes else i for i, s in enumerate(swapped)], dtype=np.int8
    )


_MIRROR = [_swap_sides(classes) for _, _, classes in HEADS.values()]


def mirrored(rows: np.ndarray) -> np.ndarray:
    """Class rows of a scene flipped left to right: int8 (rows, len(HEADS)).

    Args:
        rows: of scene_labels. Written words do not survive a mirror, see has_text.
    """
    out = rows.copy()
    for head, table in enumerate(_MIRROR):
        known = (rows[:, head] >= 0) & (rows[:, head] < len(table))
        out[known, head] = table[rows[known, head]]
    return out


def has_text(rows: np.ndarray) -> bool:
    """Whether a region of a scene bears a word."""
    return bool(((rows[:, _TEXT] >= 0) & (rows[:, _TEXT] != _NO_TEXT)).any())
