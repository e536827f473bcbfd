"""docs/results.py writes the result tables of README and model card."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def results() -> ModuleType:
    spec = importlib.util.spec_from_file_location("results", ROOT / "docs/results.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _scores(accuracy: float, **more: Any) -> dict[str, Any]:
    color = {"accuracy": accuracy, "interval": [accuracy - 0.01, accuracy + 0.01], "count": 7}
    return {
        "attributes": {"Color": color}, "mean_accuracy": accuracy, "mean_interval": [0.1, 0.2],
        "questions": 7, **more,
    }  # fmt: skip


def test_results_are_written_between_the_markers(results: ModuleType, tmp_path: Path) -> None:
    names = ("README.md", "docs/model-card.md")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    twins = {"accuracy": 0.955, "count": 400}
    clicks = {"all": {"mean_iou": {"1": 0.871}, "count": 50}}
    for name, scores in (("a", _scores(0.9321, twins=twins, clicks=clicks)), ("b", _scores(0.87))):
        (tmp_path / f"{name}.json").write_text(json.dumps(scores))
    for _ in range(2):
        results.main(str(tmp_path / "a.json"), str(tmp_path / "b.json"), tmp_path)
    for name in names:
        text = (tmp_path / name).read_text("utf-8")
        attribute = "| Color | 93.2 | 92.2–94.2 | 7 | 87.0 | 86.0–88.0 | 7 |"
        assert text.count(attribute) == (name != "README.md")
        assert "| 95.5 % of 400 regions | – |" in text
        assert "0.871 after 1 (50 regions)" in text
        end = "<!-- results:end -->"
        assert text.count("<!-- results:begin -->") == text.count(end) == 1
        assert text.rpartition(end)[2] == (ROOT / name).read_text("utf-8").rpartition(end)[2]


def test_results_need_their_markers(results: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("a page without markers")
    (tmp_path / "scores.json").write_text(json.dumps(_scores(0.9)))
    with pytest.raises(ValueError, match="results:end"):
        results.main(*[str(tmp_path / "scores.json")] * 2, tmp_path)
