"""Every kind of truth that the language can put into words, and text that uses every word."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

from finecaption_synth import vocabulary as voc
from finecaption_synth.paragraphs import region_paragraph, scene_paragraph
from finecaption_synth.phrases import NUMBERS
from finecaption_synth.reading import FACETS
from finecaption_synth.sentences import group_of, not_applicable, paraphrases
from finecaption_synth.truth import INTERACTIONS, Facets, Link, RegionTruth, SceneTruth

MAX_ENTITY = 20  # "(entity_id_1)" to "(entity_id_20)" are words
_RELATION = "Relative Location with Other Objects"
_INTERACTION = "Interaction with Other Objects"


def values(category: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """attribute -> facet -> every value that it can take for a category, or a part's name.

    Links are left out: any category can be at their other end. vocabulary.HIDDEN is left out.
    """
    c = voc.CATEGORIES.get(category)
    if c is None:
        out: dict[str, dict[str, tuple[str, ...]]] = {
            "One-Sentence Description": {"colour": voc.COLOURS, "category": (category,)},
            "Category Name": {"category": (category,)},
            "Color": {"colour": voc.COLOURS},
            "Visible Text": {"text": ("no text",)},
            "Camera Viewpoint": {"pitch": voc.PITCHES},
        }
        own = {
            ("Materials/Texture", "material"): voc.PART_MATERIALS.get(category, ()),
            ("Shape", "shape"): voc.part_shapes(category),
        }
        return out | {name: {facet: known} for (name, facet), known in own.items() if known}
    out = {
        "One-Sentence Description": {"colour": c.colours, "category": (category,)},
        "Category Name": {"category": (category,)},
        "Color": {"colour": c.colours},
        "Camera Viewpoint": {"facing": c.facings, "pitch": voc.PITCHES},
        "Associative Visual Effect": {"effect": voc.EFFECTS},
        "Visible Text": {"text": (*voc.WORDS, "no text")},
        "Materials/Texture": {"material": c.materials},
        "Shape": {"shape": c.shapes},
        "State or Activity": {"state": c.states},
    }
    if c.group == "person":
        out["Body Pose/Gesture"] = {"pose": voc.POSES}
        out["State or Activity"] = {"state": (*c.states, *voc.MOVING)}
        out["Body Shape"] = {"build": voc.BUILDS}
        out["Facial Expression"] = {"expression": voc.EXPRESSIONS}
        out["Age Range"] = {"age": voc.AGES}
        for name in ("Hair", "Clothing Shoes Accessories"):
            out[name] = dict(FACETS[name])
        out["Skin Texture and Color"] = {"tone": voc.SKIN_TONES, "texture": voc.SKIN_TEXTURES}
    if c.group == "animal":
        out["Body Pose/Gesture"] = {"pose": voc.ANIMAL_POSES}
        out["Body Shape"] = {"build": voc.ANIMAL_BUILDS}
        out["Skin Texture and Color"] = {"coat": voc.COATS, "colour": c.colours}
    if category == "chair":
        out["State or Activity"] = {"state": (*c.states, voc.OCCUPIED)}
    kept = {name: {k: v for k, v in facets.items() if v} for name, facets in out.items()}
    return {name: facets for name, facets in kept.items() if facets}


def _plain(value: dict[str, str]) -> Facets:
    if value.get("style") == "bald":  # has no colour
        value = {k: v for k, v in value.items() if k != "colour"}
    return {k: (v,) for k, v in value.items()}


def combinations(category: str, attribute: str) -> Iterator[Facets]:
    """All truths of one attribute of a category but for links, hidden facets included."""
    facets = values(category).get(attribute, {})
    if not facets:
        return
    fixed = attribute in ("Category Name", "One-Sentence Description")
    options = [v if fixed or k == "pitch" else (*v, voc.HIDDEN) for k, v in facets.items()]
    for chosen in product(*options):
        yield _plain(dict(zip(facets, chosen, strict=True)))


def links(facet: str) -> Iterator[Link]:
    """Every kind of link of a facet, relation or interaction, to every category and part."""
    kinds: tuple[str, ...] = voc.RELATIONS if facet == "relation" else INTERACTIONS
    for number, (kind, category) in enumerate(product(kinds, (*voc.CATEGORIES, *voc.PARTS))):
        yield Link(kind, number % MAX_ENTITY + 1, category, voc.COLOURS[number % 11])


def some_truth(category: str, rng: random.Random, region_id: int = 1) -> RegionTruth:
    """A region of a category with values drawn at random, as likely as not linked to others."""
    attributes: dict[str, Facets] = {}
    for attribute, facets in values(category).items():
        attributes[attribute] = _plain({k: rng.choice(v) for k, v in facets.items()})
    colour = attributes["Color"]["colour"][0]
    for name, facets_ in attributes.items():
        shared = name in ("One-Sentence Description", "Clothing Shoes Accessories")
        if shared or group_of(category) == "animal" and "coat" in facets_:
            facets_["colour"] = (colour,)
    found: dict[str, Link | None] = {}
    for facet, kinds in (("relation", voc.RELATIONS), ("interaction", INTERACTIONS)):
        found[facet] = None
        if rng.random() < 0.6:
            other = rng.choice((*voc.CATEGORIES, *voc.PARTS))
            number = rng.randint(1, MAX_ENTITY)
            found[facet] = Link(rng.choice(kinds), number, other, rng.choice(voc.COLOURS))
    relation, interaction = found["relation"], found["interaction"]
    attributes[_RELATION] = {"relation": (relation.value if relation else "alone",)}
    attributes[_INTERACTION] = {"interaction": (interaction.value if interaction else "none",)}
    part = None if category in voc.CATEGORIES else 1
    return RegionTruth(region_id, category, colour, attributes, part, relation, interaction)


def corpus() -> Iterable[str]:
    """Sentences and paragraphs that together use every word of the language; deterministic.

    A word-level tokenizer built from them (and from the prompts of finecaption.attributes) knows
    every word that `paraphrases`, `not_applicable` and the two paragraphs can use.
    """
    rng = random.Random(0)
    for category in (*voc.CATEGORIES, *voc.PARTS):
        for attribute in FACETS:
            yield from not_applicable(attribute, category)
            for facets in each_value_once(list(combinations(category, attribute))):
                truth = RegionTruth(1, category, "red", {attribute: facets})
                yield from paraphrases(truth, attribute)
        for _ in range(12):
            truth = some_truth(category, rng)
            yield region_paragraph(truth, rng)
            for attribute in (_RELATION, _INTERACTION):
                yield from paraphrases(truth, attribute)
    for facet, attribute in (("relation", _RELATION), ("interaction", _INTERACTION)):
        for link in links(facet):
            yield from _linked(facet, attribute, link)
    for setting, pitch, light in product(
        voc.OUTDOOR + voc.INDOOR, voc.PITCHES, ("left", "right", "soft")
    ):
        yield scene_paragraph(SceneTruth(setting, pitch, light), rng)
        names = rng.choices(list(voc.CATEGORIES), k=4)
        for regions in (names, names[:1], names[:1] * 2):
            truths = tuple(some_truth(c, rng, k) for k, c in enumerate(regions, 1))
            for _ in range(3):
                yield scene_paragraph(SceneTruth(setting, pitch, light, truths), rng)
    yield from _counted(rng)
    yield " ".join(f"(entity_id_{k})" for k in range(1, MAX_ENTITY + 1))


def _counted(rng: random.Random) -> Iterator[str]:
    """Whole images with two and more of one kind: every plural, every number."""
    for category in voc.CATEGORIES:
        for count in range(2, len(NUMBERS) + 2) if category == "cup" else (2,):
            truth = some_truth(category, rng)
            alike = tuple(replace(truth, region_id=k) for k in range(1, count + 1))
            yield scene_paragraph(SceneTruth("meadow", "eye level", "soft", alike), rng)


def each_value_once(combos: list[Facets]) -> Iterator[Facets]:
    """Of many combinations, enough that every value and every set of hidden facets occurs."""
    seen: set[tuple[str, ...]] = set()
    for facets in combos:
        said = {(k, v[0]) for k, v in facets.items()}
        hidden = ("", *sorted(k for k, v in said if v == voc.HIDDEN))
        if hidden not in seen or not said <= seen:
            seen |= {hidden, *said}
            yield facets


def _linked(facet: str, attribute: str, link: Link) -> list[str]:
    attributes: dict[str, Facets] = {attribute: {facet: (link.value,)}}
    if facet == "relation":
        truth = RegionTruth(1, "cup", "red", attributes, relation=link)
    else:
        truth = RegionTruth(1, "cup", "red", attributes, interaction=link)
    return paraphrases(truth, attribute, references=True)
