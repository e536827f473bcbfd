"""What one stage of training is: the trainer's only configuration, for mini as for 8B.

A recipe (`finecaption.training.recipes`) is a function that returns stages; YAML files and
``--set key=value`` change their fields. Free of torch, so that recipes are listed without it.
"""

from __future__ import annotations

import dataclasses
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from finecaption.errors import InputError

PARTS = ("clip", "alpha", "convnext", "sam", "adapter", "llm")  # as model.parts.PART_NAMES
OBJECTIVES = ("captions", "dense", "clicks", "contrastive", "text")
ADAPTERS = ("none", "lora", "qlora")
SHARDINGS = ("none", "fsdp2")
PRECISIONS = ("auto", "bf16", "fp32")
CONSTANT = "constant_with_warmup"  # of a run that may go on for as long as there is time
SCHEDULES = ("cosine", "linear", CONSTANT, "wsd")
OPTIMIZERS = ("adamw", "muon")

# What may differ when a run goes on: everything else decides what the run computes.
HARMLESS = frozenset(
    {
        "workers",
        "log_every",
        "save_every",
        "checkpoints_kept",
        "samples_shown",
        "show_every",
        "report_to",
        "merge",
    }
)

# Names of before, for one release.
RENAMED = {
    "tokens": "max_tokens",
    "pictures": "max_images",
    "whole": "whole_image_fraction",
    "show": "samples_shown",
    "keep": "checkpoints_kept",
    "world": "expected_world_size",
}


