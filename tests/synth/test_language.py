"""What is written: every truth in words, short, complete, from a small vocabulary."""

from __future__ import annotations

import random
import re

import pytest

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption_synth import phrases as ph
from finecaption_synth import vocabulary as voc
from finecaption_synth.corpus import (
    MAX_ENTITY,
    combinations,
    each_value_once,
    links,
    some_truth,
    values,
)
from finecaption_synth.language import (
    FACETS,
    corpus,
    is_not_applicable,
    not_applicable,
    paraphrases,
    parse,
    region_paragraph,
    scene_paragraph,
)
from finecaption_synth.truth import INTERACTIONS, Facets, Link, RegionTruth, SceneTruth

NOUNS = (*voc.CATEGORIES, *voc.PARTS)
LINKED = {
    "relation": "Relative Location with Other Objects",
    "interaction": "Interaction with Other Objects",
}


def words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.lower())


def sentences(text: str) -> list[str]:
    return re.findall(r"[^.]+\.", text)


@pytest.fixture(scope="module")
def known() -> set[str]:
    return {w for line in corpus() for w in words(line)}


def check(truth: RegionTruth, attribute: str, facets: Facets) -> None:
    """Every paraphrase is a short, distinct sentence that reads back as the truth."""
    said = paraphrases(truth, attribute)
    assert 3 <= len(said) <= 5 and len(set(said)) == len(said), said
    for text in said:
        assert text[0].isupper() and text.endswith(".") and "  " not in text and "{" not in text
        found = parse(attribute, text)
        assert {k: found[k] for k in facets} == {k: v[0] for k, v in facets.items()}, text
        assert not is_not_applicable(text), text


def test_every_attribute_has_facets_and_the_language_knows_all_18() -> None:
    assert tuple(FACETS) == ATTRIBUTE_NAMES


@pytest.mark.parametrize("category", NOUNS)
def test_every_value_reads_back(category: str) -> None:
    for attribute in values(category):
        every = list(combinations(category, attribute))
        assert every
        if category != "woman":  # the one with all combinations of hair, clothes, skin
            every = list(each_value_once(every))
        for facets in every:
            check(RegionTruth(1, category, "red", {attribute: facets}), attribute, facets)


@pytest.mark.parametrize("facet", LINKED)
@pytest.mark.parametrize("category", ["cup", "man", "flowers"])
def test_every_link_reads_back_with_and_without_references(facet: str, category: str) -> None:
    attribute = LINKED[facet]
    for link in links(facet):
        facets: Facets = {facet: (link.value,)}
        truth = RegionTruth(1, category, "red", {attribute: facets}, None, link, link)
        check(truth, attribute, facets)
        for text in paraphrases(truth, attribute, references=True):
            assert f" (entity_id_{link.other})" in text
            assert parse(attribute, text)[facet] == link.value


@pytest.mark.parametrize(("facet", "value"), [("relation", "alone"), ("interaction", "none")])
def test_no_link_reads_back(facet: str, value: str) -> None:
    for category in NOUNS:
        facets: Facets = {facet: (value,)}
        check(RegionTruth(1, category, "red", {LINKED[facet]: facets}), LINKED[facet], facets)


def test_the_first_accepted_value_is_said() -> None:
    truth = RegionTruth(1, "car", "red", {"Color": {"colour": ("orange", "red")}})
    assert all("orange" in s and "red" not in s for s in paraphrases(truth, "Color"))


def test_an_unknown_attribute_is_refused() -> None:
    truth = RegionTruth(1, "car", "red", {"Weight": {"weight": ("heavy",)}})
    with pytest.raises(KeyError, match='no wording for the attribute "Weight"'):
        paraphrases(truth, "Weight")


@pytest.mark.parametrize("attribute", ATTRIBUTE_NAMES)
def test_what_does_not_apply_says_so(attribute: str) -> None:
    for category in NOUNS:
        said = not_applicable(attribute, category)
        assert said
        for text in said:
            assert is_not_applicable(text) and is_not_applicable(text, attribute)
            assert category in text.lower(), text
            assert set(parse(attribute, text).values()) == {"not applicable"}
    assert paraphrases(RegionTruth(1, "hoop", "red", {}), attribute) == not_applicable(
        attribute, "hoop"
    )


@pytest.mark.parametrize("category", NOUNS)
def test_an_attribute_applies_or_is_refused_and_nothing_between(category: str) -> None:
    yes, no = voc.applicable(category), voc.inapplicable(category)
    assert sorted(yes + no) == sorted(ATTRIBUTE_NAMES)
    linked = set(LINKED.values())
    assert set(values(category)) == set(yes) - linked
    for attribute in no:  # a refusal of one attribute is no refusal of another
        for text in not_applicable(attribute, category):
            others = [n for n in no if n != attribute and is_not_applicable(text, n)]
            assert not others or "does not apply" in text, (text, others)


def test_what_is_refused() -> None:
    assert voc.inapplicable("man") == ("Materials/Texture", "Shape")
    assert {"Hair", "Materials/Texture", "Shape", "Age Range"} <= set(voc.inapplicable("cat"))
    assert "State or Activity" in voc.inapplicable("hoop")
    assert {"Facial Expression", "Body Shape", "State or Activity"} <= set(voc.inapplicable("hat"))
    assert "The hoop has no state or activity to speak of." in not_applicable(
        "State or Activity", "hoop"
    )
    assert "A man is not made of a material." in not_applicable("Materials/Texture", "man")
    assert "This is a cup, so there is no hair to describe." in not_applicable("Hair", "cup")


