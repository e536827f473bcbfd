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
        conversations: chance that half of a region's questions come as one conversation, in which
            later ones see the earlier answers; the others are single questions, as in the paper.
        labelled: regions more of which only the classes are asked (train.regions), where the stage
            asks for classes at all.
    """

    regions: int = 4
    questions: int = 10
    whole: float = 0.15
    conversations: float = 0.5
    labelled: int = 0
