from __future__ import annotations

import json
from pathlib import Path

import pytest

from finecaption.cli import main
from finecaption_synth.dataset import render_split


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
    few = ["--limit", "2", "--twins", "1", "--workers", "0", "--tasks", "aarc,cgic"]
    assert main([*common, *named, *few, "--no-captions"]) == 0
    said = capsys.readouterr()
    assert "wholes: 1 images in" in said.err and "report.html" in said.err
    assert "Mean over attributes" in said.out
    assert "predictions: 2 regions in" in said.err and "scores.json" in said.err

    assert main([*common, "--rescore", "--no-captions", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["regions"] == 2
    assert scores == json.loads((out / "scores.json").read_text())

    assert main(["eval", "--stages", str(tmp_path / "stages")]) == 0
    assert "one" in capsys.readouterr().out
    assert "| Mean over attributes |" in (tmp_path / "stages" / "stages.md").read_text()

    assert main([*common, *named, "--limit", "3", "--workers", "0"]) == 2
    assert "holds another run" in capsys.readouterr().err

    for name in ("scores.json", "answers.jsonl", "report.html"):
        (out / name).unlink()
    assert main(["eval", "report", "--out", str(out)]) == 2
    assert "answers.jsonl: no such file" in capsys.readouterr().err
    assert main(["eval", "score", "--out", str(out), "--no-captions"]) == 0
    assert (out / "report.html").exists()
    capsys.readouterr()
    assert main(["eval", "compare", str(out), str(out), "--out", str(tmp_path / "both")]) == 0
    assert "no difference can be told" in capsys.readouterr().out
    assert (tmp_path / "both" / "compare.html").exists()


def test_shards_of_a_run(
    tiny_folder: Path, rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    asked = [
        "eval", "predict", "--model", str(tiny_folder), "--data", str(rendered), "--device", "cpu",
        "--limit", "2", "--twins", "0", "--clicks", "0", "--workers", "0", "--tasks", "aarc",
        "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    assert main([*asked, "--shard", "1/2"]) == 0
    assert "shard 1 of 2 is answered" in capsys.readouterr().err
    assert not (tmp_path / "out" / "run.json").exists()
    assert main(["eval", "score", "--out", str(tmp_path / "out")]) == 2
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun sets them
    assert main(asked) == 0
    assert (tmp_path / "out" / "predictions.jsonl").read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "synth:test"], "--out: is missing"),
        (["--data", "synth:nothing", "--out", "x"], "names no split"),
        (["--out", "x", "--workers", "-1"], "--workers: must be at least 0"),
        (["--out", "x", "--tasks", "aarc,vqa"], "tasks: vqa"),
        (["--out", "x", "--shard", "3/2"], "I/N"),
        (["score", "--out", "nowhere"], "run.json"),
        (["compare", "nowhere", "neither"], "answers.jsonl"),
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
