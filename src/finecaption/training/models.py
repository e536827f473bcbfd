"""Model folders of a stage: loaded as the stage needs them, written whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.loading import read_weights
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.processing import FineCaptionProcessor
from finecaption.model.quantisation import check_sizes, keep_gradients, nf4_settings
from finecaption.segmentation.click import CONFIG_FILE, WEIGHTS_FILE
from finecaption.training import lora
from finecaption.training.config import StageConfig
from finecaption.training.fit import set_trainable
from finecaption.training.objectives import Objective
from finecaption.training.strategies import computes_in_bf16

# What stands beside a model's weights and is still right, or nearly, when they were trained on.
COMPANIONS = (CONFIG_FILE, WEIGHTS_FILE)


def load_for_stage(
    folder: Path, stage: StageConfig, objective: Objective
) -> FineCaptionForConditionalGeneration:
    """The model of a folder, as a stage needs it: adapters in, frozen parts frozen, types set.

    Raises:
        InputError: a package is missing, the weights are not whole, or QLoRA on a model that NF4
            cannot hold.
    """
    dtype = torch.bfloat16 if computes_in_bf16(stage) else torch.float32
    extra: dict[str, Any] = {}
    if stage.adapter == "qlora":
        check_sizes("nf4", FineCaptionConfig.from_pretrained(folder, local_files_only=True))
        extra["quantization_config"] = nf4_settings(dtype)
    model = read_weights(folder, dtype=dtype, **extra)
    keep_gradients(model)
    if stage.adapter != "none":
        lora.add_adapters(model, stage)
    set_trainable(model, stage, objective)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if stage.gradient_checkpointing:
        checkpoint_layers(model)
    return model


def checkpoint_layers(model: nn.Module) -> None:
    """Each layer of towers and language model keeps its input only, and runs again backwards."""
    # transformers renamed it in 5.2x; before, the new name is not there.
    enable: Any = getattr(model, "activation_checkpointing_enable", None)
    enable = enable or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def write_model(
    folder: Path,
    write: Callable[[Path], Any],
    processor: FineCaptionProcessor,
    history: list[dict[str, Any]],
    base: Path | None = None,
) -> None:
    """Writes a model folder, by way of a temporary name.

    Args:
        write: writes config and weights into the folder that it is given.
        history: provenance of all stages that led to it.
        base: folder that the run began with; its click segmenter is copied.
    """
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    write(temporary)
    processor.save_pretrained(temporary)
    for name in COMPANIONS if base is not None else ():
        if base is not None and (base / name).exists() and not (temporary / name).exists():
            shutil.copyfile(base / name, temporary / name)
    (temporary / "provenance.json").write_text(json.dumps(history, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was cut short after this
    temporary.rename(folder)
