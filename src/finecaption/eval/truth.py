"""Data whose ground truth is known in values, not only as reference sentences.

A package registers it in the entry-point group `finecaption.truth`: it reads answers back into
values and compares them with the truth. finecaption-synth does so for the synthetic world.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from finecaption import plugins
from finecaption.eval.data import EvalSource, Facets


class KnownTruth(Protocol):
    """What evaluation asks of such data."""

    def open(self, text: str, workers: int) -> EvalSource:
        """The source that ``--data`` names: SPLIT[:SEED], or a folder.

        Raises:
            InputError: it names none.
        """
        ...

    def score(self, attribute: str, answer: str, facets: Facets) -> dict[str, bool]:
        """Facet -> whether the answer states an accepted value of it, and no other."""
        ...

    def is_refusal(self, answer: str, attribute: str | None) -> bool:
        """Whether the answer says that the attribute (None: any) does not apply."""
        ...

    def trick_question(self, category: str, image: str, region_id: int) -> str | None:
        """An attribute that cannot apply to a region, the same at each call; None if all apply."""
        ...

    def studies(
        self, records: Sequence[dict[str, Any]], wholes: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        """Further scores of the records of predictions and whole images, by key of scores.json."""
        ...

    def render(self, name: str) -> np.ndarray | None:
        """The image of that name, uint8 (H, W, 3) RGB; None if it is not of this data."""
        ...


_GROUP = "finecaption.truth"


def known_truth() -> KnownTruth:
    """The installed one.

    Raises:
        InputError: no package brings one.
    """
    found: KnownTruth = plugins.load(_GROUP, "synth")
    return found


def installed_truth() -> KnownTruth | None:
    """The same; None if no package brings one."""
    return known_truth() if plugins.names(_GROUP) else None
