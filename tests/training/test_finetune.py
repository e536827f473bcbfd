from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from finecaption.errors import FineCaptionError, InputError
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor
from finecaption.model.parts import part_of, unused_by_captions
from finecaption.segmentation.click import ClickDecoder, Segmenter, save_segmenter
from finecaption.training import lora
from finecaption.training.checkpoints import load_parameters, locked
from finecaption.training.config import StageConfig, override
from finecaption.training.curve import LossCurve
from finecaption.training.finetune import finetune
from finecaption.training.fit import set_trainable
from finecaption.training.models import load_for_stage
from finecaption.training.objectives.captions import Captions
from finecaption.training.recipes import find_recipe, paper
from finecaption.types import RegionSample

from .regions import draw_samples, write_jsonl

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "lr": 1e-3, "batch": 12, "steps": 4, "max_tokens": 120, "max_images": 2, "workers": 0,
    "log_every": 1, "save_every": 2, "samples_shown": 0, "lora_rank": 4, "report_to": "none",
}  # fmt: skip


def small(recipe: str = "paper", stage: int = 3, **changes: Any) -> StageConfig:
    known = {k: v for k, v in SMALL.items() if k != "lora_rank" or recipe != "paper"}
    return override(find_recipe(recipe).stage(stage), {**known, **changes})


