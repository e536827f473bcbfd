"""Sentences on one attribute of a region, written from its truth."""

from __future__ import annotations

from finecaption_synth import phrases as ph
from finecaption_synth import vocabulary as voc
from finecaption_synth.truth import Facets, Link, RegionTruth

_PLURALS = ("flowers", "wheels")
_MALE, _FEMALE = ("man", "boy"), ("woman", "girl")
_LIVING = {c.name for c in voc.CATEGORIES.values() if c.group in ("person", "animal", "plant")}
_LIVING.add("flowers")


def group_of(category: str) -> str:
    """The group of a category of vocabulary.CATEGORIES, or "part"."""
    known = voc.CATEGORIES.get(category)
    return known.group if known else "part"


def with_article(words: str) -> str:
    """ "an orange car": the phrase after its indefinite article."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def capital(text: str) -> str:
    """The text with its first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def plural(noun: str) -> str:
    """ "cats", "buses", "men"."""
    if noun in ph.PLURALS:
        return ph.PLURALS[noun]
    if noun in _PLURALS:
        return noun
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def things(category: str, colour: str, count: int) -> str:
    """ "a red car", "two brown cats", "three men in red"."""
    if count == 1:
        return thing(category, colour)
    number = ph.NUMBERS[min(count - 2, len(ph.NUMBERS) - 1)]
    if group_of(category) == "person":
        return f"{number} {plural(category)} in {colour}"
    return f"{number} {colour} {plural(category)}"


def thing(category: str, colour: str, article: str = "a") -> str:
    """ "a red car", "the man in red", "red flowers": how a region is named."""
    if group_of(category) == "person":
        return f"{article} {category} in {colour}"
    words = f"{colour} {category}"
    if article == "a":
        return words if category in _PLURALS else with_article(words)
    return f"{article} {words}"


def named(link: Link, references: bool = False, own: RegionTruth | None = None) -> str:
    """The other end of a link: "the red car", with references "the red car (entity_id_3)".

    Args:
        own: the region that is spoken of; its like is "the other red car".
    """
    alike = own is not None and (own.category, own.colour) == (link.category, link.colour)
    words = thing(link.category, link.colour, "the other" if alike else "the")
    return f"{words} (entity_id_{link.other})" if references else words


def voice(category: str) -> dict[str, str]:
    """Fields of the patterns in phrases.py that a region's noun decides: see there."""
    plural = category in _PLURALS
    if category in _MALE:
        he, him, his = "he", "him", "his"
    elif category in _FEMALE:
        he, him, his = "she", "her", "her"
    elif plural:
        he, him, his = "they", "them", "their"
    else:
        he, him, his = "it", "it", "its"
    a = category if plural else with_article(category)
    return {
        "noun": category, "the": f"the {category}", "The": f"The {category}",
        "a": a, "A": capital(a), "he": he, "He": capital(he), "him": him,
        "his": his, "His": capital(his), "This": "These" if plural else "This",
        "This_is": "These are" if plural else "This is", "is_": "are" if plural else "is",
        "has": "have" if plural else "has", "s": "" if plural else "s",
    }  # fmt: skip


def _is_plural(truth: RegionTruth) -> bool:
    return truth.category in _PLURALS


def said(truth: RegionTruth, attribute: str, facet: str) -> str | None:
    """The value that is to be said; None when it does not apply or cannot be seen."""
    values = truth.attributes.get(attribute, {}).get(facet)
    return None if not values or values[0] == voc.HIDDEN else values[0]


