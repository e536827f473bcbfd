"""Objects that captions name: those that are not in the image, and those that a caption leaves out.

The first after CHAIR (Rohrbach et al. 2018), with the scene itself for a list of objects. Both work
on the records of an evaluation: of predictions.jsonl picture, category, truth, answers (attribute
-> text), trick and dense; of wholes.jsonl picture and answer.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from finecaption_synth import phrases as ph
from finecaption_synth import vocabulary as voc
from finecaption_synth.observe import observe
from finecaption_synth.reading import without_writing
from finecaption_synth.scene import SPLITS, Scene, sample_scene
from finecaption_synth.sentences import plural
from finecaption_synth.truth import salient

Record = Mapping[str, Any]
_NAME = re.compile(r"(?P<split>[a-z-]+)-(?P<seed>-?\d+)-(?P<index>\d{6,})")
_DETERMINERS: dict[str, int | None] = {
    **{word: count for count, word in enumerate(ph.NUMBERS, 2)},
    **dict.fromkeys(("a", "an", "another", "one"), 1),
    "the": None,
}
_LOOK_BACK = 3  # words between a determiner and its noun, plus one: "two small brown cats"


@cache
def _nouns() -> dict[str, str]:
    """Spelling -> category, of whole things; "flowers" are a vase's, unless they are counted."""
    names = {plural(name): name for name in voc.CATEGORIES if plural(name) not in voc.PARTS}
    names |= {w: v for w, v in ph.SYNONYMS["category"].items() if v in voc.CATEGORIES}
    return names | {name: name for name in voc.CATEGORIES}


@cache
def _counted() -> dict[str, str]:
    """Nouns behind a number: parts' names can be plurals of things ("two red flowers")."""
    return _nouns() | {plural(name): name for name in voc.CATEGORIES}


def _mentions(text: str) -> Iterator[tuple[str, int | None]]:
    """(category, how many) of each noun that is not denied; None after "the", or nothing."""
    visible = without_writing(re.sub(r"\b[A-Z]{2,}\b", " ", text).lower())
    words = re.findall(r"[a-z]+(?:-[a-z]+)*|[.,;:]", visible)
    for i, word in enumerate(words):
        before = words[max(0, i - _LOOK_BACK) : i][::-1]
        cut = next((k for k, w in enumerate(before) if w in ".,;:" or w in _counted()), None)
        before = before[:cut]
        nearest = next((w for w in before if w in _DETERMINERS), "the")
        number = _DETERMINERS[nearest]
        category = (_counted() if nearest in ph.NUMBERS else _nouns()).get(word)
        if category is None or any(w in ("not", "no", "without") for w in before):
            continue
        yield category, number


def things_named(text: str) -> list[str]:
    """Categories of whole things that a text names, each mention, in order; parts do not count."""
    return [category for category, _ in _mentions(text)]


def things_counted(text: str) -> Counter[str]:
    """Category -> how many of it a text says that there are: "two cats and another cat" are three.

    "The cat" points at one of those that were counted before; alone it counts as one.
    """
    counts: Counter[str] = Counter()
    for category, number in _mentions(text):
        counts[category] += number or 0
    for category in things_named(text):
        counts[category] = max(1, counts[category])
    return counts


def _scene(picture: str) -> Scene | None:
    found = _NAME.fullmatch(picture)
    if found is None or found["split"] not in SPLITS:
        return None
    return sample_scene(found["split"], int(found["seed"]), int(found["index"]))


@cache
def scene_things(picture: str) -> frozenset[str] | None:
    """The categories in an image of the synthetic world, by its name (``test-0-000012``).

    The scene is drawn up again from its name, so that regions which were not asked about, or are
    too small to ask about, count as there. None: the name is not that of a scene.
    """
    scene = _scene(picture)
    return None if scene is None else frozenset(f.look.category for f in scene.figures)


