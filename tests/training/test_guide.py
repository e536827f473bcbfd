"""Every command of docs/train-your-own.md, run for real at the size of the tests."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from finecaption.cli import main
from finecaption.model import FineCaptionForConditionalGeneration

from .regions import draw_samples, write_jsonl

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/train-your-own.md"
SHORT = [
    "steps=2",
    "max_tokens=120",
    "batch=8",
    "workers=0",
    "samples_shown=0",
    "log_every=1",
    "accumulate=1",
]
SHORT_LORA = [*SHORT, "lora_rank=4"]


def commands() -> list[str]:
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    told = [text for language, text in fences if language in ("", "sh")]
    return [line for text in told for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def place(quantizable_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model and the data that the page names."""
    root = tmp_path_factory.mktemp("guide")
    shutil.copytree(quantizable_folder, root / "models/stage0")
    samples = draw_samples(root / "mine/pictures")
    write_jsonl([s for s in samples if s.mask is not None], root / "mine/regions.jsonl")
    write_jsonl([s for s in samples if s.mask is None], root / "mine/pictures.jsonl")
    shutil.copytree(ROOT / "examples", root / "examples")
    (root / "mine/short.yaml").write_text("epochs: 0.5\nseed: 3\n")
    return root


def shortened(words: list[str]) -> list[str]:
    if "--recipe" not in words:
        return words
    words = ["models/stage0" if word == "finecaption-mini" else word for word in words]
    return [*words, *(SHORT_LORA if {"lora", "qlora"} & set(words) else SHORT)]


def test_the_commands_in_their_order(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    for command in commands():
        words = shlex.split(command)
        if words.pop(0) != "finecaption":
            continue
        assert main(shortened(words)) == 0, command
        if words[0] == "train" and "--out" in words:
            out = place / words[words.index("--out") + 1] / "model"
            FineCaptionForConditionalGeneration.from_pretrained(out)


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("torchrun")])
def test_a_command_of_several_processes(command: str, place: Path) -> None:
    words = shlex.split(command.replace("nproc_per_node 8", "nproc_per_node 2"))[1:]
    words = shortened([w.replace("expected_world_size=8", "expected_world_size=2") for w in words])
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", *words],  # a free port
        cwd=place, env=env, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    model = place / words[words.index("--out") + 1] / "model"
    assert done.stdout.split()[-1] == str(model.relative_to(place))
    FineCaptionForConditionalGeneration.from_pretrained(model)


def test_the_page_has_its_commands() -> None:
    told = commands()
    assert len(told) >= 10
    assert all(c.startswith(("finecaption", "torchrun")) for c in told), told


def test_the_benchmark_of_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """benchmarks/train_step.py at the smallest size: the two ways agree, and one is cheaper.

    In processor time of one thread, which what else runs on the machine hardly changes.
    """
    import importlib.util
    import json

    path = ROOT / "benchmarks/train_step.py"
    spec = importlib.util.spec_from_file_location("train_step", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out = tmp_path / "step.json"
    words = ["--preset", "tiny", "--regions", "2", "--questions", "4", "--repeats", "1"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        words += ["--usual-batch", "4", "--clock", "cpu"]
        assert module.main([*words, "--json", str(out)]) == 0
    finally:
        torch.set_num_threads(threads)
    told = json.loads(out.read_text())
    assert told["max_grad_diff"] < 1e-5 and told["loss_diff"] < 1e-5
    assert told["ratio"] > 1 and told["rows"][0]["questions"] == 8
    assert "shared q/s" in capsys.readouterr().out


def test_the_plans_and_ratios_of_the_page_are_those_that_were_measured() -> None:
    import json

    page = PAGE.read_text("utf-8")
    results = ROOT / "benchmarks/results"
    for row in json.loads((results / "plan.json").read_text())["rows"]:
        told = [row[k] / 2**30 for k in ("weights", "gradients", "optimizer", "activations")]
        line = f"| `{row['recipe']}` | {row['stage']} | {row['processes']} | "
        found = next(text for text in page.splitlines() if text.startswith(line))
        assert " | ".join(f"{size:.2f}" for size in told) in found
    step = json.loads((results / "train_step.json").read_text())
    for row in step["rows"]:
        assert f"| {row['ratio']:.1f} | {row['max_grad_diff']:.1e} |" in page
    for told in json.loads((ROOT / "docs/train/resume.json").read_text()):
        assert told["batches_equal"] and told["weights_equal"] and told["batches_loaded_by_both"]
        assert told["losses"] == told["losses_killed"]
        assert (ROOT / f"docs/train/resume-{told['mode']}.log").is_file()
