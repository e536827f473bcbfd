"""Reads values back from captions, as a model writes them, and scores them against the truth."""

from __future__ import annotations

import re
from functools import cache

from finecaption_synth import phrases as ph
from finecaption_synth import vocabulary as voc
from finecaption_synth.truth import INTERACTIONS, Facets

_STATES = tuple(
    dict.fromkeys(
        [*(s for c in voc.CATEGORIES.values() for s in c.states), *voc.MOVING, voc.OCCUPIED]
    )
)
_SHAPES = tuple(
    dict.fromkeys(
        [
            *(s for c in voc.CATEGORIES.values() for s in c.shapes),
            *(s for part in voc.PARTS for s in voc.part_shapes(part)),
        ]
    )
)
_NOUNS = (*voc.CATEGORIES, *voc.PARTS)

# attribute -> facet -> values
FACETS: dict[str, dict[str, tuple[str, ...]]] = {
    "One-Sentence Description": {"colour": voc.COLOURS, "category": _NOUNS},
    "Category Name": {"category": _NOUNS},
    "Body Pose/Gesture": {"pose": tuple(dict.fromkeys(voc.POSES + voc.ANIMAL_POSES))},
    "Body Shape": {"build": tuple(dict.fromkeys(voc.BUILDS + voc.ANIMAL_BUILDS))},
    "Facial Expression": {"expression": voc.EXPRESSIONS},
    "Skin Texture and Color": {
        "tone": voc.SKIN_TONES,
        "texture": voc.SKIN_TEXTURES,
        "coat": voc.COATS,
        "colour": voc.ANIMAL_COLOURS,
    },
    "Hair": {"style": voc.HAIR_STYLES, "colour": voc.HAIR_COLOURS},
    "Clothing Shoes Accessories": {
        "garment": voc.GARMENTS,
        "colour": voc.COLOURS,
        "shoes": voc.SHOES,
        "accessory": voc.ACCESSORIES,
    },
    "Age Range": {"age": voc.AGES},
    "Color": {"colour": voc.COLOURS},
    "Materials/Texture": {"material": voc.MATERIALS},
    "Shape": {"shape": _SHAPES},
    "Camera Viewpoint": {"facing": (), "pitch": voc.PITCHES},  # facing: by its synonyms alone
    "Associative Visual Effect": {"effect": voc.EFFECTS},
    "Interaction with Other Objects": {"interaction": INTERACTIONS},
    "Relative Location with Other Objects": {"relation": voc.RELATIONS},
    "Visible Text": {"text": (*voc.WORDS, "no text")},
    "State or Activity": {"state": _STATES},
}
_LINKED = ("relation", "interaction")
_HEAD = ("One-Sentence Description", "Category Name", "Color")  # speak of the region alone
_PEOPLE, _ANIMALS = ("tone", "texture"), ("coat", "colour")  # facets of skin, and of coats

_REFERENCE = re.compile(r"\(?\s*entity[\s_]*id[\s_]*\d+\s*\)?")
_PREAMBLE = re.compile(r"\b(?:picture|image|photo|photograph|drawing|view) of\b")
_HIDDEN = re.compile(
    r"\b(?:can ?not be seen|can ?not see|can t be seen|hidden|not visible|out of sight|invisible"
    r"|not seen)\b"
)
_NO_QUESTION = r"does not apply|do not apply|not applicable"
_OWN = r"(?:his|her|its|their)"
_FILLER = r"(?:the other |the |a |an |another |this |that |his |her |its |their )?"


def normal(text: str) -> str:
    """Lower case; hyphens as spaces; no entity references, no "picture of"; stops apart."""
    text = _PREAMBLE.sub(" ", _REFERENCE.sub(" ", text.lower()))
    text = re.sub(r"[-_\u2010-\u2015'\u2019]", " ", text)
    text = re.sub(r"[.;!?]+", " . ", text)
    text = re.sub(r"[^\w. ]", " , ", text)
    return " ".join(text.split())


def _any(words: list[str]) -> str:
    """A regex group of phrases, the longest first."""
    return "(?:" + "|".join(re.escape(w) for w in sorted(words, key=len, reverse=True)) + ")"


