"""The shipped model from scratch: the paper's four kinds of pretraining, then its three stages."""

from __future__ import annotations

import dataclasses
from typing import Any

from finecaption.training.config import CONSTANT, PARTS, Recipe, StageConfig
from finecaption_synth.training.options import (
    SceneCaptions,
    SceneClicks,
    SceneContrast,
    SceneCrops,
)


def _stage(
    name: str,
    objective: str,
    trains: tuple[str, ...],
    steps: int,
    batch: int,
    lr: float,
    options: Any = None,
    **fields: Any,
) -> StageConfig:
    return StageConfig(
        name,
        objective,
        trains,
        lr,
        batch,
        options,
        steps=steps,
        betas=(0.9, 0.98),
        recipe="mini",
        **fields,
    )


def mini() -> Recipe:
    """The shipped model. Its first stage may go on for as long as there is time."""
    click, contrast = SceneClicks(), SceneContrast()
    crops = SceneCrops(crop=0.5, window=1000, uses=16.0)
    whole = dataclasses.replace(crops, crop=1.0)
    stages = (
        _stage(
            "stage0-convnext",
            "dense",
            ("convnext",),
            100_000,
            32,
            2e-3,
            crops,
            schedule=CONSTANT,
            warmup=200,
        ),
        # The same at a falling rate, from wherever the constant one stands, on whole images, which
        # are what captions see.
        _stage(
            "stage0-convnext-decay",
            "dense",
            ("convnext",),
            2500,
            16,
            2e-3,
            whole,
            schedule="linear",
            warmup=0.0,
        ),
        _stage("stage0-sam", "clicks", ("sam",), 1500, 8, 1.5e-3, click),
        _stage("stage0-sam-2", "clicks", ("sam",), 500, 16, 1.5e-3, click),
        _stage("stage0-clip", "contrastive", ("clip", "alpha"), 150, 16, 1e-3, contrast),
        _stage("stage0-llm", "text", ("llm",), 400, 16, 2e-3),
        _stage("stage1", "captions", ("adapter",), 100, 16, 2e-3, SceneCaptions(whole=1.0)),
        # 10 % whole-image masks, as Alpha-CLIP's training mixes them in.
        _stage("stage2", "captions", ("alpha",), 80, 6, 3e-3, SceneCaptions(whole=0.4)),
        # The first part of stage 3: which region is referred to, on its classes alone.
        _stage(
            "stage3-regions",
            "captions",
            ("clip", "alpha", "adapter"),
            450,
            16,
            1.5e-3,
            SceneCaptions(regions=0, whole=0.0, labeled=6, region_labels=1.0, balanced=0.5),
        ),
        _stage(
            "stage3",
            "captions",
            PARTS,
            880,
            8,
            1.2e-3,
            SceneCaptions(labeled=2, region_labels=0.5, patch_labels=0.5, balanced=0.5),
        ),
        _stage("stage3-clicks", "clicks", (), 160, 16, 1e-3, SceneClicks(decoder_only=True)),
    )
    return Recipe("mini", stages, preset="mini", scenes=10000)


def _named(recipe: Recipe, name: str) -> Recipe:
    stages = tuple(dataclasses.replace(s, recipe=name) for s in recipe.stages)
    return dataclasses.replace(recipe, name=name, stages=stages)


def mini_paper() -> Recipe:
    """mini with captions alone in stages 1 to 3, as the paper has them."""
    stages = []
    for stage in mini().stages:
        options = stage.options
        if isinstance(options, SceneCaptions) and stage.name != "stage3-regions":
            options = dataclasses.replace(options, region_labels=0.0, patch_labels=0.0)
        stages.append(dataclasses.replace(stage, options=options))
    kept = tuple(s for s in stages if s.name != "stage3-regions")
    return _named(dataclasses.replace(mini(), stages=kept), "mini-paper")


def smoke() -> Recipe:
    """Every stage of mini for two steps, at the size of the tests."""
    stages = []
    for stage in mini().stages:
        options = stage.options
        if isinstance(options, SceneCaptions):
            options = dataclasses.replace(options, regions=min(2, options.regions), questions=3)
        if isinstance(options, SceneCrops):
            options = dataclasses.replace(options, window=min(4, options.window))
        stages.append(dataclasses.replace(stage, steps=2, batch=2, options=options))
    short = dataclasses.replace(mini(), stages=tuple(stages), preset="tiny", scenes=4)
    return _named(short, "smoke")
