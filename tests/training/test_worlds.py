"""Two processes: DDP's curve is one process's; FSDP2 shards, saves plainly, resumes bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor
from finecaption.training.config import override
from finecaption.training.curve import LossCurve
from finecaption.training.finetune import finetune
from finecaption.training.fsdp import assert_sharded
from finecaption.training.processes import WorldError, check_world
from finecaption.training.recipes import fsdp, paper

from .regions import draw_samples, write_jsonl
from .two_processes import SMALL, small

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tied(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in bf16 whose head is its embedding: the harder case for sharding."""
    folder = tmp_path_factory.mktemp("tied") / "model"
    processor = FineCaptionProcessor.from_pretrained(tiny_folder)
    model = FineCaptionForConditionalGeneration.from_pretrained(tiny_folder)
    model.config.text_config.tie_word_embeddings = True
    model.config.tie_word_embeddings = True
    model.lm_head.weight = model.get_input_embeddings().weight
    model.to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def runs(tied: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all runs: one (process), ddp, whole and parts (FSDP2)."""
    root = tmp_path_factory.mktemp("runs")
    data = write_jsonl(draw_samples(root / "pictures", pictures=9), root / "mine.jsonl")
    command = [
        # standalone: torchrun takes a port that is free
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
        str(Path(__file__).with_name("two_processes.py")), str(root), str(tied), str(data),
    ]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=env)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    (root / "said.txt").write_text(done.stdout)
    finetune(small(accumulate=4), tied, [str(data)], root / "one")
    return root


def losses(folder: Path) -> list[float]:
    return [entry["loss"] for entry in LossCurve(folder / "work/log.jsonl").read()]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model/model.safetensors")


def test_ddp_has_the_curve_of_one_process(runs: Path) -> None:
    one, two = losses(runs / "one"), losses(runs / "ddp")
    assert len(one) == len(two) == SMALL["steps"] and one[-1] != one[0]
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) < 1e-5


def test_fsdp2_has_the_curve_of_one_process(runs: Path) -> None:
    one, two = losses(runs / "one"), losses(runs / "whole")
    assert len(one) == len(two)
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) < 1e-5


def test_fsdp2_really_shards(runs: Path) -> None:
    said = (runs / "said.txt").read_text()
    assert "parameters in each of 2 processes" in said
    here, whole = said.partition("FSDP2: ")[2].split()[0::2][:2]
    assert int(here.replace(",", "")) <= 0.6 * int(whole.replace(",", ""))


def test_an_interrupted_fsdp2_run_ends_bit_equal(runs: Path) -> None:
    whole, parts = weights(runs / "whole"), weights(runs / "parts")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert losses(runs / "whole") == losses(runs / "parts")


def test_fsdp2_saves_what_from_pretrained_reads(runs: Path, tied: Path) -> None:
    model = FineCaptionForConditionalGeneration.from_pretrained(runs / "whole/model")
    assert type(model).__name__ == model.config.architectures[0]
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert weights(runs / "whole").keys() == weights(runs / "one").keys()
    before = load_file(tied / "model.safetensors")
    one, two = weights(runs / "one"), weights(runs / "whole")
    # Where a gradient is nothing but rounding, AdamW's step is a coin's toss of the rate's size.
    apart = [float((value - two[name]).abs().mean()) for name, value in one.items()]
    assert sorted(apart)[len(apart) // 2] < 1e-5 and max(apart) < 5e-3
    assert not torch.equal(before["lm_head.weight" if "lm_head.weight" in before else
                                  "model.language_model.embed_tokens.weight"],
                           model.lm_head.weight)  # fmt: skip
    assert FineCaptionProcessor.from_pretrained(runs / "whole/model").image_size == 64
    assert not (runs / "whole/work/checkpoints").exists()
    assert list((runs / "whole/work/log").glob("events.*"))


def test_worlds_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorldError, match="sharding=fsdp2 in one process would shard nothing"):
        check_world(fsdp().stage(3))
    with pytest.raises(WorldError, match="expected_world_size=4, but this is one of 1 processes"):
        check_world(override(paper().stage(3), {"expected_world_size": 4}))
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert check_world(fsdp().stage(3)) == 2
    with pytest.raises(WorldError, match="expected_world_size=4, but this is one of 2"):
        check_world(override(paper().stage(3), {"expected_world_size": 4}))
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(WorldError, match="one process sees 4 GPUs"):
        check_world(paper().stage(3))


def test_processes_that_were_not_connected_do_not_train(
    tied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `accelerate launch --cpu` does: it says two and runs one."""
    samples = draw_samples(tmp_path / "pictures", pictures=2)
    from finecaption.training import fit as module

    monkeypatch.setattr(module, "world_size", lambda: 2)
    with pytest.raises(WorldError, match="2 processes were started, but Trainer sees 1"):
        finetune(small(), tied, [], tmp_path / "run", samples=samples)


def test_plain_parameters_are_not_taken_for_sharded() -> None:
    with pytest.raises(WorldError, match="weight is a plain Parameter: it is not sharded"):
        assert_sharded(torch.nn.Linear(2, 2), 2)