def _spellings(facet: str, values: tuple[str, ...], hair: bool = False) -> dict[str, str]:
    """Normalised phrase -> canonical value."""
    out = {" ".join(v.lower().replace("-", " ").split()): v for v in values}
    out.update(ph.SYNONYMS.get(facet, {}))
    if hair:
        out.update(ph.SYNONYMS["colour of hair"])
    return out


@cache
def _lexicon(attribute: str) -> tuple[re.Pattern[str], dict[str, list[tuple[str, str]]]]:
    """(pattern that finds phrases, phrase -> [(facet, value)]) of an attribute without links."""
    meaning: dict[str, list[tuple[str, str]]] = {}
    for facet, values in FACETS[attribute].items():
        words = _spellings(facet, values, attribute == "Hair" and facet == "colour")
        for phrase, value in words.items():
            meaning.setdefault(phrase, []).append((facet, value))
    phrases = _any(list(meaning))
    # A value that is denied ("not red") is passed over, unless the denial is itself a value.
    return re.compile(rf"\b(?P<v>{phrases})\b|\b(?:not|no|without) {_FILLER}{phrases}\b"), meaning


@cache
def _links(facet: str) -> tuple[re.Pattern[str], dict[str, str], dict[str, str]]:
    """(pattern of kind and noun, phrase -> kind, phrase -> category) of a facet of links."""
    values: tuple[str, ...] = voc.RELATIONS if facet == "relation" else INTERACTIONS
    kinds = _spellings(facet, values)
    nouns = _spellings("category", _NOUNS)
    kind, noun = _any(list(kinds)), _any(list(nouns))
    between = rf"(?:(?!{kind}\b)\w+ ){{0,4}}?"  # "the small red", never another kind
    return re.compile(rf"\b(?P<k>{kind}) {between}(?P<n>{noun})\b"), kinds, nouns


@cache
def _writing() -> re.Pattern[str]:
    return re.compile(rf"\b(?:reads?|says|is) {_any([w.lower() for w in voc.WORDS])}\b")


def without_writing(text: str) -> str:
    """A text in lower case without the words that it reads off a sign: "it reads books"."""
    return _writing().sub(" ", text)


def link_kinds() -> tuple[str, ...]:
    """Every phrase that leads on to another thing: "behind", "held by", "leans on"."""
    return (*_links("relation")[1], *_links("interaction")[1])


@cache
def _asides() -> re.Pattern[str]:
    """What a sentence says of other things: "on the brown table", "filled with flowers"."""
    kinds = [*link_kinds(), "of", "with", "next to", "near", "beside"]
    nouns = _any(list(_links("relation")[2]))
    colours = _any([*voc.COLOURS, "gray"])
    return re.compile(
        rf"\bfilled with flowers\b|\b{_any(kinds)} {_FILLER}(?:{colours} )?{nouns}\b"
        rf"(?: in {colours}\b)?"
    )


@cache
def _lacks(attribute: str | None) -> re.Pattern[str]:
    """What says that an attribute (None: any) means nothing for a region."""
    names = ph.LACKS if attribute is None else (attribute,)
    phrases = [p for name in names for p in ph.LACKS.get(name, ())]
    out = [_NO_QUESTION]
    if phrases:
        longest = sorted((p.format(his=_OWN) for p in phrases), key=len, reverse=True)
        out.append(rf"no (?:{'|'.join(longest)})")
    if attribute in (None, "Materials/Texture"):
        out.append(r"not made of (?:a|any) (?:distinct )?material")
    return re.compile(rf"\b(?:{'|'.join(out)})\b")


def is_not_applicable(text: str, attribute: str | None = None) -> bool:
    """Whether a text says that the attribute means nothing for the region ("It has no hair.").

    Args:
        attribute: the one that was asked for, one of finecaption.attributes: to have no hair is
            then no answer to a question about shape. None takes any.
    """
    return _lacks(attribute).search(normal(text)) is not None


