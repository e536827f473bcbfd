"""A FineCaption's language model alone, as servers of stock models take it, and what they are sent.

The server holds the language model; whoever asks holds towers and adapter, and sends embeddings of
whole prompts (vLLM: `--enable-prompt-embeds`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from finecaption.captioner import FineCaption
from finecaption.errors import InputError
from finecaption.io.checkpoint import resolve_model
from finecaption.model import (
    FineCaptionConfig,
    FineCaptionForConditionalGeneration,
    FineCaptionProcessor,
)
from finecaption.types import Region

from .build import SHARD_BYTES
from .checkpoints import open_folder
from .names import LM_HEAD
from .plan import Entry
from .write import DTYPES, new_folder, write_shards

_TRUNK = "model.language_model."


def export_language_model(
    source: str | os.PathLike[str] | FineCaption,
    out: str | os.PathLike[str],
    *,
    max_shard_bytes: int = SHARD_BYTES,
) -> Path:
    """Writes the language model as a stock causal LM: weights, configuration, tokenizer.

    From a folder, tensors go through memory one at a time.

    Args:
        source: a FineCaption's folder, a shipped model's name, or a loaded captioner.
        out: the new folder; it appears when it is complete.
        max_shard_bytes: of a weights file.

    Returns:
        `out`, in the type of the embedding; `AutoModelForCausalLM.from_pretrained` opens it.

    Raises:
        InputError: no such model; a quantized one; a tensor that is missing or misshapen; an `out`
            that is in use.
    """
    out = Path(out)
    if isinstance(source, FineCaption):
        where, model = source.name or "the model", source.model
        if getattr(model, "is_quantized", False):
            raise InputError(f"{where}: is quantized; give its folder, which holds whole weights")
        config, processor, generation = model.config, source.processor, model.generation_config
        state = model.state_dict()
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        get: Callable[[str], torch.Tensor] = lambda name: state[name].detach().cpu()  # noqa: E731 # one of two ways
    else:
        folder = resolve_model(source)
        where = str(folder)
        try:
            config = FineCaptionConfig.from_pretrained(folder, local_files_only=True)
            processor = FineCaptionProcessor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            generation = None
            if (folder / "generation_config.json").is_file():
                generation = GenerationConfig.from_pretrained(folder, local_files_only=True)
        # transformers raises errors of several libraries for what it cannot read
        except Exception as error:
            raise InputError(f"{where}: cannot be read as a FineCaption ({error})") from error
        checkpoint = open_folder(folder)
        shapes, get = dict(checkpoint.shapes), checkpoint.get
    text = config.text_config
    with torch.device("meta"):
        stock = AutoModelForCausalLM.from_config(text)
    entries = []
    for name, tensor in stock.state_dict().items():
        if name == LM_HEAD and config.tie_word_embeddings:
            continue  # stored once, as the embedding
        own = _own_name(name, stock.base_model_prefix)
        shape = tuple(tensor.shape)
        if shapes.get(own) != shape:
            found = "missing" if own not in shapes else f"{shapes[own]}, expected {shape}"
            raise InputError(f"{where}: {own} is {found}")
        entries.append(Entry(name, shape, partial(get, own)))
    dtype = str(entries[0].load().dtype).removeprefix("torch.")  # the embedding
    if dtype not in DTYPES:
        raise InputError(f"{where}: weights are {dtype}, expected one of {', '.join(DTYPES)}")
    width = getattr(torch, dtype).itemsize
    with new_folder(out, width * sum(torch.Size(entry.shape).numel() for entry in entries)) as made:
        write_shards(entries, made, dtype, max_shard_bytes)
        saved = type(text).from_dict(text.to_dict())
        saved.architectures, saved.dtype = [type(stock).__name__], dtype
        saved.save_pretrained(made)
        if generation is not None:
            generation.save_pretrained(made)
        processor.tokenizer.save_pretrained(made)
    return out


def _own_name(stock: str, prefix: str) -> str:
    """A stock causal LM's name for a tensor -> FineCaption's."""
    start = f"{prefix}."
    return _TRUNK + stock.removeprefix(start) if stock.startswith(start) else stock


@torch.no_grad()
def prompt_embeddings(
    model: FineCaption | FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    image: Any,
    region: Any,
    instruction: str,
) -> torch.Tensor:
    """A whole prompt as the language model sees it: what a server of prompt embeddings takes.

    Args:
        model: whole, with its towers.
        processor: the model's.
        image: anything that `finecaption.io.images.load_image` opens.
        region: a mask (array (H, W), file, PIL image), a `Region`, or None: the whole image.
        instruction: the user's text (from `finecaption.attributes`).

    Returns:
        (L, D), in the model's type and on its device: template, T image tokens, instruction, and
        the beginning of the answer.

    Raises:
        InputError: an unusable image or mask.
    """
    whole = model.model if isinstance(model, FineCaption) else model
    mask = region.mask if isinstance(region, Region) else region
    inputs: Any = processor(image, processor.prompt(instruction), mask)
    given = {name: tensor.to(whole.device) for name, tensor in inputs.items()}
    features = whole.model.get_region_features(
        given["pixel_values"], given["pixel_values_clip"], given["region_masks"]
    )
    ids = given["input_ids"]
    embedded = whole.get_input_embeddings()(ids)
    placeholder = (ids == whole.config.image_token_id).unsqueeze(-1)
    prompt: torch.Tensor = embedded.masked_scatter(placeholder, features.to(embedded.dtype))[0]
    return prompt


__all__ = ["export_language_model", "prompt_embeddings"]
