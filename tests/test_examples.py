"""The examples run, and the pictures are those that make.py draws."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.io.geometry import box_iou
from finecaption.io.masks import box_from_mask, load_mask
from finecaption.segmentation.click import ClickDecoder, save_segmenter
from finecaption_synth import WORLD_VERSION

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FILES = ("room.png", "park.png", "street.png", "twins/rabbit.png", "twins/hoop.png")


def run_make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["make.py", str(folder)])
    runpy.run_path(str(EXAMPLES / "make.py"), run_name="__main__")


def test_the_examples_are_of_the_world_that_the_shipped_model_knows() -> None:
    model = EXAMPLES.parent / "src/finecaption/pretrained/finecaption-mini"
    trained = json.loads((model / "provenance.json").read_text("utf-8"))
    versions = {stage.get("world", 1) for stage in trained}  # the first had no number
    assert versions == {runpy.run_path(str(EXAMPLES / "make.py"))["WORLD"]}


def test_the_images_are_what_make_renders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if runpy.run_path(str(EXAMPLES / "make.py"))["WORLD"] != WORLD_VERSION:
        with pytest.raises(SystemExit, match="examples are of version 1 .* renders version 2"):
            run_make(tmp_path, monkeypatch)
        assert not list(tmp_path.iterdir())
        return
    run_make(tmp_path, monkeypatch)
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.png")} == set(FILES)
    for name in FILES:
        with Image.open(EXAMPLES / name) as kept, Image.open(tmp_path / name) as new:
            # the palette is Pillow's to choose: colors may differ a little between its releases
            difference = np.abs(
                np.asarray(kept.convert("RGB"), float) - np.asarray(new.convert("RGB"), float)
            )
        assert kept.size == (512, 512)
        assert difference.mean() < 0.5, name


def test_the_pictures_are_small() -> None:
    assert sum((EXAMPLES / name).stat().st_size for name in FILES) < 200_000


def test_the_twins_have_nearly_one_box() -> None:
    rabbit, hoop = (
        load_mask(EXAMPLES / "twins" / f"{n}.png", (512, 512)) for n in ("rabbit", "hoop")
    )
    iou = box_iou(box_from_mask(rabbit), box_from_mask(hoop))
    assert f"the IoU of their boxes is {iou:.2f}" in (EXAMPLES / "README.md").read_text("utf-8")
    assert not (rabbit & hoop).any()


def test_the_scenes_are_those_of_the_readme() -> None:
    names: dict[str, Any] = runpy.run_path(str(EXAMPLES / "make.py"))
    text = (EXAMPLES / "README.md").read_text("utf-8")
    for name, (seed, index) in names["SCENES"].items():
        assert f"| `{name}.png` | scene {index} of seed {seed}" in text


def test_describe_runs(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from finecaption.model import FineCaptionConfig

    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    save_segmenter(ClickDecoder.for_model(FineCaptionConfig.from_pretrained(folder)), folder)
    main = runpy.run_path(str(EXAMPLES / "describe.py"))["main"]
    main(str(folder))
    lines = capsys.readouterr().out.splitlines()
    starts = ("mask rabbit: ", "mask hoop: ", "box, Color: ", "box, Shape: ", "click, Hair: ",
              "click, Body Pose/Gesture: ", "click, in detail: ", "whole image: ")  # fmt: skip
    assert [next(s for s in starts if line.startswith(s)) for line in lines] == list(starts)
