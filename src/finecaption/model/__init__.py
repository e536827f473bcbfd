"""The model: configuration, towers, fusion, processor, presets. Knows nothing of training or synth.

Importing this package registers FineCaption with transformers' Auto classes.
"""

from __future__ import annotations

from .configuration import FineCaptionConfig
from .modeling import FineCaptionForConditionalGeneration, FineCaptionModel
from .parts import PART_NAMES, parts
from .presets import PRESETS, mini, paper_8b, tiny
from .processing import FineCaptionImageProcessor, FineCaptionProcessor
from .tokenizer import build_word_tokenizer, prettify


def register() -> None:
    """Make AutoConfig, AutoProcessor, AutoModelForImageTextToText, ... know FineCaption.

    Called on import; calling it again changes nothing.
    """
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoModelForImageTextToText,
        AutoProcessor,
    )

    AutoConfig.register(FineCaptionConfig.model_type, FineCaptionConfig, exist_ok=True)
    AutoModel.register(FineCaptionConfig, FineCaptionModel, exist_ok=True)
    AutoModelForImageTextToText.register(
        FineCaptionConfig, FineCaptionForConditionalGeneration, exist_ok=True
    )
    AutoProcessor.register(FineCaptionConfig, FineCaptionProcessor, exist_ok=True)


register()

__all__ = [
    "PART_NAMES",
    "PRESETS",
    "FineCaptionConfig",
    "FineCaptionForConditionalGeneration",
    "FineCaptionImageProcessor",
    "FineCaptionModel",
    "FineCaptionProcessor",
    "build_word_tokenizer",
    "mini",
    "paper_8b",
    "parts",
    "prettify",
    "register",
    "tiny",
]
