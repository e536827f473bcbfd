from __future__ import annotations

import random
from collections.abc import Iterator

from finecaption.attributes import (
    ATTRIBUTE_NAMES,
    dense_instruction,
    global_instruction,
    region_instruction,
)
from finecaption.synth import vocabulary as voc
from finecaption.synth.language import is_not_applicable, score
from finecaption.synth.truth import RegionTruth
from finecaption.train.pool import Pool
from finecaption.train.questions import (
    DENSE_RATE,
    NOT_APPLICABLE_RATE,
    Question,
    region_questions,
    scene_question,
)

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


def test_what_applies_or_is_only_unclear_is_never_called_foreign(
    regions: list[RegionTruth],
) -> None:
    people = {n for n, c in voc.CATEGORIES.items() if c.group == "person"}
    animals = {n for n, c in voc.CATEGORIES.items() if c.group == "animal"}
    animate = {"Body Pose/Gesture", "Body Shape", "Skin Texture and Color"}
    personal = {"Facial Expression", "Hair", "Clothing Shoes Accessories", "Age Range", *animate}
    seen = set()
    for region, questions in asked(regions, 3):
        for instruction, answer in questions:
            name = NAMES.get(instruction)
            if name is None or name in region.attributes:
                assert not is_not_applicable(answer), (region.category, answer)
                continue
            assert region.category not in people
            assert name in (personal - animate if region.category in animals else personal)
            seen.add(name)
    assert seen == personal


def test_rates_are_as_declared_and_the_number_is_bounded(regions: list[RegionTruth]) -> None:
    foreign = dense = things = count = 0
    for region, questions in asked(regions, 3):
        instructions = [i for i, _ in questions]
        paragraphs = instructions.count(dense_instruction())
        assert 1 <= len(questions) - paragraphs <= 3 and paragraphs <= 1
        assert len(set(instructions)) == len(instructions)
        dense += paragraphs
        count += 1
        known = voc.CATEGORIES.get(region.category)
        if known is None or known.group != "person":
            things += 1
            foreign += any(n in NAMES and NAMES[n] not in region.attributes for n in instructions)
    assert abs(dense / count - DENSE_RATE) < 0.06
    assert abs(foreign / things - NOT_APPLICABLE_RATE) < 0.06


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
