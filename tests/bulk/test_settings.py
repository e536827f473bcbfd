"""What two runs ask differently, in words."""

from __future__ import annotations

from typing import Any

import pytest

from finecaption.bulk.settings import RunSettings, differences
from finecaption.decoding import Decoding
from finecaption.request import Questions

DIFFERENT: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"a": 1}, {"a": 1}, []),
    ({"a": 1}, {"a": 2}, ["a: was 1, is 2"]),
    ({"a": True}, {"a": False}, ["a: was on, is off"]),
    ({"a": 1}, {}, ["a: was 1, is not set"]),
    ({}, {"a": "x"}, ["a: was not set, is x"]),
    ({"a": ["x", "y"]}, {"a": []}, ["a: was x, y, is none"]),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ["a c: was 2, is 3"]),
    ({"a": {"b": 1}}, {"a": 5}, ["a: was {'b': 1}, is 5"]),
    ({"b": 1, "a": 1}, {"a": 2, "b": 2}, ["b: was 1, is 2", "a: was 1, is 2"]),
]


@pytest.mark.parametrize(("old", "new", "told"), DIFFERENT)
def test_differences(old: dict[str, Any], new: dict[str, Any], told: list[str]) -> None:
    assert differences(old, new) == told


def test_settings_hold_what_is_not_usual_of_decoding() -> None:
    found = RunSettings(Questions(("Color",), True, False), True, Decoding(seed=3)).to_dict()
    assert found == {
        "attributes": ["Color"],
        "dense": True,
        "global": False,
        "everything": True,
        "decoding": {"seed": 3},
    }
    assert RunSettings().to_dict()["decoding"] == {}
    assert RunSettings().everything is False
