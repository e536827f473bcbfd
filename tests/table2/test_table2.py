"""The ablation's rows: how each is told its region, and that they train alike and go on."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.table2 import region_prompts as telling
from benchmarks.table2 import training as ablation
from benchmarks.table2.data import FeaturedPool, fill_features, row_channels
from benchmarks.table2.region_prompts import BINS, RED, ROWS, find_row
from benchmarks.table2.training import Asked, Budget
from finecaption.errors import InputError
from finecaption.eval.published import TABLE_2
from finecaption.model import FineCaptionConfig, FineCaptionForConditionalGeneration
from finecaption.model.processing import FineCaptionProcessor
from finecaption_synth.markdown import section
from finecaption_synth.training.pool import Pool

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

SMALL = Budget(steps=2, batch=2, regions=2, questions=2, scenes=4)


@pytest.fixture(scope="module")
def base(config: FineCaptionConfig) -> FineCaptionForConditionalGeneration:
    torch.manual_seed(0)
    return FineCaptionForConditionalGeneration(config).eval()


@pytest.fixture(scope="module")
def featured(
    base: FineCaptionForConditionalGeneration, pool_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> FeaturedPool:  # fmt: skip
    folder = tmp_path_factory.mktemp("features")
    pool = Pool(pool_folder, SMALL.scenes)
    with pytest.raises(InputError, match="fill the features first"):
        FeaturedPool(pool, folder)
    assert list(fill_features(base, pool, folder)) == [4]
    return FeaturedPool(pool, folder)


def square() -> np.ndarray:
    mask = np.zeros((32, 32), np.uint8)
    mask[8:16, 4:24] = 255
    mask[8:12, 4:8] = 100  # less than half: no region
    return mask


def test_the_rows_are_those_of_the_issue() -> None:
    assert len(ROWS) == len({r.name for r in ROWS}) == 9
    assert all(r.published in TABLE_2 for r in ROWS if r.published)
    assert find_row("full").published == "FineCaption-8B (mask, 1024)"
    with pytest.raises(InputError, match="box-text"):
        find_row("nothing")


def test_a_contour_runs_around_the_region() -> None:
    line = telling.outline(square())
    assert not line[8:16, 8:24].any() and line[7, 10] and line[12, 3] and line[10, 7]
    edge = np.zeros((8, 8), bool)
    edge[:3, :3] = True
    drawn = telling.outline(edge)
    assert drawn[0, :4].all() and drawn[3, :3].all() and not drawn[1, 1]


@pytest.mark.parametrize("told", ["drawn box", "contour"])
def test_lines_are_red_and_the_region_keeps_its_pixels(told: Any) -> None:
    picture = np.full((32, 32, 3), 9, np.uint8)
    drawn = telling.marked(picture, square(), told)
    changed = (drawn != picture).any(-1)
    assert changed.any() and (drawn[changed] == RED).all()
    assert not changed[12:16, 8:24].any() and (picture == 9).all()
    inner = (9, 5)  # in the box, outside the region
    assert changed[inner] == (told == "nothing")
    assert telling.marked(picture, square(), "mask") is picture


def test_boxes_in_words_are_kosmos_bins() -> None:
    assert telling.box_words(square()) == [4, BINS + 8, 23, BINS + 15]
    whole = np.full((84, 84), 255, np.uint8)
    assert telling.box_words(whole) == [0, BINS, BINS - 1, 2 * BINS - 1]
    assert telling.with_box([1, 3, 3, 5], 3, [8, 9]) == [1, 3, 3, 8, 9, 5]


def test_a_features_are_those_of_the_towers(
    base: FineCaptionForConditionalGeneration, featured: FeaturedPool
) -> None:
    scene = featured.pool[2]
    pixels = torch.from_numpy(np.array(scene.hr)).permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = base.encode_image(pixels)[0].permute(1, 2, 0)
    assert torch.allclose(torch.from_numpy(np.array(featured[2].hr)).float(), expected, atol=2e-2)


@pytest.mark.parametrize(("name", "channels"), [("mask", 0), ("mask-sam", 64), ("full", 88)])
def test_a_row_sees_its_towers_channels(
    config: FineCaptionConfig, name: str, channels: int
) -> None:
    features = torch.zeros(config.hr_channels)
    features[: config.convnext_channels] = 1
    own = features[row_channels(config, find_row(name))]
    assert len(own) == channels
    assert own.sum() == (config.convnext_channels if find_row(name).convnext else 0)


@pytest.mark.parametrize("name", ["whole", "box-text", "contour", "box-convnext", "full"])
def test_a_row_trains_and_answers(
    base: FineCaptionForConditionalGeneration, processor: FineCaptionProcessor,
    featured: FeaturedPool, tmp_path: Path, name: str,
) -> None:  # fmt: skip
    row = find_row(name)
    model = ablation.train_row(row, SMALL, base, processor, featured, tmp_path)
    for own, given in ((model.convnext, base.convnext), (model.sam, base.sam)):
        if own is not None:
            assert given is not None
            for a, b in zip(own.state_dict().values(), given.state_dict().values(), strict=True):
                assert torch.equal(a, b)
    moved = [
        not torch.equal(a, b)
        for a, b in zip(
            model.language_model.layers.state_dict().values(),
            base.language_model.layers.state_dict().values(),
            strict=True,
        )
    ]
    assert any(moved)
    assert json.loads((tmp_path / "note.json").read_text())["budget"]["steps"] == 2

    scene = featured[0]
    asked = [
        Asked(np.array(scene.clip), np.array(mask), np.moveaxis(np.array(scene.hr), -1, 0),
              ("Describe this region: Color.", "Describe this region: Shape."))
        for mask in scene.masks[:2]
    ]  # fmt: skip
    both = ablation.answer(model, processor, row, base.config, asked, 6)
    alone = [ablation.answer(model, processor, row, base.config, [a], 6)[0] for a in asked]
    assert both == alone and [len(b) for b in both] == [2, 2]

    again = ablation.train_row(row, SMALL, base, processor, featured, tmp_path)
    assert ablation.answer(again, processor, row, base.config, asked, 6) == both


def test_more_steps_go_on_and_another_budget_is_refused(
    base: FineCaptionForConditionalGeneration, processor: FineCaptionProcessor,
    featured: FeaturedPool, tmp_path: Path, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    row = find_row("mask")
    ablation.train_row(row, SMALL, base, processor, featured, tmp_path)
    capfd.readouterr()
    more = dataclasses.replace(SMALL, steps=4)
    ablation.train_row(row, more, base, processor, featured, tmp_path)
    said = capfd.readouterr()
    assert "4/4" in said.err + said.out and "1/4" not in said.err + said.out
    for other in (SMALL, dataclasses.replace(more, lr=1.0)):
        with pytest.raises(InputError, match="another budget"):
            ablation.train_row(row, other, base, processor, featured, tmp_path)


@pytest.fixture
def script() -> ModuleType:
    """benchmarks/table2/run.py."""
    from benchmarks.table2 import run

    return run


def test_the_page_shows_the_run_that_its_command_makes(script: ModuleType) -> None:
    page = BENCHMARKS.parent / "docs/benchmark.md"
    data = json.loads((BENCHMARKS / "results/ablation.json").read_text("utf-8"))
    settings = data["settings"]
    told = script.report(settings, data["results"], data["differences"])
    assert section(page, "ablation") == told.strip()
    (command,) = re.findall("^python -m benchmarks.table2.run (.*)$", page.read_text("utf-8"), re.M)
    asked = script._parse(shlex.split(command))
    assert dataclasses.asdict(asked.budget) == settings["budget"]
    assert (asked.regions, asked.pairs) == (settings["regions"], settings["pairs"])
    assert [r.name for r in asked.rows] == [r["row"] for r in data["results"]]


def test_from_rows_to_the_table(
    base: FineCaptionForConditionalGeneration, processor: FineCaptionProcessor, pool_folder: Path,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: ModuleType,
    without_meteor: Callable[[pytest.MonkeyPatch], None],
) -> None:  # fmt: skip
    """benchmarks/table2/run.py with one step a row; the second time nothing is trained again."""
    without_meteor(monkeypatch)
    base.save_pretrained(tmp_path / "base")
    processor.save_pretrained(tmp_path / "base")
    page = tmp_path / "page.md"
    page.write_text("before <!-- ablation:begin --> old <!-- ablation:end --> after")
    arguments = [
        "--out", str(tmp_path / "out"), "--base", str(tmp_path / "base"), "--pool",
        str(pool_folder), "--steps", "1", "--scenes", "4", "--regions", "3", "--pairs", "0",
        "--rows", "mask,full", "--page", str(page), "--figure", str(tmp_path / "figure.svg"),
    ]  # fmt: skip
    data = script.main(arguments)
    assert [r["row"] for r in data["results"]] == ["mask", "full"]
    assert data["results"][0]["scores"]["regions"] >= 3
    text = (tmp_path / "out" / "table.md").read_text()
    assert "| Mask + ConvNeXt + SAM |" in text and "of 1 pairs rank as in the paper" in text
    assert "1 steps of 8 images" in text and text.strip() in page.read_text()
    (step,) = data["differences"]
    assert (step["from"], step["to"]) == ("mask", "full") and step["a"] == pytest.approx(
        data["results"][0]["scores"]["mean_accuracy"]
    )
    assert (
        "| both towers added to a mask |" in text and "### What high resolution contributes" in text
    )
    assert "<svg" in (tmp_path / "figure.svg").read_text()
    monkeypatch.setattr(ablation, "train_row", None)
    assert script.main(arguments) == data
