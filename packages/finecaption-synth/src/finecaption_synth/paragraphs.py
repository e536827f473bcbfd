"""Paragraphs: a region in detail (RDC), a whole picture (CGIC)."""

from __future__ import annotations

import random

from finecaption_synth import phrases as ph
from finecaption_synth import vocabulary as voc
from finecaption_synth.sentences import (
    capital,
    garment,
    group_of,
    hair,
    join,
    named,
    paraphrases,
    said,
    thing,
    things,
    voice,
    with_article,
    worn,
)
from finecaption_synth.truth import PASSIVE, Link, RegionTruth, SceneTruth, salient

_CLOTHES = "Clothing Shoes Accessories"
_SKIN = "Skin Texture and Color"
_MAX_WORDS = 70  # of a scene's paragraph, cross-references not counted
_MAX_TOLD = 3  # sentences of a scene's paragraph on what one of its objects does


def _values(truth: RegionTruth, attribute: str) -> dict[str, str]:
    """Facets of an attribute that can be seen."""
    values = {k: said(truth, attribute, k) for k in truth.attributes.get(attribute, {})}
    return {k: v for k, v in values.items() if v is not None}


def _is(truth: RegionTruth, v: str) -> str:
    """The predicate that gives a pose or state: "is parked", "has its sail raised"."""
    f = voice(truth.category)
    had = ph.STATES_HAD.get(v)
    return f"{f['has']} {had.format(**f)}" if had else f"{f['is_']} {v}"


def _where(truth: RegionTruth, references: bool) -> list[str]:
    """Sentences on interaction and relative location, at most two."""
    out: list[str] = []
    f, interaction, relation = voice(truth.category), truth.interaction, truth.relation
    if interaction and interaction.kind != "wearing":  # what is worn is told with the clothes
        out.append(
            f"{f['He']} {f['is_']} {interaction.kind} {named(interaction, references, truth)}."
        )
    if relation is None:
        return out or [f"{f['He']} {f['is_']} alone in the image."]
    if not (interaction and interaction.other == relation.other):  # else the place is implied
        out.append(f"{f['He']} {f['is_']} {relation.kind} {named(relation, references, truth)}.")
    return out


def _worn(truth: RegionTruth, clothes: dict[str, str], references: bool) -> list[str]:
    """Shoes and accessory; an accessory that is a region of its own with its colour."""
    out, link = worn(clothes), truth.interaction
    if link is None or link.kind != "wearing":
        return out
    if link.category == "bag":
        return out
    mark = f" (entity_id_{link.other})" if references else ""
    own = thing(link.category, link.colour) + mark
    return [*(w for w in out if w != f"a {link.category}"), own]


def _carried(truth: RegionTruth, clothes: dict[str, str], references: bool) -> str | None:
    """ "carries a pink bag", with its color where it is a region of its own."""
    if clothes.get("accessory") != "bag":
        return None
    link = truth.interaction
    if link is None or link.kind != "wearing" or link.category != "bag":
        return "carries a bag"
    mark = f" (entity_id_{link.other})" if references else ""
    return f"carries {thing(link.category, link.colour)}{mark}"


def _person(truth: RegionTruth, rng: random.Random, references: bool) -> list[str]:
    f = voice(truth.category)
    build = said(truth, "Body Shape", "build")
    words = [truth.category]
    if said(truth, "Age Range", "age") == "elderly":
        words.insert(0, "elderly")
    if build in ("slim", "broad"):
        words.insert(0, build)
    who = with_article(" ".join(words)) + (" of average build" if build == "average" else "")
    clothes = _values(truth, _CLOTHES)
    who += f" in {garment(clothes) if 'garment' in clothes else truth.colour}"
    pose = said(truth, "Body Pose/Gesture", "pose")
    if pose and rng.random() < 0.5:
        out = [f"{capital(who)} {_is(truth, pose)}."]
    else:
        out = [f"{rng.choice(('This is', 'We see', 'The image shows'))} {who}."]
        if pose:
            out[0] = out[0][:-1] + f" who {_is(truth, pose)}."
    looks, hairs = [], _values(truth, "Hair")
    skin = list(_values(truth, _SKIN).values())
    expression = said(truth, "Facial Expression", "expression")
    bald = hairs.get("style") == "bald"
    if hairs and not bald:
        looks.append(hair(hairs))
    if skin:
        looks.append(" ".join(skin) + " skin")
    if expression:
        looks.append(with_article(f"{expression} expression"))
    if bald:
        out.append(f"{f['He']} is bald{', with ' + join(looks) if looks else ''}.")
    elif looks:
        out.append(f"{f['He']} has {join(looks)}.")
    elif truth.attributes.get("Facial Expression") == {"expression": (voc.HIDDEN,)}:
        out.append(f"{f['His']} face cannot be seen.")
    extra, state = _worn(truth, clothes, references), said(truth, "State or Activity", "state")
    if state == "idle" or state == pose:  # goes without saying, or is said
        state = None
    told = [f"wears {join(extra)}"] if extra else []
    carried = _carried(truth, clothes, references)
    told += [carried] if carried else []
    told += [f"is {state}"] if state else []
    return [*out, f"{f['He']} {join(told)}."] if told else out


