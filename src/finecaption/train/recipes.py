"""Recipes: functions that return everything a run needs. The command line grows no knobs.

Stage 0 makes from nothing what the paper downloads; stages 1 to 3 are the paper's (section on
training; docs/training.md): 1 the adapter, 2 the alpha convolution, 3 everything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from finecaption.errors import InputError
from finecaption.train.asking import Asking

PARTS = ("clip", "alpha", "convnext", "sam", "adapter", "llm")
CONSTANT = "constant_with_warmup"
KINDS = ("dense", "clicks", "contrast", "text", "captions")


@dataclass(frozen=True)
class Stage:
    """One run of Trainer.

    Attributes:
        name: of its folder.
        kind: dense (ConvNeXt on class maps), clicks (SAM on class maps and clicks), contrast
            (CLIP), text (the language model), captions (the whole model).
        trains: part names (model.parts) that move; everything else is frozen.
        steps, batch: optimiser steps, and pictures (texts, for "text") a step.
        lr: peak learning rate; cosine to zero after a warm-up of 3 % (the paper's, by EAGLE).
        rates: part name -> factor on lr.
        asking: of a caption stage, what it asks.
        labels: of a caption stage, weight of the region labels beside the captions (train.joint);
            0 is the paper.
        dense: likewise of the patch labels.
        regions: of a contrast stage, whether regions are contrasted too (Alpha-CLIP).
        decoder_only: of a clicks stage, start from the finished model and fit the decoder alone.
        workers: loader processes.
        schedule: of the learning rate, a name of transformers': "cosine", "constant_with_warmup"
            for a run that may go on, "linear" for the decay after it.
        warmup: fraction of the steps, or if 1 or more their number.
        crop: of a dense stage, side of the crops as a fraction of the image's; 0 takes whole
            images of the fixed pool.
        window: of a dense stage with crops, scenes that are in use at once.
        uses: crops per scene before it is replaced by a new one.
    """

    name: str
    kind: str
    trains: tuple[str, ...]
    steps: int
    batch: int
    lr: float
    rates: dict[str, float] = field(default_factory=dict)
    asking: Asking = Asking()
    labels: float = 0.0
    dense: float = 0.0
    regions: bool = True
    decoder_only: bool = False
    workers: int = 0
    schedule: str = "cosine"
    warmup: float = 0.03
    crop: float = 0.0
    window: int = 0
    uses: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"stage {self.name}: kind {self.kind!r}; choose {', '.join(KINDS)}")
        unknown = set(self.trains) | set(self.rates)
        if unknown - set(PARTS):
            raise InputError(f"stage {self.name}: no such part as {sorted(unknown - set(PARTS))}")
        if not (self.asking.regions or self.asking.whole or self.labels and self.asking.labelled):
            raise InputError(f"stage {self.name}: asks nothing")
        for key in ("steps", "batch"):
            if getattr(self, key) < 1:
                raise InputError(f"stage {self.name}: {key} must be at least 1")


@dataclass(frozen=True)
class Recipe:
    """A whole training.

    Attributes:
        name: of the recipe.
        preset: model preset (model.presets).
        scenes: how many training scenes the pool holds.
        seed: of scenes, weights and order.
        stages: in order. Of several stage-0 runs of one kind, each goes on from the one before.
    """

    name: str
    preset: str
    scenes: int
    seed: int
    stages: tuple[Stage, ...]

    def stage(self, name: str) -> Stage:
        """A stage by name.

        Raises:
            InputError: no such stage.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        names = ", ".join(s.name for s in self.stages)
        raise InputError(f"recipe {self.name} has no stage {name!r}; it has {names}")


def mini() -> Recipe:
    """The shipped model. Its first stage may go on for as long as there is time."""
    crops: dict[str, Any] = {"crop": 0.5, "window": 1000, "uses": 16.0}
    return Recipe(
        name="mini",
        preset="mini",
        scenes=10000,
        seed=0,
        stages=(
            Stage(
                "stage0-convnext", "dense", ("convnext",), steps=100_000, batch=32, lr=2e-3,
                schedule=CONSTANT, warmup=200, **crops,
            ),
            # The same at a falling rate, from wherever the constant one stands, on whole images,
            # which are what captions see.
            Stage(
                "stage0-convnext-decay", "dense", ("convnext",), steps=2500, batch=16, lr=2e-3,
                schedule="linear", warmup=0.0, **{**crops, "crop": 1.0},
            ),
            Stage("stage0-sam", "clicks", ("sam",), steps=1500, batch=8, lr=1.5e-3),
            Stage("stage0-sam-2", "clicks", ("sam",), steps=500, batch=16, lr=1.5e-3),
            Stage("stage0-clip", "contrast", ("clip", "alpha"), steps=150, batch=16, lr=1e-3),
            Stage("stage0-llm", "text", ("llm",), steps=400, batch=16, lr=2e-3),
            Stage(
                "stage1", "captions", ("adapter",), steps=100, batch=16, lr=2e-3,
                asking=Asking(whole=1.0),
            ),
            # 10 % whole-image masks, as Alpha-CLIP's training mixes them in.
            Stage(
                "stage2", "captions", ("alpha",), steps=80, batch=6, lr=3e-3,
                asking=Asking(whole=0.4),
            ),
            # The first part of stage 3: which region is meant, on its classes alone.
            Stage(
                "stage3-regions", "captions", ("clip", "alpha", "adapter"),
                steps=450, batch=16, lr=1.5e-3, labels=1.0,
                asking=Asking(regions=0, whole=0.0, labelled=6),
            ),
            Stage(
                "stage3", "captions", PARTS, steps=880, batch=8, lr=1.2e-3, labels=0.5, dense=0.5,
                asking=Asking(regions=4, questions=10, labelled=2),
            ),
            Stage(
                "stage3-clicks", "clicks", (), steps=160, batch=16, lr=1e-3, decoder_only=True
            ),
        ),
    )  # fmt: skip


def mini_paper() -> Recipe:
    """mini with captions alone in stages 1 to 3, as the paper has them."""
    full = mini()
    stages = tuple(
        dataclasses.replace(s, labels=0.0, dense=0.0)
        for s in full.stages
        if s.name != "stage3-regions"
    )
    return dataclasses.replace(full, name="mini-paper", stages=stages)


def smoke() -> Recipe:
    """Every stage of mini for two steps, at the size of the tests."""
    full = mini()
    short = tuple(
        dataclasses.replace(
            s,
            steps=2,
            batch=2,
            workers=0,
            window=min(4, s.window),
            asking=dataclasses.replace(s.asking, regions=min(2, s.asking.regions), questions=3),
        )
        for s in full.stages
    )
    return dataclasses.replace(full, name="smoke", preset="tiny", scenes=4, stages=short)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "mini": mini,
    "mini-paper": mini_paper,
    "smoke": smoke,
}


