"""Mentions of regions in the texts, and the relations that the texts state.

A region's name is read from its captions: the noun from the category, the color words from the
color. Another region's text mentions it where the noun occurs and the color words before it, if
any, match. The code parses plain English captions and does not depend on the synthetic world.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Texts = Mapping[str, str]
"""What was said of one region: attribute name, "dense" or "global" -> text."""

COLOURS = frozenset(
    {
        "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white",
        "grey", "gray", "gold", "golden", "silver", "beige", "tan", "violet", "turquoise", "cyan",
        "magenta", "maroon", "navy", "cream", "blond",
    }
)  # fmt: skip
_SAME = {"gray": "grey", "golden": "gold"}
_FILLER = frozenset(
    {
        "a", "an", "the", "this", "that", "these", "those", "is", "are", "was", "it", "its", "he",
        "his", "she", "her", "they", "we", "you", "one", "see", "here", "there", "shows", "show",
        "picture", "image", "photo", "drawing", "view", "region", "object", "thing", "kind",
        "type", "category", "name", "of", "in", "called", "can", "be", "seen", "looks", "like",
        "what", "with", "and",
    }
)  # fmt: skip
# People are never named by a color and a noun: the color is that of their clothes.
_PEOPLE = frozenset(
    [
        "man",
        "woman",
        "boy",
        "girl",
        "person",
        "child",
        "kid",
        "baby",
        "toddler",
        "infant",
        "lady",
        "gentleman",
        "guy",
        "teenager",
        "teen",
        "adult",
        "human",
        "pedestrian",
        "player",
        "worker",
        "rider",
        "driver",
        "passenger",
        "skier",
        "surfer",
        "skater",
        "cyclist",
        "dancer",
        "soldier",
        "nurse",
        "doctor",
        "chef",
        "bride",
        "groom",
        "men",
        "women",
        "boys",
        "girls",
        "people",
        "persons",
        "children",
        "kids",
    ]
)
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_DRESSED = re.compile(r"\s+(?:dressed )?in ([A-Za-z]+)\b")  # "the boy in grey"
_ENTITY = re.compile(r"entity_id_(\d+)")

RELATIONS = (
    "to the left of", "to the right of", "on the left of", "on the right of", "on top of",
    "in front of", "next to", "close to", "leaned on by", "sat on by", "sitting on", "standing on",
    "leaning on", "lying on", "attached to", "encircled by", "supported by", "held by", "worn by",
    "part of", "holding", "holds", "wearing", "wears", "supporting", "supports", "encircling",
    "inside", "behind", "beside", "beneath", "below", "above", "under", "over", "near", "between",
    "against", "around", "with", "on", "in", "at", "by",
)  # fmt: skip
"""Looked for between a text's subject and a mention; of those that end there, the first is it."""

RELATION_ATTRIBUTES = ("Relative Location with Other Objects", "Interaction with Other Objects")


@dataclass(frozen=True)
class Name:
    """The name of a region."""

    noun: str
    """Lower case, without colors: "boat", "street lamp"."""
    colours: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """For lists: "white umbrella"; of people "man in white"."""
        color = sorted(self.colours)[:1]
        if self.noun.split()[-1] in _PEOPLE:
            return " in ".join([self.noun, *color])
        return " ".join([*color, self.noun])


@dataclass(frozen=True)
class Mention:
    """A stretch of a text that names other regions."""

    region: int | None
    """Whose text; None: that on the whole image."""
    name: str
    """Of the text: attribute, "dense" or "global"."""
    start: int
    end: int
    targets: tuple[int, ...]
    """The regions that it may mean; several where the text does not tell them apart."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "region": self.region,
            "name": self.name,
            "start": self.start,
            "end": self.end,
            "targets": list(self.targets),
        }


@dataclass(frozen=True)
class Relation:
    """An edge of the graph."""

    source: int
    target: int
    label: str
    text: str
    """The sentence that says it; empty for what the masks say."""
    origin: str
    """"text" or "mask"."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "source": self.source,
            "target": self.target,
            "label": self.label,
            "text": self.text,
            "from": self.origin,
        }


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _colour(word: str) -> str:
    return _SAME.get(word, word)


def name_of(texts: Texts) -> Name | None:
    """The name of a region from its captions; None if nothing names it."""
    noun = [
        word
        for word in _words(texts.get("Category Name", ""))
        if word not in _FILLER and word not in COLOURS
    ]
    sentence = texts.get("One-Sentence Description", "")
    first = _first_phrase(sentence)
    if not noun:
        noun = [word for word in first if word not in COLOURS][-1:]
    if not noun:
        return None
    told = [word for word in _words(texts.get("Color", "")) if word in COLOURS] or [
        word for word in first if word in COLOURS
    ]
    return Name(" ".join(noun[-2:]), frozenset(map(_colour, told)))


def _first_phrase(sentence: str) -> list[str]:
    """The words after the first article, up to what is no part of the noun phrase: "A red boat is
    on the lake" -> red, boat."""
    found: list[str] = []
    for word in _words(re.split(r"[.,;:]", sentence)[0]):
        ends = word in {"on", "at", "to", "by"} or word.endswith("ing")
        if word in _FILLER or (found and ends):
            if found:
                break
            continue
        found.append(word)
        if len(found) == 4:
            break
    return found


