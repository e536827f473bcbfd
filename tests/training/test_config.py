from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finecaption.cli import main
from finecaption.errors import InputError
from finecaption.training.config import StageConfig, override, read_settings, read_yaml, to_json
from finecaption.training.recipes import RECIPES, find_recipe, paper
from finecaption_synth.training.recipes import mini


def test_what_is_printed_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    for name in RECIPES:
        for stage in find_recipe(name).stages:
            config = override(stage, {"lr": 3e-4, "report_to": ["wandb"]})
            path.write_text(to_json(config))
            assert override(stage, read_yaml(path)) == config


def test_settings_are_yaml() -> None:
    told = read_settings(["lr=1e-4", "trains=[adapter, alpha]", "shared=false", "cache=x=y"])
    config = override(paper().stage(1), told)
    assert config.lr == 1e-4 and config.trains == ("adapter", "alpha") and config.cache == "x=y"
    assert config.shared is False
    assert override(paper().stage(1), read_settings(["report_to=none"])).report_to == ("none",)
    assert override(paper().stage(3), {"rates": {"llm": 1}}).rates == {"llm": 1.0}
    assert override(paper().stage(3), {"steps": 1e3}).steps == 1000


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"speed": 1}, "speed: unknown; stage3 has name, objective, trains, lr"),
        ({"lr": "fast"}, r"lr=fast: expected a value like 2e-05"),
        ({"steps": 1.5}, "steps=1.5: expected a value like 0"),
        ({"steps": True}, "steps=True: expected"),
        ({"shared": 1}, "shared=1: expected a value like true"),
        ({"trains": ["head"]}, r"\['head'\] is no part of the model"),
        ({"batch": 0}, "batch=0: must be at least 1"),
        ({"epochs": 0}, "epochs=0.0: must be above 0"),
        ({"lr": 0}, "lr must be above 0"),
        ({"betas": [0.9]}, "betas=.*two numbers"),
        ({"schedule": "none"}, "schedule=none: choose cosine, linear"),
        ({"schedule": "wsd", "decay": 0}, "decay=0.0: must be above 0"),
        ({"optimizer": "muon", "sharding": "fsdp2"}, "muon needs whole matrices"),
        ({"sharding": "zero3"}, "sharding=zero3: choose none, fsdp2"),
        ({"cache": "x"}, "the large towers are trainable in this stage"),
        ({"lora_parts": ["llm"]}, "is for adapter=lora"),
        ({"adapter": "lora"}, "give clip, llm or both"),
        ({"adapter": "lora", "lora_parts": "llm", "sharding": "fsdp2"}, "single GPU or for DDP"),
        ({"adapter": "lora", "lora_parts": "llm", "trains": ["adapter"]}, "be among trains"),
    ],
)
def test_unusable_configs_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        override(paper().stage(3), changes)


def test_warm_up_is_a_fraction_or_a_number_of_steps() -> None:
    stage = paper().stage(3)
    steps = [override(stage, {"warmup": w}).warmup_steps(1000) for w in (0.03, 0.0001, 0, 200)]
    assert steps == [30, 1, 0, 200]


def test_old_names_live_on_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="tokens is now max_tokens"):
        assert override(paper().stage(1), {"tokens": 99}).max_tokens == 99
    stage = mini().stage("stage2")  # its questions have a setting of an old name
    assert override(stage, {"whole": 0.2}).options.whole == 0.2


def test_mini_and_8b_are_of_one_config() -> None:
    assert {type(s) for r in (mini(), paper()) for s in r.stages} == {StageConfig}


def test_unreadable_settings_are_refused(tmp_path: Path) -> None:
    for settings, message in ((["lr"], "'lr' is not key=value"), (["a=[1"], "not YAML")):
        with pytest.raises(InputError, match=message):
            read_settings(settings)
    path = tmp_path / "config.yaml"
    with pytest.raises(InputError, match="cannot be read as YAML"):
        read_yaml(path)
    path.write_text("- 1")
    with pytest.raises(InputError, match="must map names to values"):
        read_yaml(path)


def test_the_command_prints_the_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("lr: 1e-3\nbatch: 7\n")
    words = ["train", "--recipe", "paper", "--stage", "2", "--config", str(path), "--print-config"]
    assert main([*words, "batch=9", "--set", "seed=3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["lr"], told["batch"], told["seed"]) == ("stage2", 1e-3, 9, 3)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--recipe", "paper"], "--model: give the name or folder"),
        (["--recipe", "paper", "--model", "x"], "--data: is missing"),
        (["--recipe", "paper", "--only", "stage1"], "--pool and --only belong to mini"),
        (["--recipe", "smoke", "--plan"], "--model, --data, --config and --plan belong to paper"),
        (["--recipe", "paper", "lr=x", "--print-config"], "lr=x: expected"),
    ],
)
def test_bad_commands_end_with_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_configs_are_read_without_torch() -> None:
    code = (
        "import sys\nfrom finecaption.cli import main\n"
        "assert main(['train', '--recipe', 'paper', '--stage', '1', '--print-config']) == 0\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    src = Path(__file__).resolve().parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=src, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