@dataclass(frozen=True)
class StageConfig:
    """Everything that one stage needs; model, data and output folder are given beside it.

    Attributes:
        name: of its folder and in the log.
        objective: what is learned: captions (the whole model), dense (ConvNeXt on class maps),
            clicks (SAM on class maps and clicks), contrastive (CLIP), text (the language model).
        trains: part names (model.parts) that are trainable; everything else is frozen.
        lr: peak learning rate.
        batch: questions an optimizer step on region samples, where steps are filled with whole
            images and the number varies around it; scenes (texts, for "text") a step on a pool.
        options: what the objective asks of a pool of scenes (recipes.options); None on region
            samples.
        rates: part name -> factor on lr.
        epochs: passes over region samples.
        steps: optimizer steps; above 0 it takes the place of ``epochs``.
        minutes: of wall-clock time; above 0 the stage ends when they are over, the learning rate
            follows the clock instead of the steps, and ``steps`` is only the most that it takes.
            Such a run resumes, but two of them never take exactly the same steps.
        accumulate: packs a process and step; 0 works it out from ``batch``.
        optimizer: "adamw", or "muon" on the matrices inside the layers and AdamW on the rest.
        schedule: "cosine", "linear", "constant_with_warmup", or "wsd": warm-up, stable, decay.
        warmup: fraction of the steps, or if 1 or more their number.
        decay: of "wsd", the fraction of the steps in which the learning rate falls to zero.
        weight_decay, betas, max_grad_norm: of AdamW.
        whole_image_fraction: of the questions, those on whole images, where the data has both
            kinds; 0 takes the data as it is.
        precision: "auto" is bf16 on a GPU and fp32 on a CPU. In bf16, frozen weights are held in
            bf16 and trainable ones in fp32, under autocast.
        gradient_checkpointing: keep each layer's input only, and run it again going backwards.
        max_tokens: the most tokens of a pack, padding included: what one forward pass takes.
        max_images: the most images of a pack.
        group_by_length: packs of sequences of like length.
        shared: questions on a region share its prefix, regions share their image; False is one
            question a sample, for comparison.
        cache: folder of the large towers' features, written once and then read; "" runs the towers
            every time. Only where neither of them is trainable.
        adapter: "lora" or "qlora" (peft, bitsandbytes) instead of training ``lora_parts`` in full.
        lora_rank, lora_alpha, lora_dropout: of the adapters.
        lora_parts: of clip and llm, those that are trained by an adapter.
        merge: at the end, also write a plain model with the adapters added into the weights.
        sharding: "fsdp2" shards parameters, gradients and optimizer over the processes.
        expected_world_size: how many processes there must be; 0 takes what torchrun started.
        workers: loader processes.
        limit: samples read of each dataset; 0 all.
        log_every, save_every: steps between log entries and checkpoints; 0 goes by ``steps``.
        checkpoints_kept: how many.
        show_every, samples_shown: steps between sample captions, and how many; 0 none.
        report_to: of transformers' reporters: tensorboard, wandb, mlflow, ...
        seed: of order and new weights.
        recipe: that it is from, for provenance.
    """

    name: str
    objective: str
    trains: tuple[str, ...]
    lr: float
    batch: int
    options: Any = None
    rates: dict[str, float] = field(default_factory=dict)
    epochs: float = 1.0
    steps: int = 0
    minutes: float = 0.0
    accumulate: int = 0
    optimizer: str = "adamw"
    schedule: str = "cosine"
    warmup: float = 0.03
    decay: float = 0.2
    weight_decay: float = 0.0
    betas: tuple[float, ...] = (0.9, 0.999)
    max_grad_norm: float = 1.0
    whole_image_fraction: float = 0.0
    precision: str = "auto"
    gradient_checkpointing: bool = False
    max_tokens: int = 8192
    max_images: int = 8
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
    expected_world_size: int = 0
    workers: int = 0
    limit: int = 0
    log_every: int = 0
    save_every: int = 0
    checkpoints_kept: int = 2
    show_every: int = 0
    samples_shown: int = 0
    report_to: tuple[str, ...] = ("tensorboard",)
    seed: int = 0
    recipe: str = ""

    def __post_init__(self) -> None:
        self._among("objective", OBJECTIVES)
        self._among("adapter", ADAPTERS)
        self._among("sharding", SHARDINGS)
        self._among("precision", PRECISIONS)
        self._among("schedule", SCHEDULES)
        self._among("optimizer", OPTIMIZERS)
        unknown = (set(self.trains) | set(self.rates) | set(self.lora_parts)) - set(PARTS)
        if unknown:
            raise InputError(
                f"stage {self.name}: trains, rates, lora_parts: {sorted(unknown)} is no part of "
                f"the model; choose from {', '.join(PARTS)}"
            )
        for key in ("batch", "max_tokens", "max_images", "checkpoints_kept", "lora_rank"):
            self._range(key, 1)
        for key in ("accumulate", "steps", "expected_world_size", "workers", "limit"):
            self._range(key, 0)
        for key in ("log_every", "save_every", "samples_shown", "show_every"):
            self._range(key, 0)
        if not self.steps and self.epochs <= 0:
            self._refuse(f"epochs={self.epochs}: must be above 0, or give steps")
        if self.minutes < 0 or (self.minutes and not self.steps):
            self._refuse("minutes must be at least 0, and need steps, the most that it may take")
        if self.lr <= 0 or self.warmup < 0 or not 0 <= self.whole_image_fraction < 1:
            self._refuse("lr must be above 0, warmup at least 0, whole_image_fraction in [0, 1)")
        if not 0 < self.decay <= 1:
            self._refuse(f"decay={self.decay}: must be above 0 and at most 1")
        if len(self.betas) != 2 or not all(0 <= b < 1 for b in self.betas):
            self._refuse(f"betas={list(self.betas)}: must be two numbers from 0 to below 1")
        self._check_adapter()
        if self.optimizer == "muon" and self.sharding != "none":
            self._refuse("optimizer=muon needs whole matrices: set sharding=none")
        if self.cache and {"convnext", "sam"} & set(self.trains):
            self._refuse("cache: the large towers are trainable in this stage; leave it empty")

    def _refuse(self, text: str) -> None:
        raise InputError(f"stage {self.name}: {text}")

    def _among(self, key: str, allowed: Sequence[Any]) -> None:
        if getattr(self, key) not in allowed:
            self._refuse(f"{key}={getattr(self, key)}: choose {', '.join(map(str, allowed))}")

    def _range(self, key: str, least: int) -> None:
        if getattr(self, key) < least:
            self._refuse(f"{key}={getattr(self, key)}: must be at least {least}")

    def _check_adapter(self) -> None:
        if self.adapter == "none":
            if self.lora_parts:
                self._refuse("lora_parts: is for adapter=lora or adapter=qlora")
            return
        if not self.lora_parts or set(self.lora_parts) - {"clip", "llm"}:
            self._refuse(f"lora_parts={list(self.lora_parts)}: give clip, llm or both")
        if set(self.lora_parts) - set(self.trains):
            self._refuse("lora_parts: must be among trains")
        if self.sharding != "none":
            self._refuse(
                f"adapter={self.adapter} with sharding={self.sharding}: adapters are for a single "
                "GPU or for DDP; set one of the two to none"
            )

    def warmup_steps(self, steps: int) -> int:
        """Steps until the learning rate is at its peak: at least one, unless warmup is 0."""
        if not self.warmup or self.warmup >= 1:
            return int(self.warmup)
        return max(1, round(self.warmup * steps))


