"""Hugging Face Trainer, told what moves: parts frozen by name, a learning rate a part."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
)

from finecaption.errors import InputError
from finecaption.train.console import ConsoleCallback
from finecaption.train.labels import HEADS, LINK_HEADS
from finecaption.train.recipes import Stage

PartOf = Callable[[str], str | None]  # parameter name -> part name

_NAMED = (list(HEADS), [*HEADS, *LINK_HEADS])  # the heads of a logged vector, by its length


def processes() -> int:
    """How many processes train together (torchrun); 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def freeze(
    model: nn.Module, trains: tuple[str, ...], part_of: PartOf, idle: Collection[str] = ()
) -> list[str]:
    """Lets only the given parts move; parameters of no part (heads, decoders) always move.

    ``idle`` names parameters that the loss does not depend on; left to move, they would make
    several processes wait for gradients that never come.

    Returns:
        Names of the parameters that move.
    """
    moving = []
    for name, parameter in model.named_parameters():
        part = part_of(name)
        parameter.requires_grad_((part is None or part in trains) and name not in idle)
        if parameter.requires_grad:
            moving.append(name)
    return moving


def first_names(state: dict[str, torch.Tensor]) -> set[str]:
    """The first name of each tensor of a state: tied weights have two."""
    places: dict[int, str] = {}
    for name, tensor in state.items():
        places.setdefault(tensor.data_ptr() or id(tensor), name)
    return set(places.values())


class Clock(TrainerCallback):
    """The time that a stage takes, added up over interruptions (what was lost with them is not)."""

    def __init__(self, path: Path) -> None:
        """Goes on from the seconds that ``path`` holds, if it is there."""
        self.path, self.began = path, time.monotonic()
        self.before = float(path.read_text()) if path.exists() else 0.0

    def seconds(self) -> float:
        """So far."""
        return round(self.before + time.monotonic() - self.began, 1)

    def on_save(self, args: TrainingArguments, state: TrainerState, *_: Any, **__: Any) -> None:
        """Writes the seconds beside the checkpoint that they led to."""
        if state.is_world_process_zero:
            temporary = self.path.with_name(f".{self.path.name}.part")
            temporary.write_text(str(self.seconds()))
            temporary.replace(self.path)


