from __future__ import annotations

import numpy as np
import pytest

from finecaption.synth.language import FACETS
from finecaption.synth.truth import RegionTruth
from finecaption.train.labels import (
    BACKGROUND,
    CLASSES,
    HEADS,
    IGNORE,
    LINK_HEADS,
    link_labels,
    region_labels,
    region_row,
    scene_labels,
)
from finecaption.train.pool import Pool


@pytest.mark.parametrize("head", HEADS)
def test_a_head_asks_a_facet_of_the_language(head: str) -> None:
    attribute, facet, classes = HEADS[head]
    assert facet in FACETS[attribute]
    assert len(set(classes)) == len(classes) == CLASSES[head] < 127


def test_classes_are_the_values_of_the_truth(regions: list[RegionTruth]) -> None:
    asked = 0
    for region in regions:
        labels = region_labels(region)
        assert labels.dtype == np.int8 and labels.shape == (len(HEADS),)
        for label, (attribute, facet, classes) in zip(labels, HEADS.values(), strict=True):
            values = region.attributes.get(attribute, {}).get(facet)
            assert (label == IGNORE) == (values is None)
            if values:
                assert classes[label] == values[0]
                asked += 1
    assert asked > 100


def test_the_table_of_a_scene_begins_with_the_backdrop(pool: Pool) -> None:
    truth = pool[0].truth
    table = scene_labels(truth)
    assert table.shape == (1 + len(truth.regions), len(HEADS))
    assert table[0, 0] == BACKGROUND and (table[0, 1:] == IGNORE).all()
    for region in truth.regions:
        assert np.array_equal(table[region.region_id], region_labels(region))


def test_links_are_the_ones_said_first(regions: list[RegionTruth]) -> None:
    linked = 0
    for region in regions:
        labels = link_labels(region)
        said = [
            None if k == IGNORE else c[k] for k, c in zip(labels, LINK_HEADS.values(), strict=True)
        ]
        for (kind, other), link, none in (
            (said[:2], region.relation, "alone"), (said[2:], region.interaction, "none"),
        ):  # fmt: skip
            assert (kind, other) == ((link.kind, link.category) if link else (none, None))
            linked += link is not None
        assert np.array_equal(region_row(region), [*region_labels(region), *labels])
    assert linked > 20
