"""The contact sheets: layout, outlines, pairs, and the page whose captions are written anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.cli import main
from finecaption_synth import gallery
from finecaption_synth.gallery import (
    PAIR_IOU,
    GalleryPlan,
    find_pairs,
    gallery_captions,
    outlined,
    scene_cells,
    sheet,
    write_gallery,
)
from finecaption_synth.markdown import section


def test_sheet_puts_cells_row_by_row() -> None:
    cells = [np.full((10, 10, 3), shade, np.uint8) for shade in (0, 100, 200)]
    page = np.asarray(sheet(cells, columns=2, size=10, gap=2))
    assert page.shape == (2 * 12 + 2, 2 * 12 + 2, 3)
    assert page[7, 7, 0] == 0
    assert page[7, 19, 0] == 100
    assert page[19, 7, 0] == 200
    assert page[19, 19, 0] > 230  # paper


def test_labels_make_room_below_the_cells() -> None:
    cells = [np.zeros((10, 10, 3), np.uint8)]
    plain, named = sheet(cells, 1, 30), sheet(cells, 1, 30, ["cat"])
    assert named.height > plain.height
    assert len(np.unique(np.asarray(named)[36:])) > 2


def test_outlined_changes_the_mask_and_nothing_else() -> None:
    rgb = np.full((20, 20, 3), 128, np.uint8)
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    out = outlined(rgb, [mask], width=2, tint=0.25)
    assert (out[~mask] == 128).all()
    edge, inside = out[5, 10], out[10, 10]
    assert (edge != inside).any()
    assert (out[6, 10] == edge).all()
    assert (out[7, 10] == inside).all()


def test_outline_of_a_mask_at_the_border_stays_inside_the_picture() -> None:
    mask = np.zeros((8, 8), bool)
    mask[:, :4] = True
    out = outlined(np.zeros((8, 8, 3), np.uint8), [mask], width=1, tint=0.0)
    assert out[4, 0].any()  # the picture's border is an edge of the region
    assert not out[4, 2].any()
    assert not out[4, 7].any()


def test_pairs_are_those_of_the_scenes() -> None:
    found = {p.index: p for p in find_pairs("test", 0, 5)}
    assert set(found) == {0}
    assert all(PAIR_IOU <= p.iou <= 1 and p.a != p.b for p in found.values())


def test_the_gallery_is_written_and_told(tmp_path: Path) -> None:
    plan = GalleryPlan(scenes=2, columns=2, size=40, looks=0, masks=(1,), pairs=1, told=(1, (1,)))
    files = write_gallery(tmp_path / "new", plan)
    assert [f.name for f in files] == ["scenes.jpg", "masks.jpg", "pairs.jpg"]
    for file in files:
        with Image.open(file) as page:
            assert min(page.size) >= 40
    text = gallery_captions(plan)
    assert "| Category Name |" in text
    assert text.startswith("**The whole picture.**")


def test_scenes_come_in_the_order_asked() -> None:
    one, two = scene_cells("test", 0, [1, 7], 32)
    assert one.shape == (32, 32, 3)
    assert np.array_equal(scene_cells("test", 0, [7], 32)[0], two)
    assert not np.array_equal(one, two)


def test_the_page_in_docs_tells_what_the_truth_says() -> None:
    page = Path(__file__).parents[2] / "docs/gallery.md"
    assert section(page, "captions") == gallery_captions().strip(), "run `make gallery`"


def test_the_command_writes_sheets_and_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def write(out: Path, plan: GalleryPlan, workers: int) -> list[Path]:
        seen.append((out, plan.scenes, workers))
        return [out / "scenes.jpg"]

    monkeypatch.setattr(gallery, "write_gallery", write)
    page = tmp_path / "gallery.md"
    page.write_text("<!-- captions:begin --><!-- captions:end -->", "utf-8")
    command = ["synth", "gallery", "--out", str(tmp_path), "--page", str(page), "--scenes", "3"]
    assert main(command) == 0
    assert seen == [(tmp_path, 3, 1)]
    assert "| Category Name |" in page.read_text("utf-8")
    assert capsys.readouterr().out.split() == [str(tmp_path / "scenes.jpg"), str(page)]
    assert main([*command[:-1], "0"]) == 2
