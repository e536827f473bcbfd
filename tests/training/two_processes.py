"""What tests/training/test_worlds.py starts under torchrun: FSDP2 whole, FSDP2 interrupted, DDP."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import Any

from finecaption.training.config import StageConfig, override
from finecaption.training.finetune import finetune
from finecaption.training.fit import StageTrainer
from finecaption.training.recipes import paper

SMALL = {
    "lr": 1e-3, "batch": 12, "steps": 5, "accumulate": 2, "max_tokens": 120, "max_images": 2,
    "workers": 0, "log_every": 1, "save_every": 2, "samples_shown": 1, "show_every": 3,
}  # fmt: skip


def small(**changes: Any) -> StageConfig:
    """Five steps of stage 3 at the size of the tests."""
    return override(paper().stage(3), {**SMALL, **changes})


class Stopped(Exception):
    """In place of a power cut."""


def main(folder: Path, model: str, data: str) -> None:
    """All runs, each in a folder of its own."""
    fsdp = small(sharding="fsdp2", expected_world_size=2)
    finetune(fsdp, model, [data], folder / "whole")
    step = StageTrainer.training_step

    def stops(self: StageTrainer, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == 3:
            raise Stopped
        return step(self, *args, **kwargs)

    StageTrainer.training_step = stops  # type: ignore[method-assign] # for the interruption only
    with contextlib.suppress(Stopped):
        finetune(fsdp, model, [data], folder / "parts")
    StageTrainer.training_step = step  # type: ignore[method-assign] # back again
    assert (folder / "parts/work/checkpoints/checkpoint-2/whole.json").is_file()
    finetune(fsdp, model, [data], folder / "parts")
    finetune(dataclasses.replace(fsdp, sharding="none"), model, [data], folder / "ddp")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
