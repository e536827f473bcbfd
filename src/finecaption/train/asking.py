"""What a caption stage asks; apart from the data, so that recipes are read without the model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Asking:
    """What a caption stage asks of a picture.

    Attributes:
        regions: the most regions a picture.
        questions: the most attribute questions a region.
        whole: chance of the whole-image question; 1 asks nothing else.
        labelled: regions more of which only the classes are asked (train.regions), where the stage
            asks for classes at all.
    """

    regions: int = 4
    questions: int = 10
    whole: float = 0.15
    labelled: int = 0
