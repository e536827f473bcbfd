from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.data.opening import open_data
from finecaption.errors import InputError
from finecaption_annotate.review import ReviewSet, read_set
from finecaption_annotate.review.items import DENSE, GLOBAL


def test_every_region_has_the_18_and_what_else_is_said(data: ReviewSet) -> None:
    assert [p.key for p in data.pictures] == ["a.png", "b.png"]
    first, second, whole = data.pictures[0].places
    assert [first.name, second.name, whole.name] == ["Region 1", "Region 2", "The whole picture"]
    assert [one.name for one in first.fields] == [*ATTRIBUTE_NAMES, DENSE]
    assert [one.name for one in whole.fields] == [GLOBAL]
    said = {one.name: one.text for one in first.fields if one.text is not None}
    assert said == {
        "Category Name": "A ball.",
        "Color": "Ball 1 of a is blue.",
        "Shape": "It is round.",
        DENSE: "A blue ball lies there.",
    }
    assert data.told == 13 and len(data.fields) == 3 * 19 + 1


def test_samples_of_a_picture_need_not_be_neighbours(data_file: Path) -> None:
    samples = list(open_data(data_file))
    mixed = read_set([*samples[::2], *samples[1::2]], "x", data_file.parent)
    assert [len(p.places) for p in mixed.pictures] == [3, 1]
    assert mixed.told == 13


def test_other_attributes_repeated_texts_and_own_questions(data_file: Path) -> None:
    first = next(iter(open_data(data_file)))
    others = [
        replace(first, text="A globe."),
        replace(first, attribute="Referring Expression", text="left ball"),
        replace(first, task="rdc", attribute=None, prompt="What for?", text="To play."),
    ]
    data = read_set([first, *others], "x", data_file.parent)
    fields = data.pictures[0].places[0].fields
    told = [(one.name, one.key[3], one.text) for one in fields if one.text]
    assert told == [
        ("Category Name", 0, "A ball."),
        ("Category Name", 1, "A globe."),
        ("Referring Expression", 0, "left ball"),
        ("What for?", 0, "To play."),
    ]


def test_another_mask_is_another_region(data_file: Path) -> None:
    first = next(iter(open_data(data_file)))
    full = replace(first, mask=np.ones((120, 160), bool))
    data = read_set([first, full], "x", data_file.parent)
    assert len(data.pictures[0].places) == 2


def test_a_picture_in_memory_is_kept_by_its_id(data_file: Path) -> None:
    first = next(iter(open_data(data_file)))
    pixels = np.full((120, 160, 3), 7, np.uint8)
    data = read_set([replace(first, image=pixels)], "x")
    assert data.pictures[0].key == "a" and isinstance(data.pictures[0].image, bytes)


def test_nothing_to_review() -> None:
    with pytest.raises(InputError, match="own.jsonl: holds no sample"):
        read_set([], "own.jsonl")
