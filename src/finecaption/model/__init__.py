"""The model: configuration, towers, fusion, processor, presets. Knows nothing of training or synth.

Importing this package registers FineCaption with transformers' Auto classes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .configuration import FineCaptionConfig
from .modeling import FineCaptionForConditionalGeneration, FineCaptionModel
from .processing import FineCaptionImageProcessor, FineCaptionProcessor, prettify

if TYPE_CHECKING:
    from .presets import PRESETS, mini, paper_8b, tiny
    from .tokenizer import build_word_tokenizer

# what a model that is loaded does not need is imported when it is asked for
_HOME = {
    "PRESETS": "presets",
    "mini": "presets",
    "paper_8b": "presets",
    "tiny": "presets",
    "build_word_tokenizer": "tokenizer",
}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


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
    "PRESETS",
    "FineCaptionConfig",
    "FineCaptionForConditionalGeneration",
    "FineCaptionImageProcessor",
    "FineCaptionModel",
    "FineCaptionProcessor",
    "build_word_tokenizer",
    "mini",
    "paper_8b",
    "prettify",
    "register",
    "tiny",
]
