from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finecaption.cli import main
from finecaption.errors import InputError
from finecaption.train.paper import (
    CONFIGS,
    fsdp,
    lora,
    override,
    paper,
    qlora,
    read_settings,
    read_yaml,
    to_json,
)
from finecaption.train.recipes import PARTS


@pytest.mark.parametrize(
    "stage, trains, lr, batch",
    [(1, ("adapter",), 1e-3, 256), (2, ("alpha",), 1e-4, 256), (3, PARTS, 2e-5, 128)],
)
def test_the_papers_stages(stage: int, trains: tuple[str, ...], lr: float, batch: int) -> None:
    """The table of the specification."""
    config = paper(stage)
    assert (config.trains, config.lr, config.batch) == (trains, lr, batch)
    assert (config.schedule, config.warmup, config.weight_decay) == ("cosine", 0.03, 0.0)
    assert config.gradient_checkpointing and config.group_by_length and config.shared
    assert config.whole == (0.1 if stage == 2 else 0.0)
    assert fsdp(stage).sharding == "fsdp2" and fsdp(stage).lr == lr


def test_adapters_leave_the_large_towers_alone() -> None:
    for config in (lora(3), qlora(3)):
        assert not {"convnext", "sam"} & set(config.trains)
        assert set(config.lora_parts) < set(config.trains)
    with pytest.raises(InputError, match="stage 1: adapters are for stage 3"):
        lora(1)
    with pytest.raises(InputError, match="stage 4: the paper has 1, 2 and 3"):
        paper(4)


def test_what_is_printed_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    for recipe in CONFIGS.values():
        config = override(recipe(3), {"lr": 3e-4, "report_to": ["wandb"]})
        path.write_text(to_json(config))
        assert override(recipe(3), read_yaml(path)) == config


def test_settings_are_yaml() -> None:
    told = read_settings(["lr=1e-4", "trains=[adapter, alpha]", "shared=false", "cache=x=y"])
    config = override(paper(1), told)
    assert config.lr == 1e-4 and config.trains == ("adapter", "alpha") and config.cache == "x=y"
    assert config.shared is False
    assert override(paper(1), read_settings(["report_to=none"])).report_to == ("none",)
    assert override(paper(3), {"rates": {"llm": 1}}).rates == {"llm": 1.0}
    assert override(paper(3), {"steps": 1e3}).steps == 1000


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"speed": 1}, "speed: unknown; the config has name, stage, trains, lr"),
        ({"lr": "fast"}, r"lr=fast: expected a value like 2e-05"),
        ({"steps": 1.5}, "steps=1.5: expected a value like 0"),
        ({"steps": True}, "steps=True: expected"),
        ({"shared": 1}, "shared=1: expected a value like true"),
        ({"trains": ["head"]}, r"\['head'\] is no part of the model"),
        ({"trains": []}, "nothing is no part"),
        ({"batch": 0}, "batch=0: must be at least 1"),
        ({"epochs": 0}, "epochs=0.0: must be above 0"),
        ({"lr": 0}, "lr must be above 0"),
        ({"betas": [0.9]}, "betas=.*two numbers"),
        ({"stage": 4}, "stage=4: choose 1, 2, 3"),
        ({"sharding": "zero3"}, "sharding=zero3: choose none, fsdp2"),
        ({"cache": "x"}, "the large towers move in this stage"),
        ({"lora_parts": ["llm"]}, "is for adapter=lora"),
        ({"adapter": "lora"}, "give clip, llm or both"),
        ({"adapter": "lora", "lora_parts": "llm", "sharding": "fsdp2"}, "one card or for DDP"),
        ({"adapter": "lora", "lora_parts": "llm", "trains": ["adapter"]}, "be among trains"),
    ],
)
def test_unusable_configs_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        override(paper(3), changes)


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
    assert (told["stage"], told["lr"], told["batch"], told["seed"]) == (2, 1e-3, 9, 3)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--recipe", "paper"], "--model: give the folder"),
        (["--recipe", "paper", "--model", "x"], "--data: none given"),
        (["--recipe", "paper", "--only", "stage1"], "--pool and --only are of mini"),
        (["--recipe", "smoke", "--plan"], "--model, --data, --config and --plan are of paper"),
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
