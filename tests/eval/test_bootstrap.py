from __future__ import annotations

import numpy as np
import pytest

from finecaption.eval.bootstrap import clustered, draws_of_means, holm, mean_of, middle, sign_test


def test_means_by_kind() -> None:
    found = clustered([1, 0, 1, 1], ["p", "p", "q", "q"], ["a", "b", "a", "a"])
    assert found.kinds == ("a", "b")
    assert found.means.tolist() == [1.0, 0.0]
    assert found.counts.tolist() == [[1, 1], [2, 0]]


def test_the_interval_is_that_of_pictures_not_of_answers() -> None:
    rng = np.random.default_rng(0)
    pictures = np.repeat(np.arange(40), 25)
    shared = rng.integers(0, 2, 40)[pictures].astype(float)  # a picture is right or wrong at all
    alone = rng.permutation(shared)
    wide, narrow = (mean_of(v.tolist(), pictures.tolist()) for v in (shared, alone))
    assert wide is not None and narrow is not None
    assert wide["mean"] == pytest.approx(narrow["mean"])
    width, small = (f["interval"][1] - f["interval"][0] for f in (wide, narrow))
    # as binomial of 40 and of 1,000
    assert width == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 40), rel=0.15)
    assert small < width / 3
    assert mean_of([], []) is None


def test_a_kind_that_a_draw_lacks_is_left_out_of_it() -> None:
    draws = draws_of_means(clustered([1, 0.5], ["p", "q"], ["a", "b"]), draws=50)
    assert np.isnan(draws).any() and set(draws[~np.isnan(draws)]) == {1.0, 0.5}
    assert middle(np.full(3, np.nan)) is None


def test_the_sign_test_is_exact_on_few_pictures() -> None:
    # five pictures, all for B: as extreme are 2 of 32 arrangements
    found = clustered([1.0] * 5, range(5))
    assert sign_test(found, draws=20_000)[""] == pytest.approx(2 / 32, abs=0.01)
    even = clustered([1.0, -1.0] * 20, range(40))
    assert sign_test(even)[""] == 1.0


@pytest.mark.parametrize(
    ("draws", "pictures"),
    [(1, 40), (99, 40), (600, 60)],  # the observed arrangement is one of draws + 1
)
def test_no_p_value_is_zero(draws: int, pictures: int) -> None:
    found = clustered([1.0] * pictures, range(pictures))  # drawn again, once in 2 ** pictures / 2
    assert sign_test(found, draws=draws)[""] == pytest.approx(1 / (draws + 1))


def test_holm() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06}
    )
    assert holm({"a": 0.9, "b": 0.9}) == {"a": 1.0, "b": 1.0}
