"""Optimizers and learning-rate schedules of a stage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from finecaption.errors import InputError
from finecaption.training.config import StageConfig

PartOf = Callable[[str], str | None]  # parameter name -> part name; None: of no part

# Muon's update has a root mean square of about 0.2 (Liu et al. 2025, "match_rms_adamw"), which is
# AdamW's, so that one learning rate serves both.
_MUON = {"momentum": 0.95, "nesterov": True, "adjust_lr_fn": "match_rms_adamw"}


def parameter_groups(
    model: nn.Module, stage: StageConfig, part_of: PartOf, wanted: Callable[[nn.Parameter], bool]
) -> list[dict[str, Any]]:
    """Trainable parameters, a group a part, each with its learning rate."""
    groups: dict[str | None, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and wanted(parameter):
            groups.setdefault(part_of(name), []).append(parameter)
    return [
        {"params": found, "lr": stage.lr * stage.rates.get(part or "", 1.0)}
        for part, found in groups.items()
    ]


def make_optimizer(model: nn.Module, stage: StageConfig, part_of: PartOf) -> torch.optim.Optimizer:
    """The stage's optimizer on what is trainable: AdamW, or Muon on the layers' matrices.

    On a GPU AdamW is fused: it takes no temporaries as large as the weights.

    Raises:
        InputError: Muon, and torch has none.
    """
    matrices: set[int] = set()
    if stage.optimizer == "muon":
        if not hasattr(torch.optim, "Muon"):
            raise InputError("optimizer=muon needs torch 2.9 or newer; set optimizer=adamw")
        matrices = {id(p) for p in hidden_matrices(model)}
    adamw = torch.optim.AdamW(
        parameter_groups(model, stage, part_of, lambda p: id(p) not in matrices),
        lr=stage.lr,
        betas=(stage.betas[0], stage.betas[1]),
        weight_decay=stage.weight_decay,
        fused=True if torch.cuda.is_available() else None,
    )
    if not matrices:
        return adamw
    groups = parameter_groups(model, stage, part_of, lambda p: id(p) in matrices)
    muon = torch.optim.Muon(groups, lr=stage.lr, weight_decay=stage.weight_decay, **_MUON)
    return Several([muon, adamw])


def hidden_matrices(model: nn.Module) -> Iterator[nn.Parameter]:
    """Weights of linear layers, but of neither embeddings nor what is tied to one."""
    tied = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    for module in model.modules():
        if isinstance(module, nn.Linear) and id(module.weight) not in tied:
            yield module.weight


class Several(torch.optim.Optimizer):
    """Several optimizers as one, for Trainer and for learning-rate schedules."""

    def __init__(self, optimizers: list[torch.optim.Optimizer]) -> None:
        """
        Args:
            optimizers: of disjoint parameters.
        """
        self.optimizers = [o for o in optimizers if o.param_groups]
        super().__init__([g for o in self.optimizers for g in o.param_groups], {})
        # The same dictionaries, so that a schedule reaches the inner optimizers.
        self.param_groups = [g for o in self.optimizers for g in o.param_groups]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of each."""
        loss = None if closure is None else closure()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The states in order."""
        return {"optimizers": [o.state_dict() for o in self.optimizers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Puts back what `state_dict` gave."""
        for optimizer, state in zip(self.optimizers, state_dict["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.param_groups = [g for o in self.optimizers for g in o.param_groups]


def schedule_arguments(stage: StageConfig, steps: int) -> dict[str, Any]:
    """TrainingArguments' fields for the stage's schedule, by transformers' own names."""
    out: dict[str, Any] = {
        "learning_rate": stage.lr,
        "lr_scheduler_type": stage.schedule,
        "warmup_steps": stage.warmup_steps(steps),
    }
    if stage.schedule == "wsd":
        out["lr_scheduler_type"] = "warmup_stable_decay"
        out["lr_scheduler_kwargs"] = {"num_decay_steps": max(1, round(stage.decay * steps))}
    return out


def rate_by_clock(stage: StageConfig, done: float, step: int) -> float:
    """What the peak learning rate is multiplied by, in a stage whose budget is time.

    Args:
        done: fraction of the stage's time that is over, 0..1.
        step: optimizer steps taken; a warm-up of 1 or more counts them.
    """
    warmup = stage.warmup
    if warmup >= 1:
        rising, warmup = min(1.0, (step + 1) / warmup), 0.0
    else:
        rising = min(1.0, (done + 1e-3) / warmup) if warmup else 1.0
    left = 1 - min(1.0, max(0.0, (done - warmup) / (1 - warmup)))
    if stage.schedule == "linear":
        return rising * left
    if stage.schedule == "cosine":
        return rising * 0.5 * (1 - math.cos(math.pi * left))
    if stage.schedule == "wsd":
        return rising * min(1.0, (1 - min(1.0, done)) / stage.decay)
    return rising
