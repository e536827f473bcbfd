"""The paper's recipe for a model assembled from published parts, as functions of a whole config.

[P] is stated by the paper (arXiv 2411.15411), [E] read in EAGLE's code (NVlabs/EAGLE), [D] decided
by this project; docs/train-your-own.md says the same to users. Free of torch.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from finecaption.errors import InputError
from finecaption.train.recipes import PARTS

ADAPTERS = ("none", "lora", "qlora")
SHARDINGS = ("none", "fsdp2")
PRECISIONS = ("auto", "bf16", "fp32")
SCHEDULES = ("cosine", "linear", "constant_with_warmup")

# What may differ when a run goes on: everything else decides what the run computes.
HARMLESS = frozenset(
    {"workers", "log_every", "save_every", "keep", "show", "show_every", "report_to", "merge"}
)


@dataclass(frozen=True)
class TrainConfig:
    """Everything that one stage needs; model, data and output folder are the command line's.

    Attributes:
        name: of the recipe.
        stage: 1, 2 or 3 of the paper.
        trains: part names (model.parts) that move; everything else is frozen.
        lr: peak learning rate.
        rates: part name -> factor on lr.
        batch: questions an optimiser step; steps are filled with whole pictures, so the number
            varies around it.
        accumulate: packs a process and step; 0 works it out from ``batch``.
        epochs: passes over the data.
        steps: optimiser steps; above 0 it takes the place of ``epochs``.
        schedule, warmup: of the learning rate; warmup is a share of the steps.
        weight_decay, betas, max_grad_norm: of AdamW.
        whole: share of the questions that are on whole pictures, where the data has both kinds;
            0 takes the data as it is.
        precision: "auto" is bf16 on a GPU and fp32 on a CPU. In bf16, frozen weights are held in
            bf16 and those that move in fp32, under autocast.
        gradient_checkpointing: keep each layer's input only, and run it again going backwards.
        tokens: the most tokens of a pack, padding included: what one forward pass takes at once.
        pictures: the most pictures of a pack.
        group_by_length: packs of sequences of like length.
        shared: questions on a region share its prefix, regions share their picture; False is one
            question a sample, for comparison.
        cache: folder of the large towers' features, written once and then read; "" runs the towers
            every time. Only where neither of them moves.
        adapter: "lora" or "qlora" (peft, bitsandbytes) instead of moving ``lora_parts`` in full.
        lora_rank, lora_alpha, lora_dropout: of the adapters.
        lora_parts: of clip and llm, those that move by an adapter.
        merge: at the end, also write a plain model with the adapters added into the weights.
        sharding: "fsdp2" shares parameters, gradients and optimiser among the processes.
        world: how many processes there must be; 0 takes what torchrun started.
        workers: loader processes.
        limit: samples read of each data set; 0 all.
        log_every, save_every, keep: steps between log entries and checkpoints; checkpoints kept.
        show_every, show: steps between sample captions, and how many; 0 none.
        report_to: of transformers' reporters: tensorboard, wandb, mlflow, ...
        seed: of order and new weights.
    """

    name: str
    stage: int
    trains: tuple[str, ...]
    lr: float
    batch: int
    rates: dict[str, float] = field(default_factory=dict)
    accumulate: int = 0
    epochs: float = 1.0
    steps: int = 0
    schedule: str = "cosine"
    warmup: float = 0.03
    weight_decay: float = 0.0
    betas: tuple[float, ...] = (0.9, 0.999)
    max_grad_norm: float = 1.0
    whole: float = 0.0
    precision: str = "auto"
    gradient_checkpointing: bool = True
    tokens: int = 8192
    pictures: int = 8
    group_by_length: bool = True
    shared: bool = True
    cache: str = ""
    adapter: str = "none"
    lora_rank: int = 64
    lora_alpha: int = 128
    lora_dropout: float = 0.05
    lora_parts: tuple[str, ...] = ()
    merge: bool = True
    sharding: str = "none"
    world: int = 0
    workers: int = 2
    limit: int = 0
    log_every: int = 10
    save_every: int = 200
    keep: int = 2
    show_every: int = 200
    show: int = 4
    report_to: tuple[str, ...] = ("tensorboard",)
    seed: int = 0

    def __post_init__(self) -> None:
        self._among("stage", (1, 2, 3))
        self._among("adapter", ADAPTERS)
        self._among("sharding", SHARDINGS)
        self._among("precision", PRECISIONS)
        self._among("schedule", SCHEDULES)
        unknown = (set(self.trains) | set(self.rates) | set(self.lora_parts)) - set(PARTS)
        if unknown or not self.trains:
            raise InputError(
                f"trains, rates, lora_parts: {sorted(unknown) or 'nothing'} is no part of the "
                f"model; choose from {', '.join(PARTS)}"
            )
        for key in ("batch", "tokens", "pictures", "log_every", "save_every", "keep", "lora_rank"):
            self._range(key, 1)
        for key in ("accumulate", "steps", "world", "workers", "limit", "show", "show_every"):
            self._range(key, 0)
        if not self.steps and self.epochs <= 0:
            raise InputError(f"epochs={self.epochs}: must be above 0, or give steps")
        if self.lr <= 0 or not 0 <= self.warmup < 1 or not 0 <= self.whole < 1:
            raise InputError("lr must be above 0, warmup and whole from 0 up to but not with 1")
        if len(self.betas) != 2 or not all(0 <= b < 1 for b in self.betas):
            raise InputError(f"betas={list(self.betas)}: must be two numbers from 0 to below 1")
        self._check_adapter()
        if self.cache and {"convnext", "sam"} & set(self.trains):
            raise InputError("cache: the large towers move in this stage; leave it empty")

    def _among(self, key: str, allowed: Sequence[Any]) -> None:
        if getattr(self, key) not in allowed:
            names = ", ".join(map(str, allowed))
            raise InputError(f"{key}={getattr(self, key)}: choose {names}")

    def _range(self, key: str, least: int) -> None:
        if getattr(self, key) < least:
            raise InputError(f"{key}={getattr(self, key)}: must be at least {least}")

    def _check_adapter(self) -> None:
        if self.adapter == "none":
            if self.lora_parts:
                raise InputError("lora_parts: is for adapter=lora or adapter=qlora")
            return
        if not self.lora_parts or set(self.lora_parts) - {"clip", "llm"}:
            raise InputError(f"lora_parts={list(self.lora_parts)}: give clip, llm or both")
        if set(self.lora_parts) - set(self.trains):
            raise InputError("lora_parts: must be among trains")
        if self.sharding != "none":
            raise InputError(
                f"adapter={self.adapter} with sharding={self.sharding}: adapters are for one card "
                "or for DDP; set one of the two to none"
            )


def paper(stage: int) -> TrainConfig:
    """The paper's stages [P] with EAGLE's rates [E].

    Stage 1: the adapter, on LLaVA-Pretrain, 1e-3, 256, one epoch, cosine, warm-up of 3 %. Stage 2:
    the alpha convolution, on CompositionCap, GranD and RefCOCO/+/g; 1e-4 and 256 [D], a tenth whole
    pictures [E, Alpha-CLIP]. Stage 3: everything, on CompositionCap, 2e-5, 128. No weight decay.
    Epochs of stages 2 and 3 [D].

    Raises:
        InputError: no such stage.
    """
    if stage == 1:
        return TrainConfig("paper", 1, ("adapter",), lr=1e-3, batch=256)
    if stage == 2:
        return TrainConfig("paper", 2, ("alpha",), lr=1e-4, batch=256, whole=0.1)
    if stage == 3:
        # The towers' activations count here: fewer pictures at once.
        return TrainConfig("paper", 3, PARTS, lr=2e-5, batch=128, pictures=2)
    raise InputError(f"stage {stage}: the paper has 1, 2 and 3")


def lora(stage: int = 3) -> TrainConfig:
    """Stage 3 with adapters [D]: one card of 80 GB.

    LoRA on every linear layer of CLIP's and the language model's blocks, alpha and adapter in full,
    the two large towers frozen, so that they run without gradients. 2e-4, the usual rate of LoRA.

    Raises:
        InputError: a stage other than 3; stages 1 and 2 move little anyway.
    """
    if stage != 3:
        raise InputError(f"stage {stage}: adapters are for stage 3; take --recipe paper")
    return TrainConfig(
        "lora", 3, ("clip", "alpha", "adapter", "llm"), lr=2e-4, batch=128,
        rates={"alpha": 0.1, "adapter": 0.1}, adapter="lora", lora_parts=("clip", "llm"),
    )  # fmt: skip


def qlora(stage: int = 3) -> TrainConfig:
    """As ``lora`` with the language model's weights in NF4 [D]: one card of 24 GB."""
    return dataclasses.replace(lora(stage), name="qlora", adapter="qlora", tokens=2048, pictures=1)


