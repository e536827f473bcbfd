from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import Dataset

from finecaption.errors import InputError
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.parts import part_of, unused_by_captions
from finecaption.model.presets import tiny
from finecaption.training.checkpoints import last_checkpoint
from finecaption.training.config import PARTS, StageConfig
from finecaption.training.curve import LossCurve
from finecaption.training.fit import Fitted, fit, in_batches, set_trainable
from finecaption.training.objectives.captions import Captions
from finecaption.training.optimizers import Several, make_optimizer, rate_by_clock
from finecaption_synth.training.labels import HEADS


class Toy(nn.Module):
    """Two parts and a head of no part; the outputs of a dense stage."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.sam, self.llm, self.head = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        loss = (self.head(self.llm(self.sam(x))) - 1).square().mean()
        accuracy = torch.full((len(HEADS),), float("nan"))
        accuracy[:2] = torch.tensor([0.25, 0.75])
        return {"loss": loss, "accuracy": accuracy, "iou": torch.tensor(0.5)}


class Numbers(Dataset):
    """Item i is (i, 1); remembers what was asked for."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, item: int) -> torch.Tensor:
        self.read.append(item)
        return torch.tensor([item / 10, 1.0])


class ToyObjective:
    """Names of a dense stage, and a scalar."""

    metrics = {"accuracy": tuple(HEADS), "iou": (), "absent": ()}

    def wrap(self, model: nn.Module) -> nn.Module:
        return model

    def part_of(self, name: str) -> str | None:
        start = name.partition(".")[0]
        return start if start in ("sam", "llm") else None

    def idle(self, module: nn.Module) -> frozenset[str]:
        return frozenset()

    def collate(self, items: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"x": torch.stack(list(items))}


def toy_stage(**changes: Any) -> StageConfig:
    values = {"trains": ("llm",), "steps": 3, "batch": 2, "lr": 0.1, "betas": (0.9, 0.98)}
    return StageConfig("toy", "text", **{**values, **changes})


def train(toy: Toy, stage: StageConfig, items: Numbers, work: Path) -> Fitted:
    return fit(stage, toy, in_batches(items, stage), ToyObjective(), work)


def test_only_the_named_parts_and_what_is_of_no_part_are_trainable() -> None:
    toy, objective = Toy(), ToyObjective()
    names = set_trainable(toy, toy_stage(), objective)
    assert names == ["llm.weight", "llm.bias", "head.weight", "head.bias"]
    assert [p.requires_grad for p in toy.parameters()] == [False, False, True, True, True, True]
    objective.idle = lambda module: frozenset({"head.bias"})  # type: ignore[method-assign] # as a loss without it
    assert set_trainable(toy, toy_stage(trains=()), objective) == ["head.weight"]


@pytest.mark.parametrize("part", ["clip", "alpha", "convnext", "sam", "adapter", "llm"])
def test_parts_of_the_model_are_frozen_by_name(part: str) -> None:
    with torch.device("meta"):
        model = FineCaptionForConditionalGeneration(tiny())
    idle = unused_by_captions(model)
    names = set_trainable(model, toy_stage(trains=(part,)), Captions(0))
    assert names and {part_of(n) for n in names} == {part} and not set(names) & set(idle)
    everything = set_trainable(model, toy_stage(trains=PARTS), Captions(0))
    assert {*everything, *idle} == {n for n, _ in model.named_parameters()}


