from __future__ import annotations

import json
from pathlib import Path

import pytest

from finecaption.cli import main


def test_render_writes_a_split_and_prints_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scenes"
    command = ["synth", "render", "--split", "val", "--count", "1", "--seed", "3",
               "--out", str(out), "--workers", "1"]  # fmt: skip
    assert main(command) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{out / 'annotations.jsonl'}\n"
    lines = (out / "annotations.jsonl").read_text(encoding="utf-8").rstrip("\n").split("\n")
    records = [json.loads(line) for line in lines]
    assert {(r["split"], r["seed"], r["scene"]) for r in records} == {("val", 3, 0)}
    assert (out / "images" / "000000.png").exists() and (out / "scenes" / "000000.svg").exists()
    # Once more: there is nothing left to do.
    assert main(command) == 0


@pytest.mark.parametrize(
    "options, message",
    [
        (["--split", "dev"], "unknown split 'dev'; choose one of train, val, test, test-unseen"),
        (["--count", "0"], "count is 0; it must be at least 1"),
        (["--workers", "-1"], "workers is -1; it must be at least 1"),
    ],
)
def test_bad_settings_end_with_code_2_and_a_line(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["synth", "render", "--count", "1", "--out", str(tmp_path / "x"), *options]
    assert main(command) == 2
    assert capsys.readouterr().err.strip().endswith(f"error: {message}")
