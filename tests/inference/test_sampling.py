"""One token of a row, drawn by hand. The fractions of many draws: test_decoding.py."""

from __future__ import annotations

import math

import pytest
import torch

from finecaption.decoding import Decoding
from finecaption.errors import CaptionerError
from finecaption.inference.sampling import choose, guided, likelihoods, row_seed

P = [0.1, 0.5, 0.25, 0.15]
ROW = torch.tensor([P]).log()


@pytest.mark.parametrize(
    ("options", "drawn", "token"),
    [
        # ranked: 1 (up to 0.5), 2 (0.75), 3 (0.9), 0 (1)
        ({}, 0.0, 1),
        ({}, 0.49, 1),
        ({}, 0.51, 2),
        ({}, 0.74, 2),
        ({}, 0.76, 3),
        ({}, 0.91, 0),
        ({}, 1 - 1e-12, 0),
        # of the two likeliest, 2/3 and 1/3
        ({"top_k": 2}, 0.66, 1),
        ({"top_k": 2}, 0.67, 2),
        ({"top_k": 2}, 1 - 1e-12, 2),
        ({"top_k": 9}, 0.91, 0),
        # up to and with the token that reaches it
        ({"top_p": 0.5}, 1 - 1e-12, 1),
        ({"top_p": 0.51}, 1 - 1e-12, 2),
        ({"top_p": 0.76}, 1 - 1e-12, 3),
        # top_p counts fractions of what top_k leaves: 2/3
        ({"top_k": 2, "top_p": 0.6}, 1 - 1e-12, 1),
        ({"top_k": 2, "top_p": 0.7}, 1 - 1e-12, 2),
    ],
)
def test_where_a_random_number_falls(
    options: dict[str, float], drawn: float, token: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = torch.tensor([drawn], dtype=torch.float64)
    monkeypatch.setattr(torch, "rand", lambda *given, **more: number)
    decoding = Decoding(temperature=1.0, **options)  # type: ignore[arg-type]  # of the table
    assert choose(ROW.double(), decoding, [torch.Generator()]).tolist() == [token]


def test_each_row_takes_a_number_of_its_own_generator() -> None:
    rows = ROW.repeat(2, 1)

    def drawn(*seeds: int) -> list[int]:
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return [
            token
            for _ in range(20)
            for token in choose(rows[: len(seeds)], Decoding(temperature=1.0), generators).tolist()
        ]

    together = drawn(1, 2)
    assert together[::2] == drawn(1) and together[1::2] == drawn(2)
    assert together[::2] != together[1::2]


def test_guidance_moves_away_from_the_whole_image() -> None:
    r, w = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0]])
    assert guided(r, None, 2.0) is r
    assert guided(r, w, 2.0).tolist() == [[1 + 2 * (1 - 3), 2 + 2 * (2 + 1)]]


def test_likelihoods_are_logarithms_of_probabilities() -> None:
    found = likelihoods(ROW.repeat(2, 1) + 7.0, torch.tensor([2, 0]))
    assert found == pytest.approx([math.log(0.25), math.log(0.1)], abs=1e-5)


def test_a_row_without_a_seed_has_another_one_each_time() -> None:
    assert len({row_seed(None, "a") for _ in range(9)}) == 9
    assert all(0 <= row_seed(seed, "a") < 1 << 63 for seed in (None, 0, 1, 2, 3, 4, 5))


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_nothing_is_told_from_scores_that_are_no_numbers(wrong: float) -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0], [0.0, wrong, 2.0]])
    assert len(likelihoods(logits[:1], torch.tensor([2]))) == 1
    with pytest.raises(CaptionerError, match="NaN or infinite scores"):
        likelihoods(logits, logits.argmax(-1))
