from __future__ import annotations

import numpy as np
import pytest

from finecaption_synth.language import FACETS
from finecaption_synth.training.labels import (
    BACKGROUND,
    CLASSES,
    HEADS,
    IGNORE,
    LINK_HEADS,
    link_labels,
    mirrored,
    region_labels,
    region_row,
    scene_labels,
)
from finecaption_synth.training.pool import Pool
from finecaption_synth.truth import RegionTruth
from finecaption_synth.vocabulary import MOVING, OCCUPIED


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
            # What a pose or an interaction tells as well is asked there alone.
            told = values is not None and facet == "state" and values[0] in (*MOVING, OCCUPIED)
            assert (label == IGNORE) == (values is None or told)
            if values is not None and not told:
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


def test_a_mirror_swaps_left_and_right_and_twice_is_nothing(pool: Pool) -> None:
    facing, effect = list(HEADS).index("facing"), list(HEADS).index("effect")
    swapped = 0
    for index in range(len(pool)):
        rows = np.array(pool[index].labels)
        flipped = mirrored(rows)
        assert np.array_equal(mirrored(flipped), rows)
        others = [i for i in range(len(HEADS)) if i not in (facing, effect)]
        assert np.array_equal(flipped[:, others], rows[:, others])
        for before, after in zip(rows[:, facing], flipped[:, facing], strict=True):
            name, mirror = (HEADS["facing"][2][v] if v >= 0 else None for v in (before, after))
            assert mirror == {"left": "right", "right": "left"}.get(name or "", name)
            swapped += name != mirror
    assert swapped > 0