@lru_cache(maxsize=1024)
def salient_things(picture: str) -> tuple[str, ...] | None:
    """The category of each salient region (synth.truth.salient) of a scene, by its name.

    None: the name is not that of a scene.
    """
    scene = _scene(picture)
    return None if scene is None else tuple(r.category for r in salient(observe(scene).truth))


def record_things(records: Sequence[Record]) -> frozenset[str]:
    """The categories that one image's records know of: regions, and the others they name."""
    out = {r["category"] for r in records}
    for record in records:
        for facets in record["truth"].values():
            for facet in ("relation", "interaction"):
                out |= {v.partition("|")[2] for v in facets.get(facet, ()) if "|" in v}
    return frozenset(out)


def hallucinated_things(records: Sequence[Record], wholes: Sequence[Record] = ()) -> dict[str, Any]:
    """How often captions name a thing that is not in the image.

    Args:
        records: answers, trick and dense of each region are read.
        wholes: the answer on each whole image; images that are no scenes are left out, since
            the records may not know all that is in them.

    Returns:
        mentions: things named; absent: those not there; of_mentions (CHAIR_i): their share;
        answers: texts read; of_answers (CHAIR_s): the share with one or more; most: the ten
        things most often named in vain; from_scenes: whether every image's things came from
        its scene (else from the records, which may not know all).
    """
    pictures: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        pictures[record["picture"]].append(record)
    mentions = absent = answers = spoilt = 0
    exact = True
    most: Counter[str] = Counter()
    read: list[tuple[frozenset[str], Iterable[str]]] = []
    for name, own in pictures.items():
        there = scene_things(name)
        exact = exact and there is not None
        read.append((record_things(own) if there is None else there, _texts(own)))
    for whole in wholes:
        there = scene_things(whole["picture"])
        if there is not None:
            read.append((there, [whole["answer"]]))
    for there, texts in read:
        for text in texts:
            named = things_named(text)
            vain = [thing for thing in named if thing not in there]
            mentions += len(named)
            absent += len(vain)
            answers += 1
            spoilt += bool(vain)
            most.update(vain)
    return {
        "mentions": mentions,
        "absent": absent,
        "of_mentions": absent / mentions if mentions else None,
        "answers": answers,
        "of_answers": spoilt / answers if answers else None,
        "most": dict(sorted(most.items(), key=lambda item: (-item[1], item[0]))[:10]),
        "from_scenes": exact,
    }


def _texts(records: Sequence[Record]) -> Iterable[str]:
    for record in records:
        yield from record["answers"].values()
        if record.get("trick"):
            yield record["trick"]["answer"]
        if record.get("dense"):
            yield record["dense"]


def objects(records: Sequence[Record], wholes: Sequence[Record] = ()) -> dict[str, Any]:
    """The hallucination rate over all captions: of attributes, regions and whole images.

    Returns:
        value: of all mentions of a thing, the fraction whose category is nowhere in the image,
        0 to 1, None without one; count: mentions.
    """
    found = hallucinated_things(records, wholes)
    return {"value": found["of_mentions"], "count": found["mentions"]}


def coverage(wholes: Sequence[Record]) -> dict[str, Any]:
    """How many of the salient objects the captions of whole images name.

    Of three salient cats, "two cats" names two. Images that are no scenes are left out.

    Returns:
        value: the fraction of salient objects named, 0 to 1, None without one; count: salient
        objects; images: how many; complete: the fraction of images of which all are named.
    """
    named = count = complete = pictures = 0
    for whole in wholes:
        there = salient_things(whole["picture"])
        if not there:
            continue
        found = things_counted(whole["answer"])
        wanted = Counter(there)
        own = sum(min(found[category], number) for category, number in wanted.items())
        named += own
        count += len(there)
        pictures += 1
        complete += own == len(there)
    return {
        "value": named / count if count else None,
        "count": count,
        "pictures": pictures,
        "complete": complete / pictures if pictures else None,
    }
