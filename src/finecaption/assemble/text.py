"""The language model's side: its configuration, tokenizer, image token, template, end tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PreTrainedConfig
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from finecaption.errors import InputError

from .sources import WeightSource
from .templates import choose_template

# Tokens that vocabularies keep for this or for nothing, so that no embedding need be added.
_IMAGE_TOKENS = ("<image>", "<|image_pad|>", "[IMG]", "<|reserved_special_token_0|>")
_PAD_TOKENS = ("<|finetune_right_pad_id|>", "<|endoftext|>", "<pad>", "[PAD]")
_NEW_IMAGE_TOKEN = "<image>"


@dataclass(frozen=True)
class Language:
    """Everything about the language model but its weights.

    Attributes:
        config: its configuration; `vocab_size` counts the image token's row.
        tokenizer: with image token, padding token and template; pads on the left.
        image_token_id: of the placeholder.
        rows: rows of the embedding in the checkpoint; further ones are added when `config` has
            more.
        end_ids: tokens that end an answer.
        notes: what was chosen, for the manifest.
    """

    config: PreTrainedConfig
    tokenizer: PreTrainedTokenizerBase
    image_token_id: int
    rows: int
    end_ids: tuple[int, ...]
    notes: dict[str, Any] = field(default_factory=dict)


def read_language(source: WeightSource) -> Language:
    """Reads configuration and tokenizer, and makes room for images.

    Raises:
        InputError: a bare weights file, a quantized model, or a folder that transformers cannot
            read.
    """
    folder = source.folder
    if folder is None:
        raise InputError(f"{source.where}: give the folder of the model, with its tokenizer")
    if "quantization_config" in source.config:
        raise InputError(f"{source.where}: is quantized; give the model in full precision")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            padding_side="left",  # set here, because only arguments are saved with it
        )
    # transformers raises errors of several libraries for what it cannot read
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{source.where}: cannot be read as a language model ({reason})"
        ) from error
    rows = int(config.vocab_size)
    image = _image_token(tokenizer, rows)
    image_id = int(tokenizer.convert_tokens_to_ids(image))
    config.vocab_size = max(rows, image_id + 1)
    _pad(tokenizer)
    config.pad_token_id = tokenizer.pad_token_id
    template, kind = choose_template(
        tokenizer.chat_template,
        tokenizer.get_vocab(),
        image,
        tokenizer.bos_token,
        tokenizer.eos_token,
    )
    tokenizer.chat_template = template
    ends = _end_ids(folder, config, tokenizer)
    if not ends:
        raise InputError(f"{source.where}: has no end token; set eos_token in its tokenizer")
    notes = {
        "image_token": image,
        "rows_added": config.vocab_size - rows,
        "template": kind,
        "pad_token": tokenizer.pad_token,
        "end_tokens": tokenizer.convert_ids_to_tokens(list(ends)),
    }
    return Language(config, tokenizer, image_id, rows, ends, notes)


def generation_config(language: Language) -> GenerationConfig:
    """Greedy, with the model's end tokens: captions are not sampled unless asked for."""
    return GenerationConfig(
        bos_token_id=language.tokenizer.bos_token_id,
        eos_token_id=list(language.end_ids),
        pad_token_id=language.tokenizer.pad_token_id,
    )


def _image_token(tokenizer: PreTrainedTokenizerBase, rows: int) -> str:
    from tokenizers import AddedToken

    vocabulary = tokenizer.get_vocab()
    for token in _IMAGE_TOKENS:
        # An id at or above the embedding's rows (Llama-3.2-Vision) would not do.
        if vocabulary.get(token, rows) < rows:
            return token
    tokenizer.add_tokens(
        [AddedToken(_NEW_IMAGE_TOKEN, special=True, normalized=False)], special_tokens=True
    )
    return _NEW_IMAGE_TOKEN


def _pad(tokenizer: PreTrainedTokenizerBase) -> None:
    if tokenizer.pad_token is not None:
        return
    vocabulary = tokenizer.get_vocab()
    known = (token for token in _PAD_TOKENS if token in vocabulary)
    tokenizer.pad_token = next(known, tokenizer.unk_token or tokenizer.eos_token)


def _end_ids(
    folder: Path, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase
) -> tuple[int, ...]:
    found: list[Any] = [tokenizer.eos_token_id, config.eos_token_id]
    if (folder / "generation_config.json").is_file():
        found.append(GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id)
    flat: list[int] = []
    for entry in found:
        flat += entry if isinstance(entry, list) else [] if entry is None else [entry]
    return tuple(dict.fromkeys(flat))


__all__ = ["Language", "generation_config", "read_language"]