def _animal(truth: RegionTruth, rng: random.Random) -> list[str]:
    build, coat = said(truth, "Body Shape", "build"), said(truth, _SKIN, "coat")
    pose = said(truth, "Body Pose/Gesture", "pose")
    state = said(truth, "State or Activity", "state")
    who = with_article(" ".join(w for w in (build, truth.colour, truth.category) if w))
    if coat:
        who += f" with a {coat} coat"
    if pose and rng.random() < 0.5:
        out = [f"{capital(who)} is {pose}."]
        return [*out, f"It is {state}."] if state else out
    out = [f"{rng.choice(('This is', 'We see', 'The image shows'))} {who}."]
    does = " and ".join(w for w in (pose, state) if w)
    return [*out, f"It is {does}."] if does else out


def _object(truth: RegionTruth, rng: random.Random) -> list[str]:
    f = voice(truth.category)
    shape, state = said(truth, "Shape", "shape"), said(truth, "State or Activity", "state")
    material = said(truth, "Materials/Texture", "material")
    if truth.interaction and state in ("leaning", voc.OCCUPIED):  # told with what is beside it
        state = None
    text = said(truth, "Visible Text", "text")
    part = voc.SHAPED_PARTS.get(truth.category)
    what = [shape] if shape and not part else []
    np = with_article(" ".join([*what, truth.colour, truth.category]))
    if shape and part:
        np += f" with {with_article(f'{shape} {part}')}"
    out = [f"{rng.choice(('This is', 'We see', 'The image shows'))} {np}."]
    verb = "bound in" if truth.category == "book" else "made of"
    made = f"{f['is_']} {verb} {material}" if material else ""
    does = _is(truth, state) if state else ""
    told = " and ".join(w for w in (made, does) if w)
    if does.startswith("is ") and made and rng.random() < 0.5:
        told = f"{does} and {verb} {material}"
    if told:
        out.append(f"{f['He']} {told}.")
    if text and text != "no text":
        out.append(f"{f['His']} text says {text}.")
    return out


def _part(truth: RegionTruth, rng: random.Random) -> list[str]:
    f = voice(truth.category)
    shape, material = said(truth, "Shape", "shape"), said(truth, "Materials/Texture", "material")
    np = thing(truth.category, truth.colour)
    if shape:
        words = f"{shape} {truth.colour} {truth.category}"
        np = words if f["a"] == truth.category else with_article(words)
    out = [rng.choice((f"{f['This_is']} {np}.", f"We see {np}.", f"The image shows {np}."))]
    if material:
        out.append(f"{f['He']} {f['is_']} made of {material}.")
    return out


def region_paragraph(truth: RegionTruth, rng: random.Random, references: bool = False) -> str:
    """RDC: a paragraph of three to five sentences on a region.

    Category, colour, then as far as they apply and can be seen build, clothing or material,
    pose or state, shape, face, text, location, and the effect of light on it.

    Args:
        rng: chooses between wordings; the same state gives the same text.
        references: whether regions that are named carry "(entity_id_k)".
    """
    group = group_of(truth.category)
    if group == "person":
        out = _person(truth, rng, references)
    else:
        out = {"animal": _animal, "part": _part}.get(group, _object)(truth, rng)
    out += _where(truth, references)
    effect = truth.attributes.get("Associative Visual Effect")
    if effect and (len(out) < 3 or len(out) < 5 and effect["effect"] != ("no effect",)):
        says = paraphrases(truth, "Associative Visual Effect")
        says = [s for s in says if not s.startswith("The ")]
        out.append(rng.choice(says))
    if len(out) < 3 and "Camera Viewpoint" in truth.attributes:
        he = voice(truth.category)["He"] + " "
        says = [s for s in paraphrases(truth, "Camera Viewpoint") if s.startswith(he)]
        out.append(rng.choice(says))
    return " ".join(out[:5])