def find_recipe(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        InputError: no such recipe.
    """
    if name not in RECIPES:
        raise InputError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]()


_IN_WORDS = {bool: "true or false", int: "a whole number", float: "a number"}


def _cast(old: Any, text: str, key: str) -> Any:
    kind = type(old)
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if kind in (int, float, str):
            return kind(text)
    except (KeyError, ValueError):
        raise InputError(f"{key}={text}: expected {_IN_WORDS[kind]}, such as {old}") from None
    raise InputError(f"{key} is not a plain value; change the recipe in train/recipes.py")


def override(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """A recipe with ``key=value`` changes: "scenes=100", "stage3.steps=50".

    Raises:
        InputError: a malformed setting, an unknown key or a value of another type.
    """
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"{setting!r} is not key=value")
        stage_name, dot, leaf = key.rpartition(".")
        target: Any = recipe.stage(stage_name) if dot else recipe
        names = [f.name for f in dataclasses.fields(target)]
        if leaf not in names:
            raise InputError(f"{key}: unknown; {stage_name or 'the recipe'} has {', '.join(names)}")
        changed = dataclasses.replace(target, **{leaf: _cast(getattr(target, leaf), text, key)})
        if dot:
            stages = tuple(changed if s.name == stage_name else s for s in recipe.stages)
            recipe = dataclasses.replace(recipe, stages=stages)
        else:
            recipe = changed
    return recipe
