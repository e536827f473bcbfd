"""Fewer bits for the language model's linear layers (bitsandbytes), for running and for QLoRA.

Towers, adapter, embeddings and head keep their type: they are a small part of the weights or, as
the head, the part that rounding harms most.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from finecaption.errors import InputError
from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.modeling import FineCaptionForConditionalGeneration

QUANTISATIONS = ("int8", "nf4")
# Modules that transformers leaves alone; each matches a name up to a dot.
KEPT = ("model.clip", "model.convnext", "model.sam", "model.adapter", "lm_head")
# Of bitsandbytes 0.46 to 0.50. NF4_BLOCK neighboring weights share a scale. Where a row is not made
# of whole blocks, the AVX512 kernel reads the scales of other rows, without an error, and the
# AVX512-BF16 path cannot arrange them; that path also packs NF4_ROWS rows at a time.
NF4_BLOCK = 64
NF4_ROWS = 32


def int8_settings() -> Any:
    """transformers' settings for a language model in 8 bits (LLM.int8(), arXiv 2208.07339).

    Raises:
        InputError: bitsandbytes or accelerate is not installed.
    """
    _check("int8")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(KEPT))


def nf4_settings(compute: torch.dtype) -> Any:
    """transformers' settings for a language model in NF4 with double quantization (QLoRA,
    arXiv 2305.14314); everything else stays as it is.

    Args:
        compute: the type that weights are turned back into for each product.

    Raises:
        InputError: bitsandbytes or accelerate is not installed.
    """
    _check("nf4")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
        llm_int8_skip_modules=list(KEPT),
    )


def quantisation_settings(name: str, compute: torch.dtype) -> Any:
    """`int8_settings` or `nf4_settings` by name.

    Raises:
        InputError: an unknown name, or a package that is missing.
    """
    check_quantisation(name)
    return int8_settings() if name == "int8" else nf4_settings(compute)


def check_quantisation(name: str) -> None:
    """
    Raises:
        InputError: there is no such kind.
    """
    if name not in QUANTISATIONS:
        raise InputError(f"quantize {name!r}: expected one of {', '.join(QUANTISATIONS)}")


def check_sizes(name: str, config: FineCaptionConfig) -> None:
    """Makes sure that every layer to be rounded has a size that every processor computes right.

    LLM.int8() takes all sizes. NF4 takes inputs in multiples of `NF4_BLOCK` and outputs in
    multiples of `NF4_ROWS`. Other sizes work on some processors, and fail or give noise on others;
    they are refused everywhere.

    Args:
        name: one of `QUANTISATIONS`.
        config: of the model; no weights are read.

    Raises:
        InputError: a layer has another size.
    """
    if name != "nf4":
        return
    with torch.device("meta"):
        model = FineCaptionForConditionalGeneration(config)
    for layer, module in model.named_modules():
        if not isinstance(module, nn.Linear) or layer.startswith(KEPT):
            continue
        inputs, outputs = module.in_features, module.out_features
        if inputs % NF4_BLOCK or outputs % NF4_ROWS:
            raise InputError(
                f"this model cannot be held in nf4: {layer} has {inputs} inputs and {outputs} "
                f"outputs, and nf4 needs inputs in multiples of {NF4_BLOCK} and outputs in "
                f"multiples of {NF4_ROWS}; use int8, or leave the model as it is"
            )


def keep_gradients(model: nn.Module) -> None:
    """Makes NF4 layers, in place, keep the layout that passes gradients; for training.

    On processors with AVX512-BF16, bitsandbytes repacks a layer at its first use in evaluation
    mode, and repacked layers pass no gradient to what lies before them when training goes on.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def check_device_map() -> None:
    """
    Raises:
        InputError: accelerate, which spreads a model over devices, is not installed.
    """
    if find_spec("accelerate") is None:
        raise InputError("device_map needs accelerate: pip install 'finecaption[train]'")


def _check(name: str) -> None:
    # transformers loads such weights through accelerate.
    missing = [package for package in ("bitsandbytes", "accelerate") if find_spec(package) is None]
    if missing:
        raise InputError(
            f"{name} weights need {' and '.join(missing)}: pip install 'finecaption[quant]'"
        )
    # On CPUs with AVX512-BF16 it looks for a kernel on the Hugging Face Hub when it is imported and
    # warns that there is none; it works as well without, and nobody can do anything about it.
    logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(_no_hub_kernel)


def _no_hub_kernel(record: logging.LogRecord) -> bool:
    return "Failed to load CPU gemm_4bit_forward" not in record.getMessage()


__all__ = [
    "KEPT",
    "NF4_BLOCK",
    "NF4_ROWS",
    "QUANTISATIONS",
    "check_device_map",
    "check_quantisation",
    "check_sizes",
    "int8_settings",
    "keep_gradients",
    "nf4_settings",
    "quantisation_settings",
]
