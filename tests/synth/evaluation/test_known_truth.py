from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from finecaption.errors import InputError
from finecaption.eval.truth import known_truth
from finecaption_synth.evaluation import known_truth as module
from finecaption_synth.evaluation.scenes import FolderSource, SynthSource


def test_it_is_the_registered_one() -> None:
    assert known_truth() is module


def test_sources_are_opened_by_name_or_folder() -> None:
    assert module.open("synth:test:31", 0) == SynthSource("test", 31, 0)
    with pytest.raises(InputError, match='"synth:tset" names no split'):
        module.open("synth:tset", 0)
    with pytest.raises(InputError, match='"x" in "synth:test:x" must be an integer seed'):
        module.open("synth:test:x", 0)
    with pytest.raises(InputError, match="holds no annotations.jsonl"):
        module.open("no-such-folder", 0)
    assert FolderSource is not None


def test_scenes_are_rendered_from_their_names() -> None:
    image = module.render("test-0-000003")
    assert image is not None and image.shape == (512, 512, 3) and image.dtype == np.uint8
    assert module.render("photo.jpg") is None and module.render("trial-0-000003") is None


def test_perfect_answers_in_every_study(
    records: list[dict[str, Any]], wholes: list[dict[str, Any]]
) -> None:
    told = [{**r, "dense_references": [r["dense"]], "index": 0} for r in records]
    found = module.studies(told, wholes)
    assert found["agreement"]["value"] == found["refusals"]["value"] == 1
    assert found["objects"]["value"] == 0 and found["objects"]["count"] > 100
    assert found["coverage"]["value"] == 1
    assert found["contradictions"]["count"] == found["conflicts"]["all"]["compared"] > 100
    assert found["contradictions"]["value"] == found["conflicts"]["all"]["contradicted"] < 0.02


def test_without_paragraphs_nothing_contradicts(records: list[dict[str, Any]]) -> None:
    found = module.studies([{**r, "dense": None} for r in records], [])
    assert found["contradictions"] is None and found["coverage"]["value"] is None