def join(parts: list[str]) -> str:
    """ "a, b and c"."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _fill(patterns: tuple[str, ...], fields: dict[str, str], v: str = "", **more: str) -> list[str]:
    values = {**fields, **more, "v": v}
    if v:
        values["an_v"] = with_article(v)
        values["V"] = capital(v)
    return list(dict.fromkeys(p.format(**values) for p in patterns))


def _tails(sentences: list[str], hidden: list[str]) -> list[str]:
    """Adds what cannot be seen to sentences on what can."""
    if not hidden:
        return sentences
    tail = ph.HIDDEN_TAIL.format(v=" and ".join(ph.FACET_NOUNS[f] for f in hidden))
    return [s.removesuffix(".") + tail for s in sentences]


def _skin(f: dict[str, str], v: dict[str, str]) -> list[str]:
    if "tone" in v or "texture" in v:
        both = [v[k] for k in ("tone", "texture") if k in v]
        np, pair = " ".join(both) + " skin", join(both)
        skin = (
            "{The} {has} {np}.",
            "{He} {has} {np}.",
            "{His} skin is {v}.",
            "The skin of {the} is {v}.",
        )
        return _fill(skin, f, pair, np=np)
    both = [v[k] for k in ("coat", "colour") if k in v]
    np, pair = " ".join(both) + " coat", join(both[::-1])
    coat = (
        "{The} {has} {np}.",
        "{He} {has} {np}.",
        "{His} coat is {v}.",
        "The coat of {the} is {v}.",
    )
    return _fill(coat, f, pair, np=with_article(np))


def hair(v: dict[str, str]) -> str:
    """ "short black hair", "red hair in a bun"; style and colour as far as v holds them."""
    colour = v.get("colour")
    words = f"{colour} hair" if colour else "hair"
    style = v.get("style")
    if style == "bun":
        return words + " in a bun"
    return f"{style} {words}" if style else words


def _hair(f: dict[str, str], v: dict[str, str]) -> list[str]:
    if v.get("style") == "bald":
        bald = (
            "{The} {is_} bald.",
            "{He} {is_} bald.",
            "{His} head is bald.",
            "{This} {noun} {is_} bald.",
        )
        return _fill(bald, f)
    pattern = (
        "{The} {has} {np}.",
        "{He} {has} {np}.",
        "We see {his} {np}.",
        "{This} {noun} {has} {np}.",
    )
    return _fill(pattern, f, np=hair(v))


def garment(v: dict[str, str]) -> str:
    """ "a red coat", "blue overalls", "green clothes"."""
    words = " ".join(v[k] for k in ("colour", "garment") if k in v)
    if "garment" not in v:
        return words + " clothes"
    return words if v["garment"] == "overalls" else with_article(words)


def worn(v: dict[str, str]) -> list[str]:
    """Shoes and accessory as a list of phrases, as far as seen; a bag, which is carried, is not."""
    out = [v["shoes"]] if "shoes" in v else []
    accessory = v.get("accessory")
    if accessory and accessory not in ("no accessories", "bag"):
        out.append(accessory if accessory == "glasses" else with_article(accessory))
    return out


def _clothing(f: dict[str, str], v: dict[str, str]) -> list[str]:
    items = [garment(v)] if "garment" in v or "colour" in v else []
    items += worn(v)
    if not items:
        return _fill(ph.ACCESSORY, f, "a bag" if v.get("accessory") == "bag" else "no accessories")
    tail = {"no accessories": ", with no accessories", "bag": ", and carries a bag"}
    return _fill(ph.CLOTHES, f, join(items), tail=tail.get(v.get("accessory", ""), ""))


def _viewpoint(f: dict[str, str], v: dict[str, str]) -> list[str]:
    at = ph.PITCH[v["pitch"]] if "pitch" in v else "here"
    facing = v.get("facing")
    if facing is None:
        return _fill(ph.VIEW, f, at=at)
    if facing in ph.FACES:
        joint = " and" if at == "from above" else ","
        return _fill(ph.VIEW_FACE, f, ph.FACES[facing], at=at, join=joint)
    return _fill(ph.VIEW_SIDE, f, facing, at=at)


def _described(f: dict[str, str], truth: RegionTruth, v: dict[str, str]) -> list[str]:
    colour, category = v.get("colour"), v.get("category", truth.category)
    np = thing(category, colour) if colour else f["a"]
    out = _fill(ph.DESCRIPTION, f, a_thing=np, A_thing=capital(np))
    pose = said(truth, "Body Pose/Gesture", "pose")
    if pose:
        out.append(
            capital(np)
            + (" with " + f["his"] if pose == "arms raised" else " is")
            + " "
            + pose
            + "."
        )
    return out


def _one_facet(
    f: dict[str, str], truth: RegionTruth, attribute: str, v: str, references: bool
) -> list[str]:
    group = group_of(truth.category)
    if attribute == "Category Name":
        return _fill(ph.CATEGORY, f)
    if attribute == "Body Pose/Gesture":
        return _fill(ph.ARMS_RAISED if v == "arms raised" else ph.POSE, f, v)
    if attribute == "Body Shape":
        return _fill(ph.ANIMAL_BUILD if group == "animal" else ph.PERSON_BUILD, f, v)
    if attribute == "Facial Expression":
        return _fill(ph.EXPRESSION, f, v)
    if attribute == "Age Range":
        return _fill(ph.AGE_ADJECTIVE if v == "elderly" else ph.AGE_NOUN, f, v)
    if attribute == "Color":
        return _fill(ph.PERSON_COLOUR if group == "person" else ph.COLOUR, f, v)
    if attribute == "Materials/Texture":
        return _fill(ph.BOUND if truth.category == "book" else ph.MATERIAL, f, v)
    if attribute == "Shape":
        part = voc.SHAPED_PARTS.get(truth.category)
        if part:
            return _fill(ph.SHAPE_OF_PART, f, v, part=part)
        noun = f"{v} {truth.category}"
        return _fill(ph.SHAPE, f, v, v_noun=noun if _is_plural(truth) else with_article(noun))
    if attribute == "Associative Visual Effect":
        return _fill(ph.EFFECTS["shadow" if v.startswith("shadow") else v], f, v)
    if attribute == "Visible Text":
        return _fill(ph.NO_TEXT if v == "no text" else ph.TEXT, f, v)
    if attribute == "State or Activity":
        had = ph.STATES_HAD.get(v)
        return _fill(ph.STATE_HAD, f, had.format(**f)) if had else _fill(ph.STATE, f, v)
    if attribute == "Relative Location with Other Objects":
        link, some, none = truth.relation, ph.RELATION, ph.ALONE
    elif attribute == "Interaction with Other Objects":
        link, some, none = truth.interaction, ph.INTERACTION, ph.NO_INTERACTION
    else:
        raise KeyError(f'no wording for the attribute "{attribute}"; see finecaption.attributes')
    if link is None or v in ("alone", "none"):
        return _fill(none, f)
    return _fill(some, f, link.kind, other=named(link, references, truth))


_SEVERAL = {
    "Skin Texture and Color": _skin,
    "Hair": _hair,
    "Clothing Shoes Accessories": _clothing,
    "Camera Viewpoint": _viewpoint,
}


def paraphrases(truth: RegionTruth, attribute: str, references: bool = False) -> list[str]:
    """Three to five sentences that say the same of one attribute of a region.

    Each states every facet of the attribute: its first accepted value, or that it cannot be
    seen. With `references`, a region that is named carries its cross-reference,
    "(entity_id_3)", as CompositionCap's captions do.

    Args:
        truth: the region.
        attribute: a name of finecaption.attributes.ATTRIBUTE_NAMES. One that does not apply to
            the region (absent from truth.attributes) gives `not_applicable`.

    Raises:
        KeyError: the attribute is not one of the 18.
    """
    facets: Facets | None = truth.attributes.get(attribute)
    if not facets:
        return not_applicable(attribute, truth.category)
    f = voice(truth.category)
    v = {k: values[0] for k, values in facets.items() if values[0] != voc.HIDDEN}
    hidden = [k for k in facets if k not in v]
    if not v:
        noun = ph.WHOLE_NOUNS.get(attribute) or ph.FACET_NOUNS[hidden[0]]
        return _fill(ph.HIDDEN, f, noun)
    if attribute == "One-Sentence Description":
        return _tails(_described(f, truth, v), hidden)
    if attribute in _SEVERAL:
        return _tails(_SEVERAL[attribute](f, v), hidden)
    return _one_facet(f, truth, attribute, next(iter(v.values())), references)


def not_applicable(attribute: str, category: str) -> list[str]:
    """Sentences that say that an attribute means nothing for a category: "The cup has no hair."

    Each names the thing. reading.is_not_applicable recognizes them.
    """
    f = voice(category)
    lacks = ph.LACKS.get(attribute)
    if lacks is None:
        return _fill(ph.NO_QUESTION, f)
    if attribute == "Materials/Texture" and category in _LIVING:
        return _fill(ph.NOT_MADE, f)
    v, tail = lacks[0].format(**f), ph.LACK_TAILS.get(attribute, "")
    return _fill(ph.LACK, f, v, tail=tail, brief=v.partition(" of ")[0])