def is_abstention(text: str) -> bool:
    """Whether a text says nothing but that something cannot be seen, or does not apply.

    "His expression cannot be seen." and "It has no hair." are; "He has short hair; the colour
    cannot be seen." is not, since it states a value.
    """
    told = normal(text)
    if _lacks(None).search(told):
        return True
    parts = [p for p in re.split(r" \. | but | while ", f" {told} ") if p.strip(" .,")]
    return bool(parts) and all(_HIDDEN.search(part) for part in parts)


def _pairs(facet: str, text: str) -> list[str]:
    pattern, kinds, nouns = _links(facet)
    found = [f"{kinds[m['k']]}|{nouns[m['n']]}" for m in pattern.finditer(text)]
    empty = "alone" if facet == "relation" else "none"
    if any(re.search(rf"\b{word}\b", text) for word in ph.NOTHING[facet]):
        found.append(empty)
    return found


def _unseen(text: str, facets: list[str], found: dict[str, list[str]]) -> None:
    """Adds vocabulary.HIDDEN to the facets of which a text says that they cannot be seen."""
    for part in re.split(r" \. | but | while ", f" {text} "):
        if _HIDDEN.search(part) is None:
            continue
        pointed = [f for w in part.split() for f in ph.POINTERS.get(w, ()) if f in facets]
        for facet in pointed if pointed and len(facets) > 1 else facets:
            if pointed or not found[facet]:
                found[facet].append(voc.HIDDEN)


def stated(attribute: str, text: str) -> dict[str, tuple[str, ...]]:
    """Every value that a text states, by facet, in the order of the text, each once.

    Case, punctuation, hyphens and entity references do not count; the longest phrase wins
    ("striped sweater" is no "striped"); a value that is denied ("not red") is not stated.

    Args:
        attribute: one of the 18 names of finecaption.attributes.

    Raises:
        KeyError: the attribute is not one of the 18.
    """
    facets = list(FACETS[attribute])
    found: dict[str, list[str]] = {facet: [] for facet in facets}
    text = normal(text)
    if _lacks(None).search(text):
        return {facet: (ph.NOT_APPLICABLE,) for facet in facets}
    if facets[0] in _LINKED:
        found[facets[0]] = _pairs(facets[0], text)
        if not found[facets[0]]:
            _unseen(text, facets, found)
    else:
        words = _asides().sub(" ", text) if attribute in _HEAD else text
        pattern, meaning = _lexicon(attribute)
        if attribute in _HEAD and pattern.search(words) is None:
            words = text  # nothing but asides
        for match in pattern.finditer(words):
            for facet, value in meaning.get(match["v"] or "", ()):
                found[facet].append(value)
        if attribute == "Skin Texture and Color":
            skin = re.search(r"\bskin\b", words) is not None
            coat = re.search(r"\b(?:coat|fur)\b", words) is not None
            for facet in (_ANIMALS if skin else _PEOPLE) if skin != coat else ():
                found[facet].clear()
        _unseen(text, facets, found)
    return {facet: tuple(dict.fromkeys(values)) for facet, values in found.items()}


def parse(attribute: str, text: str) -> dict[str, str | None]:
    """What a text states of an attribute: facet -> canonical value.

    None where nothing is said; "red / blue" where a text contradicts itself (no canonical value
    contains " / "); "not applicable" for every facet where `is_not_applicable` holds. Links are
    "kind|category", as truth.Link.value. Facets that the attribute has for other groups only
    (the coat of animals, for people) are present too.

    Raises:
        KeyError: the attribute is not one of the 18.
    """
    return {k: " / ".join(v) if v else None for k, v in stated(attribute, text).items()}


def score(attribute: str, text: str, facets: Facets) -> dict[str, bool]:
    """Whether a text is right, facet by facet: it states one value and the truth accepts it.

    A text that states two different values of a facet is wrong. Of links (interaction, relative
    location) a text may name several, when the truth accepts each.

    Args:
        attribute: one of the 18 names of finecaption.attributes.
        text: what the model wrote.
        facets: the truth: facet -> accepted values.

    Raises:
        KeyError: the attribute is not one of the 18.
    """
    found = stated(attribute, text)
    out = {}
    for facet, accepted in facets.items():
        values = found.get(facet, ())
        several = len(values) == 1 or facet in _LINKED
        out[facet] = bool(values) and several and all(v in accepted for v in values)
    return out
