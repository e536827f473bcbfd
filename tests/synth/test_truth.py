from __future__ import annotations

import json
from collections.abc import Sequence

from finecaption_synth.observe import Observed
from finecaption_synth.scene import Scene
from finecaption_synth.truth import Link, SceneTruth, truth_from_json, truth_to_json


def test_truth_survives_json(world: Sequence[tuple[Scene, Observed]]) -> None:
    for _, observed in world:
        text = json.dumps(truth_to_json(observed.truth))
        assert truth_from_json(json.loads(text)) == observed.truth


def test_an_empty_scene_survives_json() -> None:
    truth = SceneTruth("meadow", "eye level", "soft")
    assert truth_from_json(truth_to_json(truth)) == truth


def test_a_link_stands_for_a_facet_value() -> None:
    assert Link("holding", 3, "umbrella", "red").value == "holding|umbrella"
