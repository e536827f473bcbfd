from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finecaption.data.sources.reading import json_items, parse_json
from finecaption.io import strict_json
from finecaption.io.atomic import write_json
from finecaption.io.record_log import to_line


def strict(text: str | bytes) -> Any:
    """As readers do that take JSON by its standard."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


WITH_NAN = {"score": math.nan, "more": [1.5, math.inf, {"x": (-math.inf, "NaN")}], "n": 3}
AS_NULL = {"score": None, "more": [1.5, None, {"x": [None, "NaN"]}], "n": 3}


def test_what_json_has_no_form_for_is_null(tmp_path: Path) -> None:
    assert strict(strict_json.dumps(WITH_NAN)) == AS_NULL
    assert strict(to_line(WITH_NAN)) == AS_NULL
    assert strict(to_line({"name": "\udcff", "x": math.nan})) == {"name": "\udcff", "x": None}
    write_json(tmp_path / "a.json", WITH_NAN)
    assert strict((tmp_path / "a.json").read_text()) == AS_NULL


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_any_value_is_written_as_strict_json(value: Any) -> None:
    strict(strict_json.dumps(value))


@given(values)
def test_finite_values_stay(value: Any) -> None:
    try:
        expected = json.dumps(value, allow_nan=False)
    except ValueError:
        return
    assert strict_json.dumps(value) == expected


def test_other_errors_are_not_hidden() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises((ValueError, RecursionError)):
        strict_json.dumps(loop)
    with pytest.raises(TypeError):
        strict_json.dumps({"x": object()})


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_readers_take_them_for_null(tmp_path: Path, name: str) -> None:
    assert parse_json(f'{{"meta": {{"score": {name}}}}}') == {"meta": {"score": None}}
    file = tmp_path / "a.json"
    file.write_text(f'{{"annotations": [{{"area": {name}}}, {name}, 1]}}')
    assert [item.value for item in json_items(file)] == [{"area": None}, None, 1]
