"""Fewer bits for the language model's linear layers (bitsandbytes), for running and for QLoRA.

Towers, adapter, embeddings and head keep their type: they are a small part of the weights or, as
the head, the part that rounding harms most.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch

from finecaption.errors import InputError

QUANTISATIONS = ("int8", "nf4")
# Modules that transformers leaves alone; each matches a name up to a dot.
KEPT = ("model.clip", "model.convnext", "model.sam", "model.adapter", "lm_head")


def int8_settings() -> Any:
    """transformers' settings for a language model in 8 bits (LLM.int8(), arXiv 2208.07339).

    Raises:
        InputError: bitsandbytes or accelerate is not installed.
    """
    _check("int8")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(KEPT))


def nf4_settings(compute: torch.dtype) -> Any:
    """transformers' settings for a language model in NF4 with double quantisation (QLoRA,
    arXiv 2305.14314); everything else stays as it is.

    Args:
        compute: the type that weights are turned back into for each product.

    Raises:
        InputError: bitsandbytes or accelerate is not installed.
    """
    _check("nf4")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute, llm_int8_skip_modules=list(KEPT),
    )  # fmt: skip


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


__all__ = [
    "KEPT",
    "QUANTISATIONS",
    "check_device_map",
    "check_quantisation",
    "int8_settings",
    "nf4_settings",
    "quantisation_settings",
]
