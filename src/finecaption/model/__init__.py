"""The model: configuration, towers, fusion, processor, presets. Knows nothing of training or synth.

Importing this package registers FineCaption with transformers' Auto classes.
"""

from __future__ import annotations

from .configuration import FineCaptionConfig
from .modeling import FineCaptionForConditionalGeneration, FineCaptionModel
from .parts import PART_NAMES, parts
from .presets import PRESETS, mini, paper_8b, tiny

__all__ = [
    "PART_NAMES",
    "PRESETS",
    "FineCaptionConfig",
    "FineCaptionForConditionalGeneration",
    "FineCaptionModel",
    "mini",
    "paper_8b",
    "parts",
    "tiny",
]
