"""Ten scenes with perfect answers."""

from __future__ import annotations

import random
from typing import Any

import pytest

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption_synth import vocabulary as voc
from finecaption_synth.language import (
    not_applicable,
    paraphrases,
    region_paragraph,
    scene_paragraph,
)
from finecaption_synth.observe import Observed, observe
from finecaption_synth.scene import sample_scene

SCENES = range(10)


@pytest.fixture(scope="package")
def seen() -> dict[str, Observed]:
    """Ten scenes by their names."""
    return {f"test-0-{index:06d}": observe(sample_scene("test", 0, index)) for index in SCENES}


@pytest.fixture(scope="package")
def records(seen: dict[str, Observed]) -> list[dict[str, Any]]:
    """Perfect answers: the truth of each region in words, one refusal, and a paragraph."""
    out = []
    for name, observed in seen.items():
        for region in observed.truth.regions:
            rng = random.Random(f"{name}/{region.region_id}")
            names = [n for n in ATTRIBUTE_NAMES if n in region.attributes]
            foreign = rng.choice(voc.inapplicable(region.category))
            refusal = rng.choice(not_applicable(foreign, region.category))
            out.append(
                {
                    "picture": name,
                    "region_id": region.region_id,
                    "category": region.category,
                    "unseen": False,
                    "truth": {n: dict(region.attributes[n]) for n in names},
                    "answers": {n: rng.choice(paraphrases(region, n)) for n in names},
                    "trick": {"attribute": foreign, "answer": refusal},
                    "dense": region_paragraph(region, rng),
                }
            )
    return out


@pytest.fixture(scope="package")
def wholes(seen: dict[str, Observed]) -> list[dict[str, Any]]:
    """A right paragraph on each of the ten scenes."""
    return [
        {"picture": name, "answer": scene_paragraph(observed.truth, random.Random(name))}
        for name, observed in seen.items()
    ]
