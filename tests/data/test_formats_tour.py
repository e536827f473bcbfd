"""Every format's sample in its published layout, through convert, validate, stats and view."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from finecaption.data.sources import SOURCE_NAMES

ROOT = Path(__file__).resolve().parents[2]


def test_the_tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    module = importlib.import_module("formats_tour")
    scenes = module.draw(tmp_path / "synth", 1)
    rows = {row["format"]: row for row in module.tour(scenes, tmp_path)}
    assert set(rows) == set(SOURCE_NAMES)
    regions = len(scenes[0].things)
    for name, row in rows.items():
        assert row["pictures"] == 1, name
        assert row["regions"] == (0 if name in ("coco-captions", "llava-pretrain") else regions)
    exact = rows["synth"]["mask_box_iou"]
    for name in ("compositioncap", "dlc-bench", "folder", "grand", "jsonl", "ureca"):
        assert rows[name]["mask_box_iou"] == pytest.approx(exact), name
    assert rows["visual-genome"]["mask_box_iou"] == 1
    assert rows["compositioncap"]["samples"] == rows["synth"]["samples"] == rows["jsonl"]["samples"]
