"""One step of a row's beams, candidate by candidate. Whole searches: test_decoding.py."""

from __future__ import annotations

import pytest

from finecaption.inference.beam_search import _advance, _Beam, _Search
from finecaption.inference.decode_loop import DecodeRow

END = frozenset([2])


def searching(*running: _Beam, ended: tuple[_Beam, ...] = ()) -> _Search:
    return _Search(DecodeRow([1]), 0, list(running), list(ended))


def test_ended_beams_have_the_mean_of_their_tokens_and_running_ones_the_sum() -> None:
    one = searching(_Beam(-1.0, (5,), (-1.0,), 0), _Beam(-2.0, (6,), (-2.0,), 1))
    candidates = [(-1.5, 0, 2, -0.5), (-2.5, 0, 7, -1.5), (-3.0, 1, 8, -1.0), (-4.0, 1, 9, -2.0)]
    assert not _advance(one, candidates, END, 2, False)
    assert one.ended == [_Beam(-0.75, (5,), (-1.0, -0.5))]
    assert one.running == [
        _Beam(-2.5, (5, 7), (-1.0, -1.5), 0),
        _Beam(-3.0, (6, 8), (-2.0, -1.0), 1),
    ]


def test_an_end_below_the_first_candidates_is_not_kept() -> None:
    one = searching(_Beam(0.0), _Beam(0.0))
    _advance(one, [(-1.0, 0, 5, -1.0), (-2.0, 0, 6, -2.0), (-3.0, 0, 2, -3.0)], END, 2, False)
    assert one.ended == [] and [beam.token_ids for beam in one.running] == [(5,), (6,)]


@pytest.mark.parametrize(
    ("running", "over"),
    [(-1.9, False), (-2.0, True), (-2.1, True)],
    ids=["above", "equal", "below"],
)
def test_a_row_is_over_once_no_running_beam_is_better_than_the_worst_that_ended(
    running: float, over: bool
) -> None:
    ended = (_Beam(-1.0, (5,), (-1.0,)), _Beam(-2.0, (6,), (-2.0,)))
    one = searching(_Beam(0.0, (7,), (0.0,)), _Beam(0.0, (8,), (0.0,)), ended=ended)
    # two tokens each: the mean is half of the sum
    candidates = [(2 * running, 0, 9, 2 * running), (2 * running - 1, 1, 9, 2 * running - 1)]
    assert _advance(one, candidates, END, 2, False) is over
    assert one.row.finished is over
    if over:
        assert one.row.token_ids == [5] and one.row.logprobs == [-1.0]


def test_the_last_step_ends_all() -> None:
    one = searching(_Beam(-1.0, (5,), (-1.0,)), _Beam(-2.0, (6,), (-2.0,)))
    assert _advance(one, [(-2.0, 0, 7, -1.0), (-3.0, 1, 8, -1.0)], END, 2, True)
    assert one.row.token_ids == [5, 7] and one.row.logprobs == [-1.0, -1.0]
    assert [beam.score for beam in one.ended] == [-1.0, -1.5]


def test_of_equal_scores_what_ended_earlier_stays_first() -> None:
    first = _Beam(-1.0, (9,), (-1.0,))
    one = searching(_Beam(-1.0, (5,), (-1.0,)), ended=(first,))
    _advance(one, [(-2.0, 0, 2, -1.0)], END, 1, True)
    assert one.ended == [first] and one.row.token_ids == [9]


def test_fewer_candidates_than_beams_are_filled_up_with_beams_that_never_win() -> None:
    one = searching(_Beam(0.0, (), (), 4))
    assert not _advance(one, [(-1.0, 0, 5, -1.0)], END, 3, False)
    first, *filled = one.running
    assert first == _Beam(-1.0, (5,), (-1.0,), 4)
    assert filled == [_Beam(-1e9, (5,), (-1.0,), 4)] * 2


def test_a_row_without_a_running_beam_is_over() -> None:
    one = searching(_Beam(0.0))
    assert _advance(one, [(-1.0, 0, 2, -1.0)], END, 2, False)
    assert one.row.token_ids == [] and one.row.logprobs == [-1.0]
