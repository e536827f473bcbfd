"""`finecaption choose`: output, notes, and what is refused before the model is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from finecaption.cli import main

ROOM = str(Path(__file__).parents[2] / "examples" / "room.png")
REGION = [ROOM, "--point", "434,315"]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["choose", *REGION, "--attribute", "category", "cat", "man", "zeppelin", "--json"])
    out = capsys.readouterr()
    assert code == 0
    record = json.loads(out.out)
    assert record["attribute"] == "Category Name"
    assert list(record["choices"]) == ["man", "cat", "zeppelin"]
    assert record["choices"]["zeppelin"] == 0 and record["unknown"] == ["zeppelin"]
    assert sum(record["choices"].values()) == pytest.approx(1, abs=1e-5)
    assert '"zeppelin" has words that the model does not know' in out.err


def test_lines(capsys: pytest.CaptureFixture[str], tiny_folder: Path, tmp_path: Path) -> None:
    with Image.open(ROOM) as picture:
        mask = Image.new("L", picture.size)
    mask.paste(255, (60, 80, 200, 400))
    mask.save(tmp_path / "mask.png")
    code = main(
        ["choose", ROOM, "red", "cup", "--attribute", "Color", "--mask", str(tmp_path / "mask.png"),
         "--template", "A {choice}.", "--model", str(tiny_folder)]
    )  # fmt: skip
    out = capsys.readouterr().out.splitlines()
    assert code == 0
    assert sorted(line.split()[0] for line in out) == ["cup", "red"]
    assert all(line.endswith("%") for line in out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([ROOM, "red", "--attribute", "Color"], "region: give one of"),
        ([*REGION, "--mask", ROOM, "red", "--attribute", "Color"], "region: give one of"),
        ([*REGION, "red", "--attribute", "Colr"], "unknown attribute"),
        (["none.png", "--point", "1,1", "red", "--attribute", "Color"], "none.png"),
        ([ROOM, "--point", "9999,1", "red", "--attribute", "Color"], "point"),
    ],
)
def test_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["choose", *arguments]) == 2
    assert said in capsys.readouterr().err
