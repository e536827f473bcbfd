from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from finecaption.attributes import (
    ATTRIBUTE_NAMES,
    dense_instruction,
    global_instruction,
    region_instruction,
)
from finecaption_synth import vocabulary as voc
from finecaption_synth.corpus import some_truth
from finecaption_synth.language import is_not_applicable, score
from finecaption_synth.training.pool import Pool
from finecaption_synth.training.questions import (
    DENSE_END_RATE,
    DENSE_RATE,
    INAPPLICABLE_WEIGHT,
    Question,
    region_dialogs,
    region_questions,
    scene_question,
)
from finecaption_synth.truth import RegionTruth

NAMES = {region_instruction(name): name for name in ATTRIBUTE_NAMES}
TIMES = 12


def asked(regions: list[RegionTruth], most: int) -> Iterator[tuple[RegionTruth, list[Question]]]:
    for number, region in enumerate(regions * TIMES):
        yield region, region_questions(region, random.Random(number), most)


def test_answers_never_contradict_the_truth(regions: list[RegionTruth]) -> None:
    for region, questions in asked(regions, 4):
        for instruction, answer in questions:
            if instruction == dense_instruction():
                assert len(answer.split()) > 8
            elif NAMES[instruction] in region.attributes:
                name = NAMES[instruction]
                right = score(name, answer, region.attributes[name])
                assert right and all(right.values()), (name, answer, region)
            else:
                assert is_not_applicable(answer), (instruction, answer)


def test_what_cannot_apply_is_refused_and_what_is_only_unclear_is_not_asked(
    regions: list[RegionTruth],
) -> None:
    refused = set()
    for region, questions in asked(regions, 3):
        for instruction, answer in questions:
            name = NAMES.get(instruction)
            if name is None or name in region.attributes:
                assert not is_not_applicable(answer), (region.category, answer)
                continue
            assert name in voc.inapplicable(region.category)
            assert is_not_applicable(answer, name) and region.category in answer.lower()
            refused.add(name)
    assert refused >= {"Materials/Texture", "Shape", "State or Activity", "Hair", "Age Range"}


def test_the_number_is_bounded_and_paragraphs_are_as_frequent_as_declared(
    regions: list[RegionTruth],
) -> None:
    dense = count = 0
    for _, questions in asked(regions, 3):
        instructions = [i for i, _ in questions]
        paragraphs = instructions.count(dense_instruction())
        assert len(questions) - paragraphs == 3 and paragraphs <= 1
        assert len(set(instructions)) == len(instructions)
        dense += paragraphs
        count += 1
    assert abs(dense / count - DENSE_RATE) < 0.06


@pytest.mark.parametrize(("category", "rate"), [("man", 1 / 17), ("cup", 3.5 / 14.5)])
def test_refusals_are_as_frequent_as_declared(category: str, rate: float) -> None:
    assert INAPPLICABLE_WEIGHT == 0.5
    rng = random.Random(0)
    names = [
        NAMES[i] for _ in range(1500)
        for i, _ in region_questions(some_truth(category, rng), rng, 1) if i in NAMES
    ]  # fmt: skip
    refused = sum(n in voc.inapplicable(category) for n in names)
    assert len(names) == 1500 and abs(refused / len(names) - rate) < 0.03


def test_all_attributes_of_a_region_are_asked_if_there_is_room(regions: list[RegionTruth]) -> None:
    for region in regions[:10]:
        found = set()
        for seed in range(6):
            found |= {NAMES.get(i) for i, _ in region_questions(region, random.Random(seed), 99)}
        assert set(region.attributes) <= found


def test_questions_are_a_function_of_the_stream(regions: list[RegionTruth]) -> None:
    region = regions[0]
    once, again = (region_questions(region, random.Random(3), 5) for _ in range(2))
    assert once == again != region_questions(region, random.Random(4), 5)


def test_the_whole_picture_is_asked_for_in_detail(pool: Pool) -> None:
    instruction, answer = scene_question(pool[0].truth, random.Random(0))
    assert instruction == global_instruction()
    assert pool[0].truth.setting in answer


@pytest.mark.parametrize("most", [2, 5, 10])
def test_a_conversation_begins_with_the_category_and_costs_no_questions(
    regions: list[RegionTruth], most: int
) -> None:
    first = region_instruction("Category Name")
    ends = talks = 0
    for number, region in enumerate(regions * 4):
        dialogs = region_dialogs(region, random.Random(number), most, 1.0)
        *single, talk = dialogs
        assert all(len(turns) == 1 for turns in single)
        assert talk[0][0] == first and len(talk) >= 2
        instructions = [question for question, _ in talk]
        assert len(set(instructions)) == len(instructions)
        assert dense_instruction() not in instructions[:-1]
        asked_alone = [turns[0][0] for turns in single if turns[0][0] != dense_instruction()]
        assert len(asked_alone) in (most // 2, (most - 1) // 2)
        assert not set(asked_alone) & set(instructions[1:])
        talks += 1
        ends += instructions[-1] == dense_instruction()
        for instruction, answer in talk:
            name = NAMES.get(instruction)
            if name in region.attributes:
                assert all(score(name, answer, region.attributes[name]).values()), answer
            elif name:
                assert is_not_applicable(answer, name)
    assert abs(ends / talks - DENSE_END_RATE) < 0.12


def test_single_questions_stay_as_they_were(regions: list[RegionTruth]) -> None:
    for region in regions[:5]:
        alone = region_dialogs(region, random.Random(1), 6, 0.0)
        assert [turn for turns in alone for turn in turns] == region_questions(
            region, random.Random(1), 6
        )
        assert all(len(turns) == 1 for turns in region_dialogs(region, random.Random(1), 1, 1.0))