class StageTrainer(Trainer):
    """Trainer with a learning rate a part, items in their own order, and accuracies in the log."""

    optimizer: torch.optim.Optimizer | None

    def __init__(self, *args: Any, stage: Stage, part_of: PartOf, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stage, self.part_of = stage, part_of
        self._measured: dict[str, list[torch.Tensor]] = {}

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW without weight decay (EAGLE), one group a part."""
        if self.optimizer is None:
            groups: dict[str | None, list[nn.Parameter]] = {}
            for name, parameter in self.model.named_parameters():
                if parameter.requires_grad:
                    groups.setdefault(self.part_of(name), []).append(parameter)
            base = self.args.learning_rate
            self.optimizer = torch.optim.AdamW(
                [
                    {"params": ps, "lr": base * self.stage.rates.get(part or "", 1.0)}
                    for part, ps in groups.items()
                ],
                lr=base, betas=(0.9, 0.98), weight_decay=0.0,
            )  # fmt: skip
        return self.optimizer

    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None
    ) -> None:
        # safetensors refuses two names for one tensor (tied embeddings); only transformers' own
        # models know which to leave out. The other name comes back with the tie at loading.
        state = state_dict or self.accelerator.unwrap_model(self.model).state_dict()
        kept = first_names(state)
        super()._save(output_dir, {name: t for name, t in state.items() if name in kept})

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        # Trainer's own asks the model what may be missing; only transformers' models can say it.
        state = self.accelerator.unwrap_model(self.model).state_dict()
        missing = sorted(first_names(state) & set(load_result.missing_keys))
        if missing or load_result.unexpected_keys:
            raise InputError(
                f"the checkpoint of {self.stage.name} is of another model: it lacks "
                f"{missing or 'nothing'} and has {load_result.unexpected_keys or 'nothing'} "
                f"besides; delete {self.args.output_dir} to begin the stage anew"
            )

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> SequentialSampler:
        # Items are drawn at random by their number already; order by number resumes exactly.
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, **kwargs: Any
    ) -> Any:
        """Trainer's; values beside the loss (accuracy, iou) are kept for the next log line."""
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **kwargs)
        for key in ("accuracy", "region_accuracy", "iou", "caption_loss"):
            if key in outputs:
                self._measured.setdefault(key, []).append(outputs[key].detach().float().cpu())
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Adds the means since the last line."""
        for key, values in self._measured.items():
            mean = torch.stack(values).nanmean(0).reshape(-1)
            if len(mean) == 1:
                logs[key] = round(float(mean[0]), 4)
            else:
                names = next((n for n in _NAMED if len(n) == len(mean)), range(len(mean)))
                logs |= {f"{key} {n}": round(float(v), 3) for n, v in zip(names, mean, strict=True)}
                logs[key] = round(float(mean.nanmean()), 4)
        self._measured = {}
        super().log(logs, *args, **kwargs)


def warmup_steps(stage: Stage) -> int:
    """Steps until the learning rate is at its peak; at least one, unless warmup is 0."""
    if not stage.warmup or stage.warmup >= 1:
        return int(stage.warmup)
    return max(1, round(stage.warmup * stage.steps))


class Snapshot(TrainerCallback):
    """Calls a function at each checkpoint, so that other stages can begin from a running one."""

    def __init__(self, write: Callable[[], None]) -> None:
        self.write = write

    def on_save(self, args: TrainingArguments, state: TrainerState, *_: Any, **__: Any) -> None:
        """Writes, in the first process."""
        if state.is_world_process_zero:
            self.write()


def last_checkpoint(folder: Path) -> str | None:
    """The newest complete checkpoint in a folder; None where there is none.

    Trainer writes trainer_state.json last, so a checkpoint that a kill cut short has none, or a
    torn one. It stays where it is: the run comes by again and writes it anew.
    """
    found = {int(p.name.rpartition("-")[2]): p for p in folder.glob("checkpoint-*")}
    for _, path in sorted(found.items(), reverse=True):
        try:
            json.loads((path / "trainer_state.json").read_text())
        except (OSError, ValueError):
            continue
        return str(path)
    return None


def train_stage(
    model: nn.Module, stage: Stage, items: Dataset, collate: Callable[[Any], Any],
    folder: Path, seed: int, part_of: PartOf, idle: Collection[str] = (),
    snapshot: Callable[[], None] | None = None,
) -> dict[str, float]:  # fmt: skip
    """Runs a stage, from its last checkpoint if there is one; the model ends up trained.

    fp32 on CPU (bf16 measured five times slower without hardware for it), bf16 autocast on a GPU.
    Checkpoints every 200 steps or so; the same seed gives the same run.

    Args:
        model: its forward takes what ``collate`` gives and returns {"loss": ...}.
        folder: of the stage's checkpoints and its tensorboard log.
        part_of, idle: see freeze.
        snapshot: called at each checkpoint.

    Returns:
        Trainer's figures: seconds, samples a second, mean loss.

    Raises:
        InputError: torchrun's processes cannot share the batch evenly.
    """
    freeze(model, stage.trains, part_of, idle)
    world = processes()
    if stage.batch % world:
        raise InputError(
            f"stage {stage.name}: {world} processes cannot share a batch of {stage.batch} evenly; "
            f"set {stage.name}.batch to a multiple of {world}"
        )
    cuda = torch.cuda.is_available()
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "log")
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        max_steps=stage.steps,
        per_device_train_batch_size=stage.batch // world,
        ddp_find_unused_parameters=not idle,  # a caption job names them, the others need the search
        learning_rate=stage.lr,
        lr_scheduler_type=stage.schedule,
        warmup_steps=warmup_steps(stage),
        max_grad_norm=1.0,
        bf16=cuda,
        use_cpu=not cuda,
        logging_steps=max(1, min(25, stage.steps // 10)),
        save_steps=max(1, min(200, stage.steps // 4)),
        save_total_limit=1,
        seed=seed,
        dataloader_num_workers=stage.workers,
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,
        report_to=["tensorboard"],
        disable_tqdm=True,  # ConsoleCallback instead
    )
    trainer = StageTrainer(
        model=model, args=arguments, train_dataset=items, data_collator=collate,
        stage=stage, part_of=part_of,
    )  # fmt: skip
    console, clock = ConsoleCallback(stage.name), Clock(folder / "seconds.json")
    trainer.add_callback(clock)
    if snapshot is not None:
        trainer.add_callback(Snapshot(snapshot))
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(console)
    folder.mkdir(parents=True, exist_ok=True)
    last = last_checkpoint(folder / "checkpoints")
    try:
        metrics = trainer.train(resume_from_checkpoint=last).metrics
        return {**metrics, "seconds": clock.seconds()}
    finally:
        console.close()
