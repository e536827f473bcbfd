from __future__ import annotations

import pytest

from finecaption.errors import InputError
from finecaption.metrics.text import Pair, one_line, prepared, strip_cross_references


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("The man (entity_id_3) sits.", "The man sits."),
        ("He holds a cup (entity_id_12).", "He holds a cup."),
        ("A dog ( Entity_ID_2 ), a cat(entity id 4)", "A dog, a cat"),
        ("Both (entity_id_1, entity_id_2 and entity_id_3) run.", "Both run."),
        ("Nothing (here) to strip", "Nothing (here) to strip"),
        ("(entity_id_5)", ""),
    ],
)
def test_cross_references_go_with_the_space_before_them(text: str, stripped: str) -> None:
    assert strip_cross_references(text) == stripped


def test_every_kind_of_line_break_becomes_one_space() -> None:
    assert one_line("a\r\nb\u2028c\x85\n\nd\te") == "a b c d\te"


def test_references_are_kept_on_request() -> None:
    pair = Pair("A cup (entity_id_1)", ("On it (entity_id_2)",), "k")
    assert prepared([pair]) == [Pair("A cup", ("On it",), "k")]
    assert prepared([pair], keep_cross_references=True) == [pair]


@pytest.mark.parametrize("references", [(), "one text", (1,), None])
def test_a_pair_refuses_what_it_cannot_score(references: object) -> None:
    with pytest.raises(InputError, match="Pair 'k'"):
        Pair("x", references, "k")  # type: ignore[arg-type]  # wrong on purpose
