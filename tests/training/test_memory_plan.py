"""The plan against a measured run: every allocation of a real step, from torch's own profiler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from finecaption.cli import main
from finecaption.errors import InputError
from finecaption.model import PRESETS
from finecaption.training.config import StageConfig, override
from finecaption.training.memory_plan import (
    GIB,
    TrainingMemory,
    measure,
    model_config_of,
    pack_shape,
    plan_table,
    shared_among,
    stage_model,
)
from finecaption.training.objectives.captions import Captions
from finecaption.training.optimizers import make_optimizer
from finecaption.training.recipes import lora, paper, qlora

SHAPE = (6, 200, 2)


def profiled_peak(config: StageConfig, steps: int = 2) -> int:
    """The most bytes that lie allocated in two whole steps of training, AdamW's among them.

    Through the model's forward and the real optimiser; only the weights' own bytes, which are
    there before the profiler, are added.
    """
    model_config = PRESETS["tiny"]()
    model = stage_model(config, model_config)
    from finecaption.training.memory_plan import one_step, pack_inputs

    inputs = pack_inputs(config, model_config, *SHAPE)
    before = sum(
        t.numel() * t.element_size()
        for t in [*model.parameters(), *model.buffers(), *inputs.values()]
    )
    optimizer = make_optimizer(model, config, Captions(0).part_of)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        for _ in range(steps):
            one_step(model, inputs, False)
            optimizer.step()
            optimizer.zero_grad()
    now = most = 0
    assert profile.profiler is not None and profile.profiler.kineto_results is not None
    found = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    assert found
    for event in sorted(found, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return before + most


@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize("stage", [1, 3])
def test_within_15_percent_of_a_measured_run(stage: int, checkpointing: bool) -> None:
    changes = {"precision": "fp32", "gradient_checkpointing": checkpointing}
    config = override(paper().stage(stage), changes)
    planned = measure(config, PRESETS["tiny"](), shape=SHAPE)
    measured = profiled_peak(config)
    assert abs(planned.peak - measured) < 0.15 * measured, (planned, measured)


def test_the_parts_add_up() -> None:
    config = override(paper().stage(3), {"precision": "fp32"})
    memory = measure(config, PRESETS["tiny"](), shape=SHAPE)
    assert memory.weights >= 4 * memory.parameters
    assert memory.gradients == 4 * memory.moving and memory.optimizer == 8 * memory.moving
    assert memory.peak == (
        memory.weights + memory.gradients + memory.optimizer + memory.activations
    )
    assert memory.on_card() > memory.peak
    half = shared_among(memory, 2)
    assert half.optimizer == memory.optimizer // 2 and half.peak < memory.peak
    assert shared_among(memory, 1) == memory


def test_adapters_and_nf4_take_less() -> None:
    sizes: dict[str, TrainingMemory] = {}
    for name, recipe in (("paper", paper), ("lora", lora), ("qlora", qlora)):
        config = override(recipe().stage(3), {"precision": "bf16", "lora_rank": 2})
        sizes[name] = measure(config, PRESETS["tiny"](), shape=SHAPE)
    assert sizes["paper"].optimizer > sizes["lora"].optimizer == sizes["qlora"].optimizer
    assert sizes["paper"].weights > sizes["lora"].weights > sizes["qlora"].weights


def test_a_cache_spares_the_towers() -> None:
    config = override(paper().stage(1), {"precision": "fp32"})
    plain = measure(config, PRESETS["tiny"](), shape=SHAPE)
    cached = measure(override(config, {"cache": "x"}), PRESETS["tiny"](), shape=SHAPE)
    assert cached.peak <= plain.peak


def test_packs_are_of_the_budget() -> None:
    config = PRESETS["8b"]()
    rows, length, pictures = pack_shape(paper().stage(3), config)
    assert rows * length <= 8192 < (rows + 1) * length and pictures == 2
    assert pack_shape(paper().stage(1), config)[1] == 1024 + 16 + 40


def test_the_command_prints_a_table(tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for recipe in ("paper", "lora", "qlora", "fsdp"):
        words = ["train", "--recipe", recipe, "--model", str(tiny_folder), "--plan"]
        assert main([*words, "max_tokens=400"]) == 0
        told = capsys.readouterr().out
        assert f"{recipe}, stage3" in told and "24 GB, 80 GB" in told and "an estimate" in told


def test_models_that_are_not_there() -> None:
    assert model_config_of("mini").image_size == 256
    assert model_config_of("finecaption-mini").image_size == 256
    with pytest.raises(InputError, match="no preset of that name"):
        model_config_of("9b")
    assert GIB == 1024**3
    shape: Any = plan_table(override(paper().stage(1), {"max_tokens": 100}), "tiny")
    assert "stage1" in shape