def test_sentences_are_short() -> None:
    rng = random.Random(1)
    lengths = [
        len(words(s))
        for category in NOUNS
        for truth in [some_truth(category, rng)]
        for attribute in truth.attributes
        for s in paraphrases(truth, attribute)
    ]
    assert max(lengths) <= 20 and sum(lengths) / len(lengths) < 8


def test_grammar_of_persons_and_plurals() -> None:
    woman = RegionTruth(1, "woman", "red", {"Facial Expression": {"expression": ("sad",)}})
    assert "Her face is sad." in paraphrases(woman, "Facial Expression")
    wheels = RegionTruth(1, "wheels", "orange", {"One-Sentence Description": {
        "colour": ("orange",), "category": ("wheels",)}})  # fmt: skip
    assert "These are orange wheels." in paraphrases(wheels, "One-Sentence Description")
    boy = RegionTruth(1, "boy", "orange", {"Category Name": {"category": ("boy",)}})
    assert "He is a boy." in paraphrases(boy, "Category Name")


def test_corpus_is_deterministic_small_and_knows_every_word(known: set[str]) -> None:
    first = list(corpus())
    assert first == list(corpus())
    assert len(known) < 450
    assert {f"entity_id_{k}" for k in range(1, MAX_ENTITY + 1)} <= known
    phrases = [*voc.COLOURS, *voc.RELATIONS, *INTERACTIONS, *voc.WORDS, *NOUNS, *voc.EFFECTS[:4]]
    phrases += [s for c in voc.CATEGORIES.values() for s in (*c.states, *c.shapes, *c.materials)]
    assert {w for phrase in phrases for w in words(phrase)} <= known
    assert {w for s in ph.SETTINGS.values() for w in words(s)} <= known


def test_paragraphs_use_known_words_and_keep_their_length(known: set[str]) -> None:
    rng = random.Random(7)  # not the corpus's own
    for number in range(300):
        category = NOUNS[number % len(NOUNS)]
        truth = some_truth(category, rng)
        text = region_paragraph(truth, rng, references=number % 2 == 0)
        assert set(words(text)) <= known, text
        assert 3 <= len(sentences(text)) <= 5, text
        assert "  " not in text and category in text
        shown = [some_truth(rng.choice(NOUNS), rng, k) for k in range(1, rng.randint(0, 8))]
        scene = SceneTruth(rng.choice(voc.OUTDOOR + voc.INDOOR), rng.choice(voc.PITCHES),
                           rng.choice(("left", "right", "soft")), tuple(shown))  # fmt: skip
        text = scene_paragraph(scene, rng, references=number % 2 == 0)
        assert set(words(text)) <= known, text
        assert 3 <= len(sentences(text)) <= 6, text
        assert len(re.sub(r" \(entity_id_\d+\)", "", text).split()) <= 70, text
        assert ph.SETTINGS[scene.setting] in text


def test_region_paragraph_covers_the_truth() -> None:
    rng = random.Random(3)
    for _ in range(20):
        truth = some_truth("vase", rng)
        text = region_paragraph(truth, rng)
        for attribute, facet in (("Materials/Texture", "material"), ("Shape", "shape"),
                                 ("Color", "colour"), ("State or Activity", "state")):  # fmt: skip
            assert truth.attributes[attribute][facet][0] in text
        if truth.interaction and truth.interaction.kind != "wearing":
            assert truth.interaction.kind in text
        person = some_truth("girl", rng)
        text = region_paragraph(person, rng)
        clothes = person.attributes["Clothing Shoes Accessories"]
        assert clothes["garment"][0] in text and clothes["shoes"][0] in text
        assert person.attributes["Body Pose/Gesture"]["pose"][0] in text
        assert person.attributes["Facial Expression"]["expression"][0] in text


def test_paragraphs_are_a_function_of_the_random_state() -> None:
    truth = some_truth("house", random.Random(5))
    texts = {region_paragraph(truth, random.Random(k)) for k in range(20)}
    assert len(texts) == 3  # three openings
    assert region_paragraph(truth, random.Random(4)) == region_paragraph(truth, random.Random(4))


def test_what_is_worn_is_told_once() -> None:
    link = Link("wearing", 4, "hat", "pink")
    attributes: dict[str, Facets] = {
        "Clothing Shoes Accessories": {
            "garment": ("coat",), "colour": ("red",), "shoes": ("boots",), "accessory": ("hat",)
        }
    }  # fmt: skip
    man = RegionTruth(1, "man", "red", attributes, interaction=link)
    text = region_paragraph(man, random.Random(0), references=True)
    assert "He wears boots and a pink hat (entity_id_4)." in text and text.count("hat") == 1


def test_a_hidden_face_is_not_described() -> None:
    hidden = (voc.HIDDEN,)
    attributes: dict[str, Facets] = {
        "Facial Expression": {"expression": hidden},
        "Skin Texture and Color": {"tone": hidden, "texture": hidden},
        "Hair": {"style": hidden, "colour": hidden},
        "Body Pose/Gesture": {"pose": ("standing",)},
    }
    text = region_paragraph(RegionTruth(1, "man", "blue", attributes), random.Random(0))
    assert "His face cannot be seen." in text and "visible" not in text