def fsdp(stage: int) -> TrainConfig:
    """As ``paper``, parameters, gradients and optimiser shared among the processes (FSDP2)."""
    return dataclasses.replace(paper(stage), name="fsdp", sharding="fsdp2")


CONFIGS: dict[str, Callable[[int], TrainConfig]] = {
    "paper": paper, "lora": lora, "qlora": qlora, "fsdp": fsdp,
}  # fmt: skip


def to_json(config: TrainConfig) -> str:
    """A config as ``--print-config`` prints and ``--config`` reads it."""
    return json.dumps(dataclasses.asdict(config), indent=1)


def override(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """A config with some fields changed.

    Args:
        changes: field -> value, as YAML gives it: lists for tuples, whole numbers for floats.

    Raises:
        InputError: an unknown field, a value of another type, or one that does not fit.
    """
    hints = get_type_hints(TrainConfig)
    values = {}
    for key, value in changes.items():
        if key not in hints:
            raise InputError(f"{key}: unknown; the config has {', '.join(hints)}")
        values[key] = _cast(getattr(config, key), value, key)
    return dataclasses.replace(config, **values)


def read_settings(settings: Sequence[str]) -> dict[str, Any]:
    """``key=value`` settings, values as in YAML: ``lr=1e-4``, ``trains=[adapter,alpha]``.

    Raises:
        InputError: not of that form.
    """
    import yaml

    out = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise InputError(f"{setting!r} is not key=value")
        try:
            out[key] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise InputError(f"{setting!r}: the value is not YAML; quote it") from None
        if out[key] is None:
            out[key] = text
    return out


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Changes from a YAML (or JSON) file: a mapping of fields.

    Raises:
        InputError: unreadable, or no mapping.
    """
    import yaml

    try:
        found = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({error})") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: must map names to values; see --print-config")
    return found


def _cast(old: Any, value: Any, key: str) -> Any:
    try:
        if isinstance(old, bool) or isinstance(value, bool):
            if isinstance(old, bool) and isinstance(value, bool):
                return value
        elif isinstance(old, int):
            if float(value) == int(float(value)):
                return int(float(value))
        elif isinstance(old, float):
            return float(value)  # also of YAML's "1e-4", which it takes for text
        elif isinstance(old, str):
            return str(value)
        elif isinstance(old, dict) and isinstance(value, dict):
            return {str(k): float(v) for k, v in value.items()}
        elif isinstance(old, tuple):
            several = value if isinstance(value, list | tuple) else [value]
            return tuple(float(v) for v in several) if key == "betas" else tuple(map(str, several))
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{key}={value}: expected a value like {json.dumps(old)}")
