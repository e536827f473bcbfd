"""The one trainer: `fit(stage, model, feed, objective, work)`, on Hugging Face Trainer.

Mini and the 8B differ in the stage's config, in the objective and in the dataset, never here.
A run that was interrupted goes on from its newest whole checkpoint and ends bit-equal to one that
was not; how parameters lie on the processes is the strategy's (finecaption.training.strategies).

Layout of the work folder::

    WORK/checkpoints/checkpoint-N/   trainable parameters, optimizer, schedule, random streams
    WORK/log/, WORK/log.jsonl        the reporters' logs, and the loss curve
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from finecaption.errors import FineCaptionError, InputError
from finecaption.training.checkpoints import last_checkpoint, rotate, seal
from finecaption.training.clock import Clock, TimeBudget
from finecaption.training.config import StageConfig
from finecaption.training.console import ConsoleCallback
from finecaption.training.curve import CurveCallback
from finecaption.training.objectives import Objective
from finecaption.training.optimizers import make_optimizer, rate_by_clock, schedule_arguments
from finecaption.training.processes import (
    WorldError,
    barrier,
    hardware,
    is_main_process,
    world_size,
)
from finecaption.training.strategies import Strategy, computes_in_bf16


@dataclass(frozen=True)
class Feed:
    """A dataset in the order in which a stage takes it: items in the order of their numbers.

    Attributes:
        items: item i is a function of the stage's config and of i, so that a run resumes exactly.
        steps: optimizer steps.
        per_process: items of one forward pass in one process.
        accumulate: forward passes of a process and step.
        images_per_step: of all processes; 0 where steps differ.
        note: for provenance.
    """

    items: Dataset
    steps: int
    per_process: int = 1
    accumulate: int = 1
    images_per_step: int = 0
    note: Mapping[str, Any] = field(default_factory=dict)


def in_batches(items: Dataset, stage: StageConfig) -> Feed:
    """A dataset of single items, ``stage.batch`` a step, shared evenly by the processes.

    Raises:
        InputError: the processes cannot share the batch evenly.
    """
    world = world_size()
    if stage.batch % world:
        raise InputError(
            f"stage {stage.name}: {world} processes cannot share a batch of {stage.batch} evenly; "
            f"set {stage.name}.batch to a multiple of {world}"
        )
    return Feed(items, stage.steps, stage.batch // world, images_per_step=stage.batch)


@dataclass(frozen=True)
class Fitted:
    """What `fit` returns.

    Attributes:
        module: the objective's, trained.
        note: for provenance.json.
    """

    module: nn.Module
    note: dict[str, Any]


def set_trainable(module: nn.Module, stage: StageConfig, objective: Objective) -> list[str]:
    """Freezes all but the stage's parts; parameters of no part (heads, decoders) are trainable.

    Parameters that the loss does not depend on are frozen, too: several processes would wait for
    gradients that never come. Where adapters take a part's place, they alone are trainable in it.

    Returns:
        Names of the trainable parameters.

    Raises:
        InputError: there are none.
    """
    idle = objective.idle(module)
    trainable = []
    for name, parameter in module.named_parameters():
        part, plain = objective.part_of(name), name.replace(".base_layer.", ".")
        wanted = (part is None or part in stage.trains) and plain not in idle
        if part in stage.lora_parts:
            wanted = wanted and ".lora_" in name
        parameter.requires_grad_(wanted)
        if wanted:
            trainable.append(name)
    if not trainable:
        raise InputError(f"trains={list(stage.trains)}: this model has no such part")
    return trainable


class WorldWatch(TrainerCallback):
    """Makes sure, at the first step, that the processes are connected."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Raises WorldError where torchrun's processes would train apart."""
        world = world_size()
        if args.world_size != world or args.n_gpu > 1:
            raise WorldError(
                f"{world} processes were started, but Trainer sees {args.world_size} with "
                f"{args.n_gpu} GPUs each: start with torchrun"
            )
        joined = torch.distributed.is_available() and torch.distributed.is_initialized()
        if world > 1 and (not joined or torch.distributed.get_world_size() != world):
            raise WorldError(f"{world} processes were started, but they are not connected")


