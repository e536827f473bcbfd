from __future__ import annotations

import json
from pathlib import Path

import pytest

from finecaption.cli import main
from finecaption.synth.dataset import render_split


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "split"
    list(render_split("test", 1, 3, folder, workers=1))
    return folder


def test_from_a_rendered_folder_to_the_table(
    tiny_folder: Path, rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "stages" / "one"
    common = ["eval", "--out", str(out)]
    named = ["--model", str(tiny_folder), "--data", str(rendered), "--device", "cpu"]
    few = ["--limit", "2", "--twins", "1", "--workers", "0"]
    assert main([*common, *named, *few]) == 0
    said = capsys.readouterr()
    assert "Mean over attributes" in said.out
    assert "predictions: 2 regions in" in said.err and "scores.json" in said.err

    assert main([*common, "--rescore", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["regions"] == 2
    assert scores == json.loads((out / "scores.json").read_text())

    assert main(["eval", "--stages", str(tmp_path / "stages")]) == 0
    assert "one" in capsys.readouterr().out
    assert "| Mean over attributes |" in (tmp_path / "stages" / "stages.md").read_text()

    assert main([*common, *named, "--limit", "3", "--workers", "0"]) == 2
    assert "holds another run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "synth:test"], "--out DIR"),
        (["--data", "synth:nothing", "--out", "x"], "names no split"),
        (["--out", "x", "--workers", "-1"], "workers: is -1"),
        (["--out", "x", "--model", "no-such-model"], "no-such-model"),
        (["--stages", "nowhere"], "scores.json"),
        (["--rescore", "--out", "nowhere"], "run.json"),
    ],
)
def test_input_that_cannot_be_used(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["eval", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not list(tmp_path.iterdir())
