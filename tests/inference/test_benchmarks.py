"""The benchmarks of speed run, at tiny size, with all that they compare."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    spec = importlib.util.spec_from_file_location(name, ROOT / f"benchmarks/{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_describe_at_tiny_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("describe", monkeypatch)
    monkeypatch.setattr(module, "ceilings", lambda device, dtype: (1e11, 1e10))
    # of all threads of this process: what else runs on the machine hardly changes it
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    file = tmp_path / "describe.json"
    arguments = ["--tiny", "--qwen", "--regions", "2", "--questions", "3", "--new-tokens", "3"]
    assert module.main([*arguments, "--repeats", "1", "--json", str(file)]) == 0
    result = json.loads(file.read_text())
    assert result["equal_answers"] == {"one": "6 of 6", "batched": "6 of 6"}
    assert result["answers"] == 6 and result["tokens"] == 18
    assert set(result["seconds"]) == {"engine", "one", "batched", "qwen"}
    assert result["ratio_one_at_a_time"] > 1 and result["ratio_qwen"] > 0
    roof = result["roofline"]
    assert 0 < roof["share"] < 1
    assert set(roof["phases"]) == {"towers", "regions", "prompts", "decode"}


def test_necessary_work_is_counted_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the decode steps: products with every weight once a token, and looks at what is seen."""
    import torch

    from finecaption.inference.batch_decoder import Answer
    from finecaption.io.images import load_image

    module = load("describe", monkeypatch)
    captioner = module.random_model("tiny", "cpu", torch.float32)
    picture = load_image(ROOT / "examples/room.png")
    inputs = captioner.processor.image_processor(
        [picture], module.box_masks(2, picture.size), [0, 0], return_tensors="pt"
    )
    questions = ["Describe this region: Color.", "Describe this region: Hair."]
    task = module.Task(captioner.model, captioner.processor, dict(inputs), questions, 3)
    prefix, rests = captioner.processor.shared_prefix(questions)
    found = [[Answer("", 0.0, 1), Answer("", 0.0, 2)]] * 2
    (step,) = [work for work in module.necessary(task, found) if work.name == "decode"]
    layer = 4 * 32 * 32 + 3 * 32 * 64
    vocabulary = captioner.model.lm_head.weight.shape[0]
    sees = len(prefix) + len(rests[1]) + 1  # one token goes in, after its prompt
    assert step.flop == 2 * (2 * (2 * layer + 32 * vocabulary) + 4 * 2 * 32 * sees)


def test_three_ways_of_attention_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("prefix_attention", monkeypatch)
    small = module.Shape("small", 2, 3, 2, 2, 8, 10, 4)
    row = module.measure(small, 1)  # raises where they do not
    assert row["megabytes"]["one"] < row["megabytes"]["copied"]