class StageTrainer(Trainer):
    """Trainer that takes items in their own order, logs what the objective names, checks values."""

    optimizer: torch.optim.Optimizer | None
    lr_scheduler: Any

    def __init__(
        self,
        *args: Any,
        stage: StageConfig,
        objective: Objective,
        strategy: Strategy,
        budget: TimeBudget,
        **kwargs: Any,
    ) -> None:
        self.stage, self.objective, self.strategy = stage, objective, strategy
        self.budget = budget
        self._measured: dict[str, list[torch.Tensor]] = {}
        super().__init__(*args, **kwargs)
        strategy.adopt(self.accelerator)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """See `make_optimizer`."""
        if self.optimizer is None:
            self.optimizer = make_optimizer(self.model, self.stage, self.objective.part_of)
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Trainer's by steps, or `rate_by_clock` in a stage that has a budget of time."""
        if self.lr_scheduler is None and self.stage.minutes:
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.optimizer,
                lambda step: rate_by_clock(self.stage, self.budget.done(), step),
            )
        return super().create_scheduler(num_training_steps, optimizer)

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> SequentialSampler:
        # Items are sampled at random by their number already; order by number resumes exactly.
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def _move_model_to_device(self, model: nn.Module, device: torch.device) -> None:
        if self.strategy.places_model:
            super()._move_model_to_device(model, device)

    # --- values ---

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, **kwargs: Any
    ) -> Any:
        """Trainer's; what the objective measures beside the loss is kept for the next log line."""
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **kwargs)
        for key in self.objective.metrics:
            if key in outputs:
                self._measured.setdefault(key, []).append(outputs[key].detach().float().cpu())
        return (loss, outputs) if return_outputs else loss

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Trainer's.

        Raises:
            FineCaptionError: the loss is not finite.
        """
        loss = super().training_step(*args, **kwargs)
        self._check(loss, "loss")
        return loss

    def _clip_grad_norm(self, model: nn.Module) -> torch.Tensor:
        norm = self.strategy.whole(super()._clip_grad_norm(model))
        self._check(norm, "gradient's norm")
        return norm

    def _check(self, value: torch.Tensor, name: str) -> None:
        if not torch.isfinite(value):
            raise FineCaptionError(
                f"stage {self.stage.name}, step {self.state.global_step + 1}: the {name} is "
                f"{float(value)}; no model is written. Lower lr, or look at the data of this step; "
                f"the last checkpoint is in {self.args.output_dir}"
            )

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Adds the means since the last line, each entry of a vector under its name."""
        for key, values in self._measured.items():
            mean, names = torch.stack(values).nanmean(0), self.objective.metrics[key]
            if names:
                logs |= {f"{key} {n}": round(float(v), 3) for n, v in zip(names, mean, strict=True)}
            logs[key] = round(float(mean.nanmean()), 4)
        self._measured = {}
        super().log(logs, *args, **kwargs)

    # --- checkpoints ---

    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None
    ) -> None:
        module = self.accelerator.unwrap_model(self.model)
        self.strategy.save_weights(module, Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        self.strategy.load_weights(model or self.model, Path(resume_from_checkpoint))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.strategy.save_optimizer(self.model, self.optimizer, Path(output_dir)):
            super()._save_optimizer_and_scheduler(output_dir)
        elif self.args.should_save:
            torch.save(self.lr_scheduler.state_dict(), os.path.join(output_dir, "scheduler.pt"))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        if not self.strategy.load_optimizer(self.model, self.optimizer, Path(checkpoint)):
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        path = os.path.join(checkpoint, "scheduler.pt")
        self.lr_scheduler.load_state_dict(torch.load(path, weights_only=True))

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        super()._save_checkpoint(*args, **kwargs)
        barrier()
        if self.args.should_save:
            folder = Path(self.args.output_dir)
            seal(folder / f"checkpoint-{self.state.global_step}")
            rotate(folder, self.stage.checkpoints_kept)
        barrier()


def training_arguments(
    stage: StageConfig, feed: Feed, work: Path, **extra: Any
) -> TrainingArguments:
    """Trainer's settings for a stage."""
    cuda, steps = torch.cuda.is_available(), feed.steps
    return TrainingArguments(
        output_dir=str(work / "checkpoints"),
        max_steps=steps,
        per_device_train_batch_size=feed.per_process,
        gradient_accumulation_steps=feed.accumulate,
        average_tokens_across_devices=True,
        max_grad_norm=stage.max_grad_norm,
        use_cpu=not cuda,
        logging_steps=stage.log_every or max(1, min(25, steps // 10)),
        logging_first_step=True,
        logging_nan_inf_filter=False,  # StageTrainer stops instead
        save_steps=stage.save_every or max(1, min(200, steps // 4)),
        seed=stage.seed,
        dataloader_num_workers=stage.workers,
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,
        report_to=list(stage.report_to),
        disable_tqdm=True,  # ConsoleCallback instead
        **schedule_arguments(stage, steps),
        **extra,
    )


def fit(
    stage: StageConfig,
    model: nn.Module,
    feed: Feed,
    objective: Objective,
    work: Path,
    *,
    strategy: Strategy | None = None,
    callbacks: Iterable[TrainerCallback] = (),
    prepare: Callable[[nn.Module], None] | None = None,
) -> Fitted:
    """Trains a stage, from its last whole checkpoint if there is one; the model ends up trained.

    fp32 on a CPU (bf16 measured five times slower without hardware for it), bf16 autocast on a GPU,
    unless the stage says otherwise. The same seed gives the same run.

    Args:
        model: what the objective wraps.
        work: folder of checkpoints and logs.
        strategy: how parameters lie on the processes; by default each has them all (DDP).
        callbacks: transformers' own kind.
        prepare: called with the objective's module before it is trained.

    Raises:
        InputError: nothing to train, or a checkpoint of another model.
        WorldError: the processes are not connected.
        FineCaptionError: a loss or gradient that is not finite.
    """
    if stage.minutes and world_size() > 1:
        raise InputError(
            f"stage {stage.name}: minutes={stage.minutes} is for one process, because the clocks "
            "of several differ; set steps instead"
        )
    strategy = strategy or Strategy()
    clock = Clock(work / "seconds.json")
    budget = TimeBudget(clock, stage.minutes)
    module = objective.wrap(model)
    if prepare is not None:
        prepare(module)
    if strategy.freezes:
        set_trainable(module, stage, objective)
    if is_main_process():
        (work / "log").mkdir(parents=True, exist_ok=True)
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(work / "log")
    trainer = StageTrainer(
        model=module,
        args=training_arguments(
            stage,
            feed,
            work,
            bf16=strategy.autocasts and computes_in_bf16(stage),
            # A stage that knows its idle parameters spares DDP the search for them.
            ddp_find_unused_parameters=not objective.idle(module),
        ),
        train_dataset=feed.items,
        data_collator=objective.collate,
        stage=stage,
        objective=objective,
        strategy=strategy,
        budget=budget,
    )
    console = ConsoleCallback(stage.name, left=budget.left if stage.minutes else None)
    trainer.remove_callback(PrinterCallback)
    for callback in (
        WorldWatch(),
        clock,
        budget,
        console,
        CurveCallback(work / "log.jsonl"),
        *callbacks,
    ):
        trainer.add_callback(callback)
    last = last_checkpoint(work / "checkpoints")
    try:
        metrics = trainer.train(resume_from_checkpoint=last).metrics
    finally:
        console.close()
    barrier()
    taken = trainer.state.global_step
    return Fitted(
        module, provenance(stage, feed, taken, clock.seconds(), metrics.get("train_loss"))
    )


def provenance(
    stage: StageConfig, feed: Feed, steps: int, seconds: float, train_loss: float | None
) -> dict[str, Any]:
    """What provenance.json says of a stage that took this many steps."""
    images = {"pictures": steps * feed.images_per_step} if feed.images_per_step else {}
    return {
        "stage": stage.name,
        "recipe": stage.recipe,
        "seed": stage.seed,
        "trains": list(stage.trains),
        "lr": stage.lr,
        "steps": steps,
        **images,
        **feed.note,
        "sharding": stage.sharding,
        "seconds": seconds,
        "train_loss": train_loss,
        "hardware": hardware(),
        "processes": world_size(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "finished": time.strftime("%Y-%m-%d"),
    }


def read_provenance(folder: Path) -> list[dict[str, Any]]:
    """The stages that led to a folder's model, in order; empty where nobody knows."""
    path = folder / "provenance.json"
    found = json.loads(path.read_text()) if path.exists() else []
    return found if isinstance(found, list) else [found]
