from __future__ import annotations

import numpy as np
import pytest

from finecaption.errors import InputError
from finecaption.metrics.uniqueness import (
    RegionCaption,
    of_predictions,
    uniqueness,
    words_in_common,
)

REFERENCES = ("A red cup on the table.", "A blue cup on the table.", "A dog under the table.")


def regions(*captions: str) -> list[RegionCaption]:
    return [RegionCaption("p", c, r) for c, r in zip(captions, REFERENCES, strict=True)]


def test_captions_that_fit_their_own_region_best() -> None:
    found = uniqueness(regions("The cup is red.", "It is blue.", "A sleeping dog (entity_id_2)."))
    assert (found.recall, found.distinct) == (1.0, 1.0)
    assert found.chance == pytest.approx(1 / 3)
    assert (found.captions, found.groups) == (3, 1)


def test_captions_of_the_wrong_region() -> None:
    found = uniqueness(regions("A blue cup.", "A red cup.", "A dog."))
    assert found.each.tolist() == [0, 0, 1]


@pytest.mark.parametrize("said", ["A thing.", "", "The table."])
def test_saying_the_same_of_all_earns_at_most_chance(said: str) -> None:
    found = uniqueness(
        [RegionCaption("p", said, r) for r in ("Cup on the table.", "Dog at the table.")]
    )
    assert found.recall == pytest.approx(found.chance) == 0.5
    assert found.distinct == 0


def test_groups_are_searched_apart_and_single_regions_left_out() -> None:
    rows = [
        RegionCaption("a", "red cup", "red cup"),
        RegionCaption("b", "red cup", "red cup"),
        RegionCaption("b", "blue dog", "blue dog"),
    ]
    found = uniqueness(rows)
    assert np.isnan(found.each[0]) and found.each[1:].tolist() == [1, 1]
    assert (found.captions, found.groups) == (2, 1)
    assert found.to_dict()["each"] == [None, 1.0, 1.0]
    with pytest.raises(InputError, match="no group has two regions"):
        uniqueness(rows[:2])


@pytest.mark.parametrize(
    ("said", "distinct"),
    [
        (("a", "b", "c"), 1.0),
        (("a", " A ", "c"), 2 / 3),  # as they are read: letters in capitals and spaces aside
        (("a", "a", "a"), 0.0),
    ],
)
def test_pairs_of_captions_that_differ(said: tuple[str, str, str], distinct: float) -> None:
    assert uniqueness(regions(*said)).distinct == pytest.approx(distinct)


def test_pairs_are_counted_over_all_groups() -> None:
    rows = [RegionCaption("p", text, text) for text in "aab"]
    rows += [RegionCaption("q", text, text) for text in "cd"]
    found = uniqueness(rows)
    assert found.distinct == pytest.approx((2 + 1) / (3 + 1))
    assert found.chance == pytest.approx((3 / 3 + 2 / 2) / 5)
    assert (found.captions, found.groups) == (5, 2)


@pytest.mark.parametrize(("less", "part"), [(1e-10, 0.5), (1e-8, 1.0), (-1e-8, 0.0)])
def test_fits_that_hardly_differ_are_equal(less: float, part: float) -> None:
    found = uniqueness(
        [RegionCaption("p", "x", "x"), RegionCaption("p", "y", "y")],
        lambda i, j: 1.0 if i == j else 1.0 - less,
    )
    assert found.each.tolist() == [part, part]


def test_rare_words_and_words_in_order_weigh_more() -> None:
    rows = [
        RegionCaption("p", "a dog", "a red cup a dog"),
        RegionCaption("p", "red a", "a red"),
        RegionCaption("p", "a", "a"),
    ]
    fit = words_in_common(rows)
    rare, common = 1 + np.log(4 / 2), 1 + np.log(4 / 4)
    # caption 0: a, dog, "a dog"; reference 0: a (twice), red, cup, dog and four pairs of words
    red = 1 + np.log(4 / 3)
    query = {"a": common, "dog": rare, "a dog": rare}
    candidate = {"a": 2 * common, "red": red, "cup": rare, "dog": rare, "a red": red,
                 "red cup": rare, "cup a": rare, "a dog": rare}  # fmt: skip
    norms = [np.sqrt(sum(v * v for v in one.values())) for one in (query, candidate)]
    dot = sum(value * candidate[name] for name, value in query.items())
    assert fit(0, 0) == pytest.approx(dot / norms[0] / norms[1])
    assert fit(2, 2) == pytest.approx(1) and 0 < fit(1, 1) < 1, "the order of words counts"


def test_a_similarity_of_ones_own() -> None:
    found = uniqueness(regions("x", "y", "z"), lambda i, j: float(j == 0))
    assert found.each.tolist() == [1, 0, 0]


def test_predictions_by_attribute_or_joined() -> None:
    def row(region: str, attribute: str, text: str, reference: str | None) -> dict[str, object]:
        return {
            "image_id": "p", "region_id": region, "task": "aarc", "attribute": attribute,
            "text": text, "reference": reference,
        }  # fmt: skip

    rows = [
        row("1", "Color", "red", "It is red."),
        row("2", "Color", "blue", "It is blue."),
        row("1", "Shape", "round", "It is round."),
        row("2", "Shape", "round", "It is round."),
        row("3", "Color", "green", None),
    ]
    apart = of_predictions(rows)
    assert [r.group for r in apart] == ["p|aarc|Color"] * 2 + ["p|aarc|Shape"] * 2
    assert uniqueness(apart).each.tolist() == [1, 1, 0.5, 0.5]
    joined = of_predictions(rows, by_attribute=False)
    assert [r.caption for r in joined] == ["red round", "blue round"]
    assert uniqueness(joined).recall == 1
