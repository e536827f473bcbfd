"""Instructions and answers of the synthetic world as token ids, and its words as a tokenizer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from finecaption.attributes import (
    ATTRIBUTE_NAMES,
    dense_instruction,
    global_instruction,
    region_instruction,
)
from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.presets import PRESETS
from finecaption.model.processing import FineCaptionProcessor
from finecaption.model.tokenizer import build_word_tokenizer
from finecaption_synth.language import corpus

Ids = Callable[[str], list[int]]


def prompts() -> list[str]:
    """Every instruction there is."""
    return [*map(region_instruction, ATTRIBUTE_NAMES), dense_instruction(), global_instruction()]


def make_processor(preset: str) -> tuple[FineCaptionConfig, FineCaptionProcessor]:
    """The config of a preset and its processor, with a tokenizer of the world's words."""
    tokenizer = build_word_tokenizer(itertools.chain(corpus(), prompts()))
    config = PRESETS[preset](
        vocab_size=len(tokenizer), image_token_id=tokenizer.convert_tokens_to_ids("<image>")
    )
    return config, FineCaptionProcessor.for_config(config, tokenizer, capitalise=True)


@dataclass(frozen=True)
class Texts:
    """Instructions and answers as token ids, remembered: there are few prompts."""

    processor: FineCaptionProcessor
    image: bool = True

    def prompt_ids(self, instruction: str) -> list[int]:
        """Ids of a whole prompt; with ``image`` its placeholders are expanded."""
        if self.image:
            return list(self.processor.prompt_ids(instruction))
        text = self.processor.prompt(instruction, image=False)
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def answer_ids(self, answer: str) -> list[int]:
        """Ids of an answer and the end token."""
        ids = self._tokenizer(answer, add_special_tokens=False)["input_ids"]
        return [*ids, self._tokenizer.eos_token_id]

    def turn_ids(self, instruction: str) -> list[int]:
        """Ids of a further question of a conversation, behind an answer."""
        return list(self.processor.turn_ids(instruction))

    @property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        return self.processor.tokenizer

    def cached(self) -> tuple[Ids, Ids, Ids]:
        """(prompt_ids, answer_ids, turn_ids); every known prompt is computed once."""
        first = {p: self.prompt_ids(p) for p in prompts()}
        later = {p: self.turn_ids(p) for p in prompts()}
        return first.__getitem__, self.answer_ids, later.__getitem__
