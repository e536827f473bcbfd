"""A piece of the drawn world, observed once for all tests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from finecaption_synth.observe import Observed, observe
from finecaption_synth.scene import Scene, sample_scene

World = Sequence[tuple[Scene, Observed]]


@pytest.fixture(scope="session")
def world() -> World:
    """The first scenes of a training split, and what can be seen of them."""
    scenes = [sample_scene("train", 0, i) for i in range(60)]
    return [(scene, observe(scene)) for scene in scenes]


@pytest.fixture(scope="session")
def strange_world() -> World:
    """The same of test-unseen, smaller."""
    scenes = [sample_scene("test-unseen", 0, i) for i in range(12)]
    return [(scene, observe(scene)) for scene in scenes]
