from __future__ import annotations

import pytest

from finecaption.errors import InputError
from finecaption.metrics.semiou import semantic_iou, semantic_ious


@pytest.mark.parametrize(
    ("answer", "category", "expected"),
    [
        ("Dining table.", "table", 1 / 2),
        ("a red cup", "cup", 1 / 3),
        ("Answer: cup", "cup", 1.0),
        ("traffic, light", "traffic_light", 1.0),
        ("wheel", "car:wheel", 1 / 2),
        ("", "cup", 0.0),
        ("cup cup", "cup", 1.0),
    ],
)
def test_shared_words_over_all_words(answer: str, category: str, expected: float) -> None:
    assert semantic_iou(answer, category) == pytest.approx(expected)


def test_the_mean_and_each() -> None:
    mean, each = semantic_ious(["cup", "dog"], ["cup", "cat"])
    assert mean == 0.5 and each.tolist() == [1.0, 0.0]
    with pytest.raises(InputError, match="has no word"):
        semantic_iou("cup", "_")
    with pytest.raises(InputError, match="1 answers for 2 categories"):
        semantic_ious(["a"], ["a", "b"])
    with pytest.raises(InputError, match="0 answers"):
        semantic_ious([], [])
