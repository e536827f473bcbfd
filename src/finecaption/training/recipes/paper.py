"""The paper's stages for a model assembled from published parts, and their kin for fewer GPUs.

[P] is stated by the paper (arXiv 2411.15411), [E] read in EAGLE's code (NVlabs/EAGLE), [D] decided
by this project; docs/train-your-own.md says the same to users.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from finecaption.training.config import PARTS, Recipe, StageConfig


def _stage(
    number: int, trains: tuple[str, ...], lr: float, batch: int, **fields: Any
) -> StageConfig:
    return StageConfig(
        f"stage{number}",
        "captions",
        trains,
        lr,
        batch,
        gradient_checkpointing=True,
        workers=2,
        log_every=10,
        save_every=200,
        show_every=200,
        samples_shown=4,
        **fields,
    )


def paper() -> Recipe:
    """The paper's stages [P] with EAGLE's rates [E].

    Stage 1: the adapter, on LLaVA-Pretrain, 1e-3, 256, one epoch, cosine, warm-up of 3 %. Stage 2:
    the alpha convolution, on CompositionCap, GranD and RefCOCO/+/g; 1e-4 and 256 [D], a tenth whole
    images [E, Alpha-CLIP]. Stage 3: everything, on CompositionCap, 2e-5, 128. No weight decay.
    Epochs of stages 2 and 3 [D].
    """
    stages = (
        _stage(1, ("adapter",), 1e-3, 256),
        _stage(2, ("alpha",), 1e-4, 256, whole_image_fraction=0.1),
        # The towers' activations count here: fewer images at once.
        _stage(3, PARTS, 2e-5, 128, max_images=2),
    )
    return _named("paper", stages)


def lora() -> Recipe:
    """Stage 3 with adapters [D]: a single GPU of 80 GB.

    LoRA on every linear layer of CLIP's and the language model's blocks, alpha and adapter in full,
    the two large towers frozen, so that they run without gradients. 2e-4, the usual rate of LoRA.
    """
    stage = _stage(
        3,
        ("clip", "alpha", "adapter", "llm"),
        2e-4,
        128,
        rates={"alpha": 0.1, "adapter": 0.1},
        adapter="lora",
        lora_parts=("clip", "llm"),
    )
    return _named("lora", (stage,))


def qlora() -> Recipe:
    """As ``lora`` with the language model's weights in NF4 [D]: a single GPU of 24 GB."""
    small = {"adapter": "qlora", "max_tokens": 2048, "max_images": 1}
    return _named("qlora", lora().stages, **small)


def fsdp() -> Recipe:
    """As ``paper``; parameters, gradients and optimizer sharded over the processes (FSDP2)."""
    return _named("fsdp", paper().stages, sharding="fsdp2")


def _named(name: str, stages: tuple[StageConfig, ...], **fields: Any) -> Recipe:
    return Recipe(name, tuple(dataclasses.replace(s, recipe=name, **fields) for s in stages))
