from __future__ import annotations

import json
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
from finecaption.train.labels import HEADS
from finecaption.train.recipes import Stage
from finecaption.train.trainer import freeze, last_checkpoint, train_stage


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


def toy_part(name: str) -> str | None:
    start = name.partition(".")[0]
    return start if start in ("sam", "llm") else None


def stack(items: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    return {"x": torch.stack(items)}


def toy_stage(**changes: Any) -> Stage:
    values = {"trains": ("llm",), "steps": 3, "batch": 2, "lr": 0.1, **changes}
    return Stage("toy", "text", **values)


def test_only_the_named_parts_and_what_is_of_no_part_move() -> None:
    toy = Toy()
    moving = freeze(toy, ("llm",), toy_part)
    assert moving == ["llm.weight", "llm.bias", "head.weight", "head.bias"]
    assert [p.requires_grad for p in toy.parameters()] == [False, False, True, True, True, True]
    assert freeze(toy, (), toy_part, idle=["head.bias"]) == ["head.weight"]


@pytest.mark.parametrize("part", ["clip", "alpha", "convnext", "sam", "adapter", "llm"])
def test_parts_of_the_model_are_frozen_by_name(part: str) -> None:
    with torch.device("meta"):
        model = FineCaptionForConditionalGeneration(tiny())
    idle = unused_by_captions(model)
    moving = freeze(model, (part,), part_of, idle)
    assert moving and {part_of(n) for n in moving} == {part} and not set(moving) & set(idle)
    everything = freeze(
        model, ("clip", "alpha", "convnext", "sam", "adapter", "llm"), part_of, idle
    )
    assert {*everything, *idle} == {n for n, _ in model.named_parameters()}


def test_a_stage_moves_what_it_trains_and_writes_its_log(tmp_path: Path) -> None:
    toy, items = Toy(), Numbers(6)
    before = {n: p.clone() for n, p in toy.named_parameters()}
    metrics = train_stage(toy, toy_stage(), items, stack, tmp_path, 0, toy_part)
    moved = {n for n, p in toy.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"llm.weight", "llm.bias", "head.weight", "head.bias"}
    assert items.read == [0, 1, 2, 3, 4, 5]  # every item once, in order
    assert metrics["train_loss"] > 0
    log = EventAccumulator(str(tmp_path / "log"))
    log.Reload()
    tags = log.Tags()["scalars"]
    names = list(HEADS)[:2]
    assert [log.Scalars(f"train/accuracy {n}")[-1].value for n in names] == [0.25, 0.75]
    assert log.Scalars("train/accuracy")[0].value == 0.5
    assert log.Scalars("train/iou")[0].value == 0.5
    assert {"train/loss", "train/learning_rate"} <= set(tags)


def test_a_part_has_its_own_learning_rate(tmp_path: Path) -> None:
    """Adam's first step is as long as the learning rate, whatever the gradient."""
    slow, fast = Toy(), Toy()
    start = {n: p.clone() for n, p in slow.named_parameters()}
    stage = toy_stage(trains=("sam", "llm"), steps=2)
    train_stage(fast, stage, Numbers(4), stack, tmp_path / "a", 0, toy_part)
    stage = toy_stage(trains=("sam", "llm"), steps=2, rates={"sam": 0.1})
    train_stage(slow, stage, Numbers(4), stack, tmp_path / "b", 0, toy_part)

    def way(model: nn.Module, name: str) -> torch.Tensor:
        return (model.get_parameter(name) - start[name]).detach()

    # The first of two steps is the warm-up's, of rate zero; so one step moves, from equal places.
    torch.testing.assert_close(way(slow, "sam.weight"), way(fast, "sam.weight") * 0.1)
    torch.testing.assert_close(way(slow, "llm.weight"), way(fast, "llm.weight"))
    assert way(fast, "sam.weight").abs().max() == pytest.approx(0.1, rel=0.01)


def test_processes_must_share_the_batch_evenly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match="3 processes cannot share a batch of 2 evenly; set toy.b"):
        train_stage(Toy(), toy_stage(), Numbers(6), stack, tmp_path, 0, toy_part)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    train_stage(Toy(), toy_stage(), Numbers(6), stack, tmp_path, 0, toy_part)
    other = Toy()
    other.extra = nn.Linear(1, 1)
    with pytest.raises(
        InputError, match=r"toy is of another model: it lacks \['extra.bias', 'extr"
    ):
        train_stage(other, toy_stage(steps=4), Numbers(8), stack, tmp_path, 0, toy_part)


def test_the_last_complete_checkpoint_is_found(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "none") is None

    def checkpoint(step: int, state: str | None) -> Path:
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
        return folder

    whole = json.dumps({"global_step": 1})
    checkpoint(400, None)  # killed before
    checkpoint(600, whole[:5])  # or while its state was written
    assert last_checkpoint(tmp_path) is None
    first = checkpoint(90, whole)
    assert last_checkpoint(tmp_path) == str(first)
    second = checkpoint(200, whole)
    assert last_checkpoint(tmp_path) == str(second)