def test_a_stage_trains_what_it_says_and_writes_its_log(tmp_path: Path) -> None:
    toy, items = Toy(), Numbers(6)
    before = {n: p.clone() for n, p in toy.named_parameters()}
    fitted = train(toy, toy_stage(), items, tmp_path)
    changed = {n for n, p in toy.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {"llm.weight", "llm.bias", "head.weight", "head.bias"}
    assert items.read == [0, 1, 2, 3, 4, 5]  # every item once, in order
    assert fitted.module is toy and fitted.note["train_loss"] > 0 and fitted.note["pictures"] == 6
    log = EventAccumulator(str(tmp_path / "log"))
    log.Reload()
    tags = log.Tags()["scalars"]
    names = list(HEADS)[:2]
    assert [log.Scalars(f"train/accuracy {n}")[-1].value for n in names] == [0.25, 0.75]
    assert log.Scalars("train/accuracy")[0].value == 0.5
    assert log.Scalars("train/iou")[0].value == 0.5
    assert {"train/loss", "train/learning_rate"} <= set(tags) and "train/absent" not in tags
    assert [e["step"] for e in LossCurve(tmp_path / "log.jsonl").read()] == [1, 2, 3]


def test_a_part_has_its_own_learning_rate(tmp_path: Path) -> None:
    """Adam's first step is as long as the learning rate, whatever the gradient."""
    slow, fast = Toy(), Toy()
    start = {n: p.clone() for n, p in slow.named_parameters()}
    stage = toy_stage(trains=("sam", "llm"), steps=2)
    train(fast, stage, Numbers(4), tmp_path / "a")
    train(slow, dataclasses.replace(stage, rates={"sam": 0.1}), Numbers(4), tmp_path / "b")

    def way(model: nn.Module, name: str) -> torch.Tensor:
        return (model.get_parameter(name) - start[name]).detach()

    # The first of two steps is the warm-up's, of rate zero; so one step moves, from equal places.
    torch.testing.assert_close(way(slow, "sam.weight"), way(fast, "sam.weight") * 0.1)
    torch.testing.assert_close(way(slow, "llm.weight"), way(fast, "llm.weight"))
    assert way(fast, "sam.weight").abs().max() == pytest.approx(0.1, rel=0.01)


def test_warm_up_stable_decay(tmp_path: Path) -> None:
    stage = toy_stage(steps=10, schedule="wsd", warmup=2, decay=0.3, log_every=1)
    train(Toy(), stage, Numbers(20), tmp_path)
    rates = [e["learning_rate"] for e in LossCurve(tmp_path / "log.jsonl").read()]
    assert rates[:7] == pytest.approx([0, 0.05, *[0.1] * 5])
    assert rates[7] == pytest.approx(0.1) and 0.1 > rates[8] > rates[9] > 0


def test_the_rate_follows_the_clock() -> None:
    stage = toy_stage(steps=10**6, minutes=1.0, schedule="wsd", warmup=0.1, decay=0.25)
    at = [rate_by_clock(stage, done, 0) for done in (0.0, 0.05, 0.5, 0.75, 0.875, 1.0)]
    assert at == pytest.approx([0.01, 0.51, 1, 1, 0.5, 0])
    linear = dataclasses.replace(stage, schedule="linear", warmup=4)  # of four steps
    assert [rate_by_clock(linear, 0.5, n) for n in (0, 1, 3, 9)] == pytest.approx(
        [0.125, 0.25, 0.5, 0.5]
    )
    cosine = dataclasses.replace(stage, schedule="cosine", warmup=0.0)
    assert [rate_by_clock(cosine, d, 0) for d in (0, 0.5, 1, 1.1)] == pytest.approx([1, 0.5, 0, 0])


def test_a_stage_ends_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("finecaption.training.clock.time.monotonic", lambda: now[0])

    class Slow(Numbers):
        def __getitem__(self, item: int) -> torch.Tensor:
            now[0] += 3.0  # two items a step: six seconds
            return super().__getitem__(item)

    stage = toy_stage(
        steps=10**6, minutes=1.0, schedule="linear", warmup=0.0, log_every=1, save_every=10**6
    )
    fitted = train(Toy(), stage, Slow(2 * 10**6), tmp_path)
    rates = [e["learning_rate"] for e in LossCurve(tmp_path / "log.jsonl").read()]
    assert 8 <= len(rates) <= 10 and rates == sorted(rates, reverse=True) and rates[-1] < 0.02
    assert fitted.note["steps"] == len(rates) and fitted.note["pictures"] == 2 * len(rates)
    assert fitted.note["seconds"] == pytest.approx(60, abs=7)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="minutes=1.0 is for one process"):
        fit(stage, Toy(), in_batches(Numbers(4), stage), ToyObjective(), tmp_path / "two")
    with pytest.raises(InputError, match="minutes must be at least 0, and need steps"):
        toy_stage(steps=0, minutes=1.0)


def test_processes_must_share_the_batch_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match="3 processes cannot share a batch of 2 evenly; set toy.b"):
        in_batches(Numbers(6), toy_stage())


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    train(Toy(), toy_stage(), Numbers(6), tmp_path)
    other = Toy()
    other.extra = nn.Linear(1, 1)
    with pytest.raises(InputError, match=r"of another run: it lacks extra.bias and 1 more"):
        train(other, toy_stage(steps=4), Numbers(8), tmp_path)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("spoiled", [False, True])
def test_an_interrupted_run_ends_bit_equal(spoiled: bool, optimizer: str, tmp_path: Path) -> None:
    """From the newest checkpoint, or where the disk spoiled it, from the one before."""
    if optimizer == "muon" and not hasattr(torch.optim, "Muon"):
        pytest.skip("torch has no Muon")
    stage = toy_stage(steps=6, save_every=2, trains=("sam", "llm"), optimizer=optimizer)
    whole, parts = Toy(), Toy()
    train(whole, stage, Numbers(12), tmp_path / "whole")

    class Cut(Exception):
        """In place of a power cut."""

    class Torn(Numbers):
        def __getitem__(self, item: int) -> torch.Tensor:
            if item == 10:
                raise Cut
            return super().__getitem__(item)

    with pytest.raises(Cut):
        train(parts, stage, Torn(12), tmp_path / "parts")
    checkpoints = tmp_path / "parts/checkpoints"
    assert sorted(p.name for p in checkpoints.iterdir()) == ["checkpoint-2", "checkpoint-4"]
    if spoiled:
        state = checkpoints / "checkpoint-4/optimizer.pt"
        state.write_bytes(state.read_bytes()[:-1] + b"x")
        assert str(last_checkpoint(checkpoints)).endswith("checkpoint-2")
    again, items = Toy(), Numbers(12)
    train(again, stage, items, tmp_path / "parts")
    assert items.read == list(range(4 if spoiled else 8, 12))
    for (name, one), two in zip(whole.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two), name
    curves = [LossCurve(tmp_path / name / "log.jsonl").read() for name in ("whole", "parts")]
    assert [e["loss"] for e in curves[0]] == [e["loss"] for e in curves[1]]


def test_muon_takes_the_matrices_and_adamw_the_rest() -> None:
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("torch has no Muon")
    model = nn.Sequential(nn.Embedding(4, 3), nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 4))
    model[3].weight = model[0].weight  # tied
    stage = toy_stage(optimizer="muon")
    optimizer = make_optimizer(model, stage, lambda name: "llm")
    assert isinstance(optimizer, Several)
    muon, adamw = optimizer.optimizers
    assert [p.shape for g in muon.param_groups for p in g["params"]] == [(3, 3)]
    assert sum(len(g["params"]) for g in adamw.param_groups) == 5
    optimizer.param_groups[0]["lr"] = 0.5
    assert muon.param_groups[0]["lr"] == 0.5
