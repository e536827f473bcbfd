"""Agreement: do all answers on one region speak of the same thing, with the same pronoun?

"The woman looks sad." and "He is elderly." on one region cannot both be right, and no truth is
needed to see it. What counts are the nouns that stand for the region itself, not those of other
things ("behind the red car"), and the pronouns, which in this language always stand for the region.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from finecaption_synth import phrases as ph
from finecaption_synth import vocabulary as voc
from finecaption_synth.reading import link_kinds, normal, without_writing
from finecaption_synth.sentences import group_of, plural, voice

Record = Mapping[str, Any]

_PRONOUNS = {
    word: forms[0]
    for forms in (
        ("he", "him", "his", "himself"),
        ("she", "her", "hers", "herself"),
        ("it", "its", "itself"),
        ("they", "them", "their", "theirs", "themselves"),
    )
    for word in forms
}
# Words that end a noun phrase, or begin what is said of another thing.
_ENDS = frozenset(
    ("is", "are", "was", "has", "have", "with", "in", "on", "at", "of", "and", "or", "who", "which")
    + ("that", "to", "from", "by", "as", "for", "while", "so", "no", "not", "wears", "wear")
    + ("wearing", "looks", "look", "reads", "read", "shows", "sees", "casts", "gives", "appears")
    + ("made", "filled", ",", ".")
)
_INTRODUCED = re.compile(
    r"\b(?:this is|that is|these are|we see|(?:image|picture|photo) shows|here is|here are"
    r"|he is|she is|it is|they are)\b"
)
_OWNER = re.compile(r"\b(?:of|from|around) (?=(?:the|this|these|a|an) )")


@cache
def _nouns() -> dict[str, str]:
    """Spelling -> noun, of every category and part, plurals and other words for them too."""
    names = {plural(name): name for name in voc.CATEGORIES}
    names |= {k: v for k, v in ph.SYNONYMS["category"].items() if " " not in k}
    return names | {name: name for name in (*voc.CATEGORIES, *voc.PARTS)}


@cache
def _others() -> re.Pattern[str]:
    """What a sentence says of other things: "behind the red car", "held by one of the men"."""
    kinds, nouns = (
        "|".join(re.escape(w) for w in sorted(words, key=len, reverse=True))
        for words in ([*link_kinds(), "next to", "near", "beside", "with"], list(_nouns()))
    )
    determiner = r"(?:one of )?(?:the other |the |an? |another |his |her |its )"
    return re.compile(rf"\b(?:{kinds}) {determiner}(?:\w+ ){{0,3}}?(?:{nouns})\b")


def _head(words: Sequence[str]) -> str | None:
    """The noun of the noun phrase that these words begin with: "a slim man in red" gives man."""
    nouns, found = _nouns(), None
    for word in words:
        if word in nouns:
            found = nouns[word]
        elif found or word in _ENDS or word in _PRONOUNS:
            break
    return found


def _nouns_of(sentence: str) -> Iterator[str]:
    """The nouns that a sentence, in reading.normal's form, uses for what it speaks of."""
    own = _others().sub(" ", sentence).split()
    if own[:1] in (["is"], ["are"]):  # "Behind the red car is the man."
        own = own[1:]
    first = _head(own)
    text = " ".join(own)
    cuts = [m.end() for m in _INTRODUCED.finditer(text)]
    if first is None:
        cuts += [m.end() for m in _OWNER.finditer(text)]
    for noun in (first, *(_head(text[cut:].split()) for cut in cuts)):
        if noun is not None:
            yield noun


def spoken_of(texts: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The nouns and the pronouns (he, she, it, they) that texts use for the region itself."""
    nouns: set[str] = set()
    pronouns: set[str] = set()
    for text in texts:
        whole = without_writing(normal(text))
        pronouns |= {_PRONOUNS[word] for word in whole.split() if word in _PRONOUNS}
        for sentence in whole.split(" . "):
            nouns |= set(_nouns_of(sentence.removesuffix(" .")))
    return frozenset(nouns), frozenset(pronouns)


def agrees(texts: Iterable[str]) -> bool | None:
    """Whether texts on one region use one noun for it and the pronoun that goes with the noun.

    None: they use neither a noun nor a pronoun.
    """
    nouns, pronouns = spoken_of(texts)
    if not nouns and not pronouns:
        return None
    fitting = {voice(noun)["he"] for noun in nouns}
    return len(nouns) <= 1 and len(pronouns | fitting) == 1


def agreement(records: Sequence[Record]) -> dict[str, Any]:
    """The fraction of regions on which all answers agree on noun and pronoun.

    Args:
        records: of predictions.jsonl; answers, trick and dense are read.

    Returns:
        value: the fraction, 0 to 1, None without a region; count: regions whose answers name
        them at all; kinds: the same two by kind of thing (person, animal, ..., part).
    """
    kinds: dict[str, list[bool]] = defaultdict(list)
    for record in records:
        found = agrees(texts_of(record))
        if found is not None:
            kinds[group_of(record["category"])].append(found)
    whole = [ok for own in kinds.values() for ok in own]
    return _rate(whole) | {"kinds": {name: _rate(kinds[name]) for name in sorted(kinds)}}


def texts_of(record: Record) -> list[str]:
    """Everything that a model said of one region."""
    texts = list(record["answers"].values())
    if record.get("trick"):
        texts.append(record["trick"]["answer"])
    if record.get("dense"):
        texts.append(record["dense"])
    return texts


def _rate(values: Sequence[bool]) -> dict[str, Any]:
    return {"value": sum(values) / len(values) if values else None, "count": len(values)}
