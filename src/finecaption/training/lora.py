"""Adapters instead of whole weights (peft): LoRA, and QLoRA on a language model in NF4.

The model keeps its class and its forward; adapted layers get `lora_A` and `lora_B` beside their
own, frozen weights. What is saved is what moves: the adapters, and the parts that move in full.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from finecaption.errors import InputError
from finecaption.model.loading import read_weights
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.training.checkpoints import load_parameters
from finecaption.training.config import StageConfig

MOVED = "moved.safetensors"  # what an adapter run has changed, by parameter name
_LORA = re.compile(r"\.lora_(A|B)\.default\.")

# The blocks in which every linear layer gets an adapter: neither embeddings nor heads.
_BLOCKS = {
    "clip": r"model\.clip\.vision\.encoder\.layers\.\d+\..*",
    "llm": r"model\.language_model\.(?:layers|h|blocks)\.\d+\..*",
}


def is_lora(name: str) -> bool:
    """Whether a parameter is an adapter's."""
    return _LORA.search(name) is not None


def target_layers(model: nn.Module, parts: tuple[str, ...]) -> list[str]:
    """Full names of the linear layers that get an adapter.

    Raises:
        InputError: a part has none.
    """
    out = []
    for part in parts:
        pattern = re.compile(_BLOCKS[part])
        found = [
            name
            for name, module in model.named_modules()
            if pattern.fullmatch(name) and isinstance(module, nn.Linear)
        ]
        if not found:
            raise InputError(f"lora_parts: found no linear layers in {part}")
        out += found
    return out


def add_adapters(model: FineCaptionForConditionalGeneration, stage: StageConfig) -> None:
    """Puts new adapters into the model, in place; their product is zero, so nothing changes yet.

    Raises:
        InputError: peft is not installed.
    """
    try:
        from peft import LoraConfig
    except ImportError:
        raise InputError('adapters need peft: pip install "finecaption[train]"') from None
    names = target_layers(model, stage.lora_parts)
    settings = LoraConfig(
        r=stage.lora_rank,
        lora_alpha=stage.lora_alpha,
        lora_dropout=stage.lora_dropout,
        # A pattern: a list would match ends of names, and towers share them.
        target_modules="|".join(re.escape(name) for name in names),
        bias="none",
    )
    model.add_adapter(settings)
    for name, parameter in model.named_parameters():
        if is_lora(name):
            # peft makes them in the weights' own type, which bf16 and NF4 are too coarse for.
            parameter.data = parameter.data.float()


def merge(base: str | Path, moved: str | Path, stage: StageConfig, out: str | Path) -> None:
    """Writes a plain model: the base with what a run has moved, adapters added into the weights.

    Args:
        base: folder of the model that the run began with.
        moved: MOVED of the run.
        stage: of the run.
        out: folder, which must not exist; the caller copies the processor.

    Raises:
        InputError: the file is of another model.
    """
    model = read_weights(Path(base), dtype="auto")
    add_adapters(model, stage)
    load_parameters(model, load_file(moved))
    for module in model.modules():
        if hasattr(module, "merge") and hasattr(module, "base_layer"):
            module.merge()
    state = {}
    for name, tensor in model.state_dict().items():
        if not is_lora(name):
            state[name.replace(".base_layer.", ".")] = tensor
    with torch.device("meta"):
        plain = FineCaptionForConditionalGeneration(model.config)
    plain.to(model.dtype).save_pretrained(out, state_dict=state)
