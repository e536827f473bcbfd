"""How a model's parameters lie on the processes that train it: `fit` asks a strategy, no more.

`Strategy` is one process, or several that hold everything (DDP), as Trainer has them.
`finecaption.training.fsdp.Fsdp2` shards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from finecaption.training.checkpoints import load_weights, save_weights
from finecaption.training.config import StageConfig
from finecaption.training.processes import is_main_process


def computes_in_bf16(stage: StageConfig) -> bool:
    """Whether a stage computes in bf16 here."""
    auto = stage.precision == "auto" and torch.cuda.is_available()
    return stage.precision == "bf16" or auto


class Strategy:
    """Every process holds the whole model.

    Attributes:
        freezes: whether `fit` chooses what is trainable, or the model comes with it chosen.
        places_model: whether Trainer moves the model to its device.
        autocasts: whether bf16 is Trainer's autocast.
        decodes_alone: whether one process can run the model without the others.
    """

    freezes = True
    places_model = True
    autocasts = True
    decodes_alone = True

    def adopt(self, accelerator: Any) -> None:
        """Tells Trainer's accelerator how to prepare the model."""

    def whole(self, norm: torch.Tensor) -> torch.Tensor:
        """A gradient norm over all processes."""
        return norm

    def settle(self, module: nn.Module) -> None:
        """Called after a forward without its backward, outside of Trainer."""

    def gather(self, model: Any, bf16: bool) -> Any:
        """The whole model that was trained, in the first process.

        Args:
            bf16: whether the stage computes in it.
        """
        return model.to(torch.bfloat16) if bf16 else model

    def save_weights(self, module: nn.Module, folder: Path) -> None:
        """Writes the trainable parameters into a checkpoint; called in every process."""
        if is_main_process():
            save_weights(module, folder)

    def load_weights(self, module: nn.Module, folder: Path) -> None:
        """Puts back what `save_weights` wrote."""
        load_weights(module, folder)

    def save_optimizer(self, module: nn.Module, optimizer: Any, folder: Path) -> bool:
        """Writes the optimizer's state; False leaves it to Trainer."""
        return False

    def load_optimizer(self, module: nn.Module, optimizer: Any, folder: Path) -> bool:
        """Puts back what `save_optimizer` wrote; False leaves it to Trainer."""
        return False