def _doing(truth: RegionTruth) -> str | None:
    """State or activity; of the idle, the pose."""
    state = said(truth, "State or Activity", "state")
    return said(truth, "Body Pose/Gesture", "pose") if state == "idle" else state


class _Cast:
    """The objects that a scene's paragraph names, counted by what they are called."""

    def __init__(self, regions: list[RegionTruth]) -> None:
        self.counts: dict[tuple[str, str], int] = {}
        for r in regions:
            self.counts[r.category, r.colour] = self.counts.get((r.category, r.colour), 0) + 1

    def listed(self) -> str:
        """ "a man in red, two brown cats and a car"."""
        return join([things(*name, count) for name, count in self.counts.items()])

    def the(self, category: str, colour: str) -> str:
        """ "the red car"; "one of the red cars" if there are several."""
        if self.counts.get((category, colour), 1) == 1:
            return thing(category, colour, "the")
        several = things(category, colour, 2).removeprefix(ph.NUMBERS[0] + " ")
        return f"one of the {several}"

    def link(self, r: RegionTruth, link: Link, references: bool) -> str:
        """ "The man in red is holding the cup."."""
        other = self.the(link.category, link.colour)
        if references:
            other += f" (entity_id_{link.other})"
        return f"{capital(self.the(r.category, r.colour))} is {link.kind} {other}."


def _told(shown: list[RegionTruth], cast: _Cast, rng: random.Random, references: bool) -> list[str]:
    """Sentences on some of the objects: interactions first, then activities and places."""
    ids = {r.region_id for r in shown}
    first: list[tuple[int, str]] = []
    then: list[tuple[int, str]] = []
    paired: set[frozenset[int]] = set()
    order = rng.sample(shown, len(shown))
    # "The man is holding the cup" rather than "the cup is held by the man".
    order.sort(key=lambda r: r.interaction is None or r.interaction.kind in PASSIVE)
    for r in order:
        for link, out in ((r.interaction, first), (r.relation, then)):
            if link is None or link.other not in ids:
                continue
            alike = (r.category, r.colour) == (link.category, link.colour)
            pair = frozenset((r.region_id, link.other))
            if not alike and pair not in paired:
                paired.add(pair)
                out.append((r.region_id, cast.link(r, link, references)))
        does = _doing(r)
        if does:
            sentence = f"{capital(cast.the(r.category, r.colour))} {_is(r, does)}."
            then.append((r.region_id, sentence))
    rng.shuffle(then)
    spoken = {number for number, _ in first}
    then.sort(key=lambda pair: pair[0] in spoken)  # those first of whom nothing is said yet
    return list(dict.fromkeys(sentence for _, sentence in first + then))[:_MAX_TOLD]


def scene_paragraph(scene: SceneTruth, rng: random.Random, references: bool = False) -> str:
    """CGIC: a paragraph of three to six sentences, at most 70 words, on a whole image.

    Setting, viewpoint, light; every salient object (truth.salient) once, counted, the foremost
    first; then what a few of them do, or where they are.

    Args:
        rng: chooses between wordings and what is told; the same state gives the same text.
        references: whether regions that are named in relations carry "(entity_id_k)".
    """
    setting, at = ph.SETTINGS[scene.setting], ph.PITCH[scene.pitch]
    opening = (
        f"The image shows {setting}, seen {at}.",
        f"This is {setting}, viewed {at}.",
        f"We see {setting} {at}.",
    )
    out = [rng.choice(opening), rng.choice(ph.LIGHT[scene.light])]
    shown = salient(scene)
    if not shown:
        return " ".join([*out, "There is nothing in it."])
    cast = _Cast(shown)
    there = "In view are" if len(shown) > 1 else "In view is"
    out.append(f"{rng.choice((there, 'Here we see'))} {cast.listed()}.")
    words = sum(len(s.split()) for s in out)
    for sentence in _told(shown, cast, rng, references):
        words += len(sentence.split()) - (" (entity_id_" in sentence)
        if words > _MAX_WORDS:
            break
        out.append(sentence)
    return " ".join(out)
