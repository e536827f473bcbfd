from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.cli import main
from finecaption.io.masks import decode_rle, load_mask

ROOM = str(Path(__file__).parents[2] / "examples" / "room.png")


def test_click_to_png_rle_and_coco(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segment", ROOM, "--point", "400,430", "--out", str(tmp_path / "m")]) == 0
    assert "1 mask in" in capsys.readouterr().err
    names = sorted(path.name for path in (tmp_path / "m").iterdir())
    assert names == ["001.png", "coco.json", "rle.json"]
    mask = load_mask(tmp_path / "m" / "001.png", (512, 512))
    rle = json.loads((tmp_path / "m" / "rle.json").read_text())
    assert rle["image"] == "room.png" and rle["size"] == [512, 512]
    np.testing.assert_array_equal(decode_rle(rle["regions"][0]["mask"]), mask)
    coco = json.loads((tmp_path / "m" / "coco.json").read_text())
    assert coco["annotations"][0]["area"] == mask.sum()
    assert coco["images"][0]["file_name"] == "room.png"


def test_two_boxes_into_one_document(tmp_path: Path) -> None:
    out = tmp_path / "masks.json"
    boxes = ["--box", "60,120,180,440", "--box", "340,230,440,440"]
    assert main(["segment", ROOM, *boxes, "--format", "rle", "--out", str(out)]) == 0
    assert len(json.loads(out.read_text())["regions"]) == 2
    assert main(["segment", ROOM, *boxes, "--out", str(tmp_path / "one.png")]) == 2


def test_everything(tmp_path: Path) -> None:
    out = tmp_path / "all.json"
    command = [
        "segment",
        ROOM,
        "--everything",
        "--grid",
        "8",
        "--max-masks",
        "5",
        "--out",
        str(out),
    ]
    assert main(command) == 0
    found = json.loads(out.read_text())["annotations"]
    assert 1 <= len(found) <= 5
    ranks = [one["stability"] + one["agreement"] for one in found]
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to segment"),
        (["--everything", "--point", "1,1"], "--everything: give it alone"),
        (["--point", "1,1:-"], "at least one click on the object"),
        (["--point", "1,1", "--box", "0,0,9,9", "--box", "1,1,9,9"], "--point"),
        (["--point", "999,1"], "--point"),
        (["--point", "1,1", "--format", "svg"], "--format"),
        (["--everything", "--grid", "0"], "--grid"),
        (["--point", "1,1", "--format", "png", "--out", "x.json"], "--out x.json"),
        (["--point", "1,1", "--out", "nowhere/x.png"], "no folder"),
        (["--point", "1,1", "--segmenter", "nowhere"], "SAM checkpoint"),
    ],
)
def test_unusable_input(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (20, 20)).save("a.png")
    assert main(["segment", "a.png", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]
