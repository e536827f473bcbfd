"""What annotates: anything that answers questions on the regions of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from PIL import Image

from finecaption.errors import CaptionerError
from finecaption.types import Task


@dataclass(frozen=True, eq=False)
class Ask:
    """One question: of a region (its bool mask (H, W)), or of the whole picture (None)."""

    mask: np.ndarray | None
    task: Task
    attribute: str | None = None

    @property
    def name(self) -> str:
        """The attribute, or the task."""
        return self.attribute or self.task


@dataclass(frozen=True)
class Said:
    """An answer; `text` None: the attribute does not apply to the region."""

    text: str | None
    tries: int = 1


class Annotator(Protocol):
    """The interface of a captioner."""

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two captioners say the same: plain JSON values, kept in every record."""
        ...

    def answer(self, picture: Image.Image, asks: Sequence[Ask]) -> Iterator[tuple[int, Said]]:
        """(number of the question, its answer), in any order, each as soon as it is there.

        Raises:
            CaptionerError: a question cannot be answered.
        """
        ...


__all__ = ["Ask", "Annotator", "CaptionerError", "Said"]
