"""What tests/train/test_worlds.py starts under torchrun: FSDP2 whole, FSDP2 interrupted, DDP."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import Any

from finecaption.train.finetune import finetune
from finecaption.train.paper import TrainConfig, override, paper
from finecaption.train.sharded import Loop

SMALL = {
    "lr": 1e-3, "batch": 12, "steps": 5, "accumulate": 2, "tokens": 120, "pictures": 2,
    "workers": 0, "log_every": 1, "save_every": 2, "show": 1, "show_every": 3,
}  # fmt: skip


def small(**changes: Any) -> TrainConfig:
    """Five steps of stage 3 at the size of the tests."""
    return override(paper(3), {**SMALL, **changes})


class Stopped(Exception):
    """In place of a power cut."""


def main(folder: Path, model: str, data: str) -> None:
    """All runs, each in a folder of its own."""
    fsdp = small(sharding="fsdp2", world=2)
    finetune(fsdp, model, [data], folder / "whole")
    step = Loop.step

    def stops(self: Loop, number: int, batches: Any) -> Any:
        if number == 3:
            raise Stopped
        return step(self, number, batches)

    Loop.step = stops  # type: ignore[method-assign] # for the interruption only
    with contextlib.suppress(Stopped):
        finetune(fsdp, model, [data], folder / "parts")
    Loop.step = step  # type: ignore[method-assign] # back again
    assert (folder / "parts/work/checkpoints/step-2").is_dir()
    finetune(fsdp, model, [data], folder / "parts")
    finetune(dataclasses.replace(fsdp, sharding="none"), model, [data], folder / "ddp")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
