from __future__ import annotations

import numpy as np
import pytest

from finecaption.eval.interior import interior_point, next_click, squared_distance


def brute(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    outside = np.argwhere(~padded)
    out = np.zeros(padded.shape, np.int64)
    for y, x in np.argwhere(padded):
        out[y, x] = ((outside - (y, x)) ** 2).sum(1).min()
    return out[1:-1, 1:-1]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("density", [0.5, 0.9, 0.99])
def test_distance_equals_brute_force(seed: int, density: float) -> None:
    mask = np.random.default_rng(seed).random((17, 23)) < density
    np.testing.assert_array_equal(squared_distance(mask), brute(mask))


def test_distance_of_all_and_nothing() -> None:
    assert squared_distance(np.zeros((3, 4), bool)).max() == 0
    everything = np.ones((3, 3), bool)
    np.testing.assert_array_equal(squared_distance(everything), brute(everything))


def test_interior_point_is_the_middle_of_a_square() -> None:
    mask = np.zeros((20, 30), bool)
    mask[4:11, 10:17] = True
    assert interior_point(mask) == (13.5, 7.5, 4.0)


def test_interior_point_of_a_strip_is_not_its_end() -> None:
    mask = np.zeros((20, 100), bool)
    mask[5:8, 10:91] = True
    x, y, depth = interior_point(mask)
    assert (x, y, depth) == (50.5, 6.5, 2.0)


def test_interior_point_of_a_ring_is_on_it() -> None:
    y, x = np.mgrid[:40, :40]
    radius = np.hypot(y - 20, x - 20)
    mask = (radius < 18) & (radius > 12)
    px, py, _ = interior_point(mask)
    assert mask[int(py), int(px)]


def test_interior_point_of_nothing() -> None:
    assert interior_point(np.zeros((4, 4), bool)) == (0.0, 0.0, 0.0)


def test_next_click_goes_for_the_worse_error() -> None:
    truth = np.zeros((40, 40), bool)
    truth[0:20, 0:20] = True
    found = truth.copy()
    found[5:14, 5:14] = False  # missed: 9 x 9
    found[30:35, 30:35] = True  # surplus: 5 x 5
    assert next_click(truth, found) == (9.5, 9.5, True)
    found[5:14, 5:14] = True
    assert next_click(truth, found) == (32.5, 32.5, False)
    assert next_click(truth, truth) is None