@dataclass(frozen=True)
class Recipe:
    """A whole training: stages in order.

    Attributes:
        name: of the recipe.
        stages: in order. Of several part pretrainings of one objective, each goes on from the one
            before.
        preset: model preset (model.presets) that is trained from scratch; "" where each stage
            begins with a model folder.
        scenes: how many training scenes the pool holds, from scratch.
        seed: of scenes, weights and order, from scratch.
    """

    name: str
    stages: tuple[StageConfig, ...]
    preset: str = ""
    scenes: int = 0
    seed: int = 0

    def stage(self, name: str | int) -> StageConfig:
        """A stage by its name, or "stage3" by its number 3.

        Raises:
            InputError: no such stage.
        """
        wanted = f"stage{name}" if isinstance(name, int) else name
        for stage in self.stages:
            if stage.name == wanted:
                return stage
        names = ", ".join(s.name for s in self.stages)
        raise InputError(f"recipe {self.name} has no stage {wanted!r}; it has {names}")


def to_json(what: StageConfig | Recipe) -> str:
    """A stage or recipe as ``--print-config`` prints it; ``--config`` reads a stage's."""
    return json.dumps(dataclasses.asdict(what), indent=1)


def override(stage: StageConfig, changes: Mapping[str, Any]) -> StageConfig:
    """A stage with some fields changed; a field of ``options`` goes by its own name.

    Args:
        changes: field -> value, as YAML gives it: lists for tuples, whole numbers for floats.

    Raises:
        InputError: an unknown field, a value of another type, or one that does not fit.
    """
    own = {f.name for f in dataclasses.fields(stage)}
    inner = {f.name for f in dataclasses.fields(stage.options)} if stage.options else set()
    direct: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    for key, value in changes.items():
        if key in RENAMED and key not in inner:
            warnings.warn(f"{key} is now {RENAMED[key]}", FutureWarning, stacklevel=2)
            key = RENAMED[key]
        if key == "options":
            nested |= dict(value or {})
        else:
            (direct if key in own else nested)[key] = value
    if unknown := sorted(set(nested) - inner):
        names = [f.name for f in dataclasses.fields(stage)] + sorted(inner)
        raise InputError(f"{unknown[0]}: unknown; {stage.name} has {', '.join(names)}")
    if nested:
        direct["options"] = _replace(stage.options, nested)
    return _replace(stage, direct)


_Config = TypeVar("_Config", StageConfig, Recipe, Any)


def _replace(old: _Config, changes: Mapping[str, Any]) -> _Config:
    values = {
        key: value if key == "options" else _cast(getattr(old, key), value, key)
        for key, value in changes.items()
    }
    out: _Config = dataclasses.replace(old, **values)
    return out


def override_recipe(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """A recipe with changes: {"scenes": 100, "stage3.steps": 50}.

    Raises:
        InputError: see `override`; an unknown stage.
    """
    plain = ("preset", "scenes", "seed")
    for key, value in changes.items():
        stage_name, dot, leaf = key.rpartition(".")
        if not dot:
            if leaf not in plain:
                raise InputError(f"{key}: unknown; the recipe has {', '.join(plain)}, stages")
            recipe = _replace(recipe, {leaf: value})
            continue
        changed = override(recipe.stage(stage_name), {leaf: value})
        stages = tuple(changed if s.name == stage_name else s for s in recipe.stages)
        recipe = dataclasses.replace(recipe, stages=stages)
    return recipe


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
            if re.fullmatch(r"[-+\d.eE]+", str(value)) and float(value) == int(float(value)):
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
