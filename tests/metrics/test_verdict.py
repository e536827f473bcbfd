from __future__ import annotations

import pytest

from finecaption.metrics.verdict import json_object, number


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Sure!\n```json\n{"a": {"b": 2}}\n``` Done {"a": 3}', {"a": {"b": 2}}),
        ('{broken {"a": "x\ny"}', {"a": "x\ny"}),
        ("no object", None),
        ('{"a": 1', None),
        ("", None),
    ],
)
def test_the_object_in_a_reply(text: str, found: object) -> None:
    assert json_object(text) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [(3, 3.0), ("85/100", 85.0), (" 4 ", 4.0), (2.5, 2.5), (True, None), (101, None), (-1, None),
     (0, 0.0), (100, 100.0), (100.5, None), ("-5", None), ("7.25", 7.25), (False, None),
     ("high", None), (None, None), ([1], None)],
)  # fmt: skip
def test_numbers(value: object, found: float | None) -> None:
    assert number(value, 0, 100) == found