def find_mentions(
    texts: Mapping[int | None, Texts], names: Mapping[int, Name] | None = None
) -> list[Mention]:
    """All mentions of regions in the texts of others.

    Args:
        texts: region id (None: the whole image) -> its texts.
        names: region id -> its name; read from the texts if None.
    """
    if names is None:
        read = {key: name_of(said) for key, said in texts.items() if key is not None}
        names = {key: name for key, name in read.items() if name is not None}
    found: list[Mention] = []
    for region, said in texts.items():
        own = None if region is None else names.get(region)
        for name, text in said.items():
            found += _in_text(region, own, name, text, names)
    return found


def _in_text(
    region: int | None, own: Name | None, name: str, text: str, names: Mapping[int, Name]
) -> Iterable[Mention]:
    taken: list[tuple[int, int]] = []
    for match in _ENTITY.finditer(text):
        target = int(match.group(1))
        if target in names and target != region:
            taken.append(match.span())
            yield Mention(region, name, *match.span(), (target,))
    nouns = sorted({one.noun for one in names.values()}, key=len, reverse=True)
    for noun in nouns:
        for match in re.finditer(rf"\b{re.escape(noun)}(?:s|es)?\b", text, re.IGNORECASE):
            start, end = match.span()
            if any(start < b and a < end for a, b in taken):
                continue
            colours, start, other = _before(text, start)
            dressed = _DRESSED.match(text, end)
            if dressed and dressed.group(1).lower() in COLOURS:
                colours, end = colours | {_colour(dressed.group(1).lower())}, dressed.end()
            alike = [
                key
                for key, one in names.items()
                if key != region
                and one.noun == noun
                and (not colours or not one.colours or colours & one.colours)
            ]
            itself = (
                own is not None
                and own.noun == noun
                and not other
                and (not colours or not own.colours or bool(colours & own.colours))
            )
            if alike and not itself:
                taken.append((start, end))
                yield Mention(region, name, start, end, tuple(alike))


def _before(text: str, start: int) -> tuple[frozenset[str], int, bool]:
    """Color words among the three words before a noun, where its phrase begins, and whether it
    is "another" or "the other" one."""
    colours: set[str] = set()
    begin, other = start, False
    for match in list(_WORD.finditer(text, 0, start))[-3:][::-1]:
        if not text[match.end() : begin].isspace():
            break
        word = match.group().lower()
        if word in COLOURS:
            colours.add(_colour(word))
        elif word in ("another", "other"):
            other = True
        elif word not in ("a", "an", "the"):
            break
        begin = match.start()
        if word in ("a", "an", "the", "another"):
            break
    return frozenset(colours), begin, other


def find_relations(
    texts: Mapping[int | None, Texts],
    mentions: Iterable[Mention],
    masks: Mapping[int, np.ndarray] | None = None,
) -> list[Relation]:
    """The edges between regions: what texts on location and interaction say, and which masks lie
    within which.

    Args:
        masks: region id -> bool (H, W), all of one image.
    """
    found: dict[tuple[int, int, str], Relation] = {}
    for mention in mentions:
        if mention.region is None or len(mention.targets) != 1:
            continue
        if mention.name not in (*RELATION_ATTRIBUTES, "dense"):
            continue
        text = texts[mention.region][mention.name]
        begin = max(text.rfind(mark, 0, mention.start) for mark in ".!?;") + 1
        label = _relation(text[begin : mention.start])
        if label is None:
            continue
        ends = [at for at in (text.find(mark, mention.end) for mark in ".!?;") if at >= 0]
        sentence = text[begin : min(ends, default=len(text) - 1) + 1].strip()
        (target,) = mention.targets
        key = (mention.region, target, label)
        found.setdefault(key, Relation(mention.region, target, label, sentence, "text"))
    return [*found.values(), *_contained(masks or {})]


def _relation(before: str) -> str | None:
    """The relation phrase that stands last before a mention, with at most two words between."""
    words = " ".join(_words(before))
    best: tuple[int, int, str] | None = None
    for phrase in RELATIONS:
        at = f" {words} ".rfind(f" {phrase} ")
        if at < 0:
            continue
        end = at + len(phrase)
        if len(words[end:].split()) > 2:
            continue
        if best is None or (end, len(phrase)) > best[:2]:
            best = (end, len(phrase), phrase)
    return None if best is None else best[2]


def _contained(masks: Mapping[int, np.ndarray]) -> Iterable[Relation]:
    for small, one in masks.items():
        area = int(np.count_nonzero(one))
        for large, other in masks.items():
            if small == large or area >= 0.8 * np.count_nonzero(other):
                continue
            if np.count_nonzero(one & other) >= 0.9 * area:
                yield Relation(small, large, "within", "", "mask")


__all__ = [
    "COLOURS",
    "RELATIONS",
    "Mention",
    "Name",
    "Relation",
    "find_mentions",
    "find_relations",
    "name_of",
]
