from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finecaption.cli import main
from finecaption_synth.training.recipes import mini, smoke


def test_print_config_shows_the_recipe_and_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["train", "--print-config", "--out", str(out), "--set", "stage3.steps=7"]) == 0
    recipe = json.loads(capsys.readouterr().out)
    assert recipe["name"] == "mini" and recipe["preset"] == "mini"
    assert [s["name"] for s in recipe["stages"]] == [s.name for s in mini().stages]
    assert next(s for s in recipe["stages"] if s["name"] == "stage3")["steps"] == 7
    assert not out.exists()


def test_print_config_does_without_torch() -> None:
    code = (
        "import sys\nfrom finecaption.cli import main\n"
        "assert main(['train', '--recipe', 'smoke', '--print-config']) == 0\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    src = Path(__file__).resolve().parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=src, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "smoke"


@pytest.mark.parametrize(
    "options, message",
    [
        (["--recipe", "maxi"], "no recipe 'maxi'; there are mini, mini-paper, smoke"),
        (["--set", "stage3.steps=lots"], "steps=lots: expected a value like 880"),
        (["--set", "stage4.steps=1"], "recipe mini has no stage 'stage4'"),
    ],
)
def test_bad_settings_end_with_code_2_and_a_line(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--out", str(tmp_path / "run"), *options]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert not (tmp_path / "run").exists()


def test_the_command_runs_the_recipe_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[Any, Any]] = []

    def pretend(recipe: Any, out: Path, **options: Any) -> Path:
        options.pop("say")("stage1: under way")
        calls.append((recipe, {"out": out, **options}))
        return out / "stage3"

    monkeypatch.setattr("finecaption_synth.training.scratch.train_from_scratch", pretend)
    pool = tmp_path / "pool"
    command = ["train", "--recipe", "smoke", "--out", str(tmp_path), "--pool", str(pool),
               "--only", "stage1", "--only", "stage2"]  # fmt: skip
    assert main(command) == 0
    assert calls == [(smoke(), {"out": tmp_path, "pool": pool, "only": ["stage1", "stage2"]})]
    shown = capsys.readouterr()
    assert shown.out == f"{tmp_path / 'stage3'}\n"
    assert shown.err == "stage1: under way\n"
