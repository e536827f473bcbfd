"""What a stage learns, as plug-ins of `finecaption.training.fit`.

An objective says how a model is wrapped into a module whose forward gives a loss, which parameters
belong to which part, how items become a batch, and under which names its measurements are logged.
The trainer knows nothing else of captions, classes, clicks or texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import nn

Batch = dict[str, Any]


class Objective(Protocol):
    """What `finecaption.training.fit.fit` asks of an objective."""

    @property
    def metrics(self) -> Mapping[str, Sequence[str]]:
        """Outputs of the module that are logged beside the loss: key -> names of the entries.

        Empty names are of a scalar. NaN entries are of a batch that did not ask for them.
        """

    def wrap(self, model: nn.Module) -> nn.Module:
        """The module that is trained: its forward takes a batch and returns {"loss": ...}."""

    def part_of(self, name: str) -> str | None:
        """The part of the finished model that a parameter of the module belongs to.

        None is what is thrown away afterwards: always trainable.
        """

    def idle(self, module: nn.Module) -> frozenset[str]:
        """Parameters of the module that the loss does not depend on."""

    def collate(self, items: Sequence[Any]) -> Batch:
        """Items of the dataset as the arguments of the module's forward."""


def by_prefix(name: str, table: Mapping[str, str]) -> str | None:
    """The value of the first prefix in the table that a name starts with."""
    return next((part for start, part in table.items() if name.startswith(start)), None)


__all__ = ["Batch", "Objective", "by_prefix"]