def check_golden(name: str, log: Path) -> None:
    """The loss curve is the recorded one; UPDATE_GOLDEN=1 records it anew."""
    path = Path(__file__).with_name("golden_losses.json")
    known = json.loads(path.read_text()) if path.exists() else {}
    curve = [entry["loss"] for entry in LossCurve(log).read()]
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(json.dumps({**known, name: curve}, indent=1) + "\n")
    else:
        assert curve == pytest.approx(known[name], rel=1e-4)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[RegionSample]:
    return draw_samples(tmp_path_factory.mktemp("pictures"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def moved(before: Path, after: Path) -> set[str]:
    one, two = weights(before), weights(after)
    assert one.keys() == two.keys()
    return {name for name in one if not torch.equal(one[name], two[name])}


@pytest.mark.parametrize("stage, part", [(1, "adapter"), (2, "alpha"), (3, None)])
def test_a_stage_moves_what_it_says(
    stage: int, part: str | None, tiny_folder: Path, samples: list[RegionSample], tmp_path: Path
) -> None:
    cache = {"cache": str(tmp_path / "cache")} if stage < 3 else {}
    said: list[str] = []
    config = small(stage=stage, **cache)
    out = finetune(config, tiny_folder, ["x"], tmp_path / "r", samples=samples, say=said.append)
    check_golden(f"paper stage {stage}", tmp_path / "r/work/log.jsonl")
    changed = moved(tiny_folder, out)
    idle = set(unused_by_captions(FineCaptionForConditionalGeneration.from_pretrained(out)))
    everything = set(weights(out)) - idle
    assert changed == ({n for n in everything if part_of(n) == part} if part else everything)
    told = json.loads((out / "provenance.json").read_text())[-1]
    assert told["stage"] == f"stage{stage}" and told["steps"] == 4 and told["processes"] == 1
    assert "4 steps of" in said[-1]
    assert finetune(config, tiny_folder, ["x"], tmp_path / "r", say=said.append) == out
    assert said[-1].endswith("done before")
    FineCaptionProcessor.from_pretrained(out)


def test_another_run_in_the_folder_is_not_gone_on_with(
    tiny_folder: Path, samples: list[RegionSample], tmp_path: Path
) -> None:
    from finecaption.training.finetune import _same_run

    _same_run(small(), tiny_folder, ["a"], "1", tmp_path)
    _same_run(small(log_every=7, samples_shown=2), tiny_folder, ["a"], "1", tmp_path)
    with pytest.raises(InputError, match="another run: what the data holds differ from"):
        _same_run(small(), tiny_folder, ["a"], "2", tmp_path)
    with pytest.raises(InputError, match="holds another run: lr, data, what the data holds differ"):
        finetune(small(lr=0.5), tiny_folder, ["b"], tmp_path, samples=samples)


def test_killed_in_mid_run_it_ends_as_if_it_had_not_been(
    tiny_folder: Path, samples: list[RegionSample], tmp_path: Path
) -> None:
    """kill -9 by a process of its own, the same command again, against an uninterrupted run."""
    data = write_jsonl(samples, Path(samples[0].image).parent / "mine.jsonl")
    settings = [f"{k}={v}" for k, v in SMALL.items() if k not in ("lora_rank", "steps")]
    command = [
        sys.executable, "-m", "finecaption", "train", "--recipe", "paper", "--stage", "3",
        "--model", str(tiny_folder), "--data", str(data), "--out", str(tmp_path / "killed"),
        "steps=400", *settings,
    ]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    checkpoints = tmp_path / "killed/work/checkpoints"
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 900
        while not list(checkpoints.glob("checkpoint-*/whole.json")):
            assert process.poll() is None and time.monotonic() < deadline, process.stderr
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    last = max(int(p.name.rpartition("-")[2]) for p in checkpoints.glob("checkpoint-*"))
    steps = last + 3  # the schedule is that of 400, so both runs stop short of them
    whole = finetune(small(steps=400), tiny_folder, [str(data)], tmp_path / "whole",
                     callbacks=[_stop_at(steps)])  # fmt: skip
    again = finetune(small(steps=400), tiny_folder, [str(data)], tmp_path / "killed",
                     callbacks=[_stop_at(steps)])  # fmt: skip
    curves = [LossCurve(tmp_path / name / "work/log.jsonl").read() for name in ("whole", "killed")]
    assert [e["step"] for e in curves[1]] == list(range(1, steps + 1))
    assert [e["loss"] for e in curves[0]] == [e["loss"] for e in curves[1]]
    one, two = weights(whole), weights(again)
    assert all(torch.equal(one[name], two[name]) for name in one)


def _stop_at(steps: int) -> Any:
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            control.should_training_stop = state.global_step >= steps

    return Stop()


@pytest.mark.parametrize("recipe", ["lora", "qlora"])
def test_adapters(
    recipe: str, quantizable_folder: Path, samples: list[RegionSample], tmp_path: Path
) -> None:
    config = small(recipe)
    root = tmp_path / "run"
    out = finetune(config, quantizable_folder, ["x"], root, samples=samples)
    changed = moved(quantizable_folder, out)
    parts = {part_of(name) for name in changed}
    assert parts == {"clip", "alpha", "adapter", "llm"}
    assert "lm_head.weight" not in changed
    assert not {n for n in changed if "embed" in n or "norm" in n}
    state = load_file(root / lora.MOVED)
    assert {part_of(n) for n in state if not lora.is_lora(n)} == {"alpha", "adapter"}
    assert all(t.dtype == torch.float32 for t in state.values())
    if recipe == "qlora":
        return  # the run saw rounded weights: its outputs are near those of the merged, not equal
    run = load_for_stage(quantizable_folder, config, Captions(0))
    load_parameters(run, state)
    merged = FineCaptionForConditionalGeneration.from_pretrained(out)
    batch = _batch(samples, quantizable_folder)
    with torch.no_grad():
        one, two = (m.eval()(**batch).logits for m in (run, merged))
    assert torch.allclose(one, two, atol=1e-4)
    base = FineCaptionForConditionalGeneration.from_pretrained(quantizable_folder).eval()
    with torch.no_grad():
        assert not torch.allclose(base(**batch).logits, one, atol=1e-3)


def _batch(samples: list[RegionSample], folder: Path) -> dict[str, Any]:
    from finecaption.training.samples import Encoder, make_packs, make_units

    processor = FineCaptionProcessor.from_pretrained(folder)
    units = make_units(samples, processor, 120)
    (pack, *_) = make_packs(units, np.random.default_rng(0), 120, 2, 100)
    return Captions(0).collate([Encoder(samples, processor)(pack)])


def test_only_the_language_model_is_in_nf4(quantizable_folder: Path) -> None:
    model = load_for_stage(quantizable_folder, small("qlora"), Captions(0))
    kinds = {n: type(m).__name__ for n, m in model.named_modules() if "proj" in n or "fc" in n}
    four = {n for n, kind in kinds.items() if kind == "Linear4bit"}
    assert four and all(n.startswith("model.language_model.") for n in four)
    assert all(p.dtype == torch.float32 for _, p in model.named_parameters() if p.requires_grad)


def test_a_model_that_nf4_cannot_hold_is_refused(tiny_folder: Path) -> None:
    with pytest.raises(InputError, match="q_proj has 32 inputs and 32 outputs, and nf4 needs"):
        load_for_stage(tiny_folder, small("qlora"), Captions(0))


def test_nf4_passes_gradients_after_an_answer(
    quantizable_folder: Path, samples: list[RegionSample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On AVX512-BF16 too, where bitsandbytes repacks what answers, and cuts the gradient there."""
    import bitsandbytes

    monkeypatch.setattr(bitsandbytes.nn.modules, "has_avx512bf16", lambda: True)
    model = load_for_stage(quantizable_folder, small("qlora"), Captions(0))
    batch = _batch(samples, quantizable_folder)
    with torch.no_grad():
        model.eval()(**batch)
    layers = [m for m in model.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    assert layers
    assert not any(getattr(m.weight.quant_state, "packing_format_for_cpu", False) for m in layers)
    model.train()(**batch).loss.backward()
    below = model.model.language_model.layers[0].self_attn.q_proj.lora_B.default.weight
    assert below.grad is not None and float(below.grad.abs().max()) > 0


def test_adapter_runs_go_on(tiny_folder: Path, samples: list[RegionSample], tmp_path: Path) -> None:
    config = small("lora", merge=False)
    assert finetune(config, tiny_folder, ["x"], tmp_path / "a", samples=samples) == tmp_path / "a"
    first = load_file(tmp_path / "a" / lora.MOVED)
    assert not (tmp_path / "a/model").exists()
    from transformers import TrainerCallback

    class Cut(Exception):
        """In place of a power cut."""

    class Kill(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 3:
                raise Cut

    with pytest.raises(Cut):
        finetune(config, tiny_folder, ["x"], tmp_path / "c", samples=samples, callbacks=[Kill()])
    finetune(config, tiny_folder, ["x"], tmp_path / "c", samples=samples)
    third = load_file(tmp_path / "c" / lora.MOVED)
    assert all(torch.equal(first[name], third[name]) for name in first)


def test_what_moves_is_full_precision_under_bf16(
    tiny_folder: Path, samples: list[RegionSample], tmp_path: Path
) -> None:
    model = load_for_stage(tiny_folder, small(stage=1, precision="bf16"), Captions(0))
    kinds = {p.requires_grad: p.dtype for p in model.parameters()}
    assert kinds == {True: torch.float32, False: torch.bfloat16}
    out = finetune(
        small(stage=1, precision="bf16", steps=2), tiny_folder, ["x"], tmp_path, samples=samples
    )
    assert {t.dtype for t in weights(out).values()} == {torch.bfloat16}


def test_parts_that_the_model_lacks_are_reported(tiny_folder: Path) -> None:
    model = FineCaptionForConditionalGeneration.from_pretrained(tiny_folder)
    stage = paper().stage(2)
    assert set_trainable(model, stage, Captions(0)) == ["model.clip.alpha.weight"]
    model.model.clip.alpha = None
    with pytest.raises(InputError, match="this model has no such part"):
        set_trainable(model, stage, Captions(0))


@pytest.mark.parametrize("name", ["nowhere/model", "finecaption-maxi"])
def test_a_model_that_is_not_there_leaves_no_trace(
    name: str, samples: list[RegionSample], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"model '{name}': no such model or folder"):
        finetune(small(), name, ["x"], tmp_path / "run", samples=samples)
    assert not (tmp_path / "run").exists()


def test_a_folder_is_trained_into_once_at_a_time(
    tiny_folder: Path, samples: list[RegionSample], tmp_path: Path
) -> None:
    with (
        locked(tmp_path),
        pytest.raises(InputError, match=f"process {os.getpid()} is training into it"),
    ):
        finetune(small(), tiny_folder, ["x"], tmp_path, samples=samples)
    assert not (tmp_path / "work").exists()


def test_a_loss_that_is_no_number_writes_no_model(
    tiny_folder: Path, samples: list[RegionSample], tmp_path: Path
) -> None:
    with pytest.raises(FineCaptionError, match=r"stage3, step \d+: the .* is (nan|inf); no model"):
        finetune(small(lr=1e18), tiny_folder, ["x"], tmp_path, samples=samples)
    assert not (tmp_path / "model").exists() and not (tmp_path / "provenance.json").exists()


def test_clicks_are_kept(tiny_folder: Path, samples: list[RegionSample], tmp_path: Path) -> None:
    """A model trained on one's own regions has the click segmenter of the one it began with."""
    base = tmp_path / "base"
    shutil.copytree(tiny_folder, base)
    model = FineCaptionForConditionalGeneration.from_pretrained(base)
    save_segmenter(ClickDecoder.for_model(model.config), base)
    out = finetune(small(steps=1, stage=1), base, ["x"], tmp_path / "run", samples=samples)
    assert (out / "segmenter.json").read_bytes() == (base / "segmenter.json").read_bytes()
    trained = FineCaptionForConditionalGeneration.from_pretrained(out)
    assert Segmenter.from_pretrained(out, trained)
