from __future__ import annotations

import dataclasses

import pytest

from finecaption.errors import InputError
from finecaption.model.parts import PART_NAMES
from finecaption.model.presets import PRESETS
from finecaption.training.config import PARTS, Recipe, StageConfig, override_recipe, read_settings
from finecaption.training.recipes import (
    RECIPES,
    find_recipe,
    fsdp,
    lora,
    paper,
    qlora,
)
from finecaption_synth.training.options import SceneCaptions
from finecaption_synth.training.recipes import mini, mini_paper, smoke


def test_parts_are_those_of_the_model() -> None:
    assert PARTS == PART_NAMES


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_found_by_name(name: str) -> None:
    recipe = find_recipe(name)
    assert recipe.name == name and recipe.preset in {*PRESETS, ""}
    assert len({s.name for s in recipe.stages}) == len(recipe.stages)
    assert {s.recipe for s in recipe.stages} == {name}


def test_an_unknown_recipe_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match="no recipe 'maxi'; there are mini, mini-paper, smoke"):
        find_recipe("maxi")


def test_mini_has_the_stages_of_the_paper() -> None:
    stages = {s.name: s.trains for s in mini().stages if s.objective == "captions"}
    labels = stages.pop("stage3-regions")
    assert stages == {s.name: s.trains for s in paper().stages}
    assert "llm" not in labels and mini().stage("stage3-regions").options.region_labels
    before = {p for s in mini().stages if s.objective != "captions" for p in s.trains}
    assert before == set(PARTS) - {"adapter"}  # which is new in stage 1


def test_mini_paper_has_captions_alone() -> None:
    whole = [s for s in mini_paper().stages if s.objective == "captions"]
    assert [s.name for s in whole] == ["stage1", "stage2", "stage3"]
    assert not any(s.options.region_labels or s.options.patch_labels for s in whole)
    kept = {"region_labels": 0.0, "patch_labels": 0.0}
    assert whole[-1].options == dataclasses.replace(mini().stage("stage3").options, **kept)


def test_smoke_is_mini_but_short() -> None:
    def same(stage: StageConfig) -> dict[str, object]:
        plain = dataclasses.asdict(stage)
        for key in ("steps", "batch", "recipe"):
            del plain[key]
        for key in ("regions", "questions", "window"):
            (plain["options"] or {}).pop(key, None)
        return plain

    assert [same(s) for s in smoke().stages] == [same(s) for s in mini().stages]
    assert all(s.steps == s.batch == 2 for s in smoke().stages)


@pytest.mark.parametrize(
    "stage, trains, lr, batch",
    [(1, ("adapter",), 1e-3, 256), (2, ("alpha",), 1e-4, 256), (3, PARTS, 2e-5, 128)],
)
def test_the_papers_stages(stage: int, trains: tuple[str, ...], lr: float, batch: int) -> None:
    """The table of the specification."""
    config = paper().stage(stage)
    assert (config.trains, config.lr, config.batch) == (trains, lr, batch)
    assert (config.schedule, config.warmup, config.weight_decay) == ("cosine", 0.03, 0.0)
    assert config.gradient_checkpointing and config.group_by_length and config.shared
    assert config.whole_image_fraction == (0.1 if stage == 2 else 0.0)
    assert fsdp().stage(stage).sharding == "fsdp2" and fsdp().stage(stage).lr == lr


def test_adapters_leave_the_large_towers_alone() -> None:
    for config in (lora().stage(3), qlora().stage(3)):
        assert not {"convnext", "sam"} & set(config.trains)
        assert set(config.lora_parts) < set(config.trains)
    with pytest.raises(InputError, match="recipe lora has no stage 'stage1'; it has stage3"):
        lora().stage(1)
    with pytest.raises(InputError, match="recipe paper has no stage 'stage4'"):
        paper().stage(4)


def test_settings_change_the_recipe_and_nothing_else() -> None:
    told = ["scenes=12", "stage3.steps=50", "stage3.lr=2e-4", "stage0-clip.regions=false"]
    changed = override_recipe(mini(), read_settings(told))
    assert changed.scenes == 12
    assert (changed.stage("stage3").steps, changed.stage("stage3").lr) == (50, 2e-4)
    assert changed.stage("stage0-clip").options.regions is False
    assert changed.stage("stage2") == mini().stage("stage2")
    assert override_recipe(mini(), {}) == mini()


@pytest.mark.parametrize(
    "setting, message",
    [
        ("scenes", "'scenes' is not key=value"),
        ("scene=3", "scene: unknown; the recipe has preset, scenes, seed, stages"),
        ("stage3.step=3", "step: unknown; stage3 has name, objective"),
        ("stage9.steps=3", "recipe mini has no stage 'stage9'; it has stage0-convnext"),
        ("scenes=many", "scenes=many: expected a value like 10000"),
        ("stage0-clip.regions=maybe", "regions=maybe: expected a value like true"),
        ("stage3.rates=2", "rates=2: expected a value like {}"),
        ("stage3.batch=0", "stage stage3: batch=0: must be at least 1"),
        ("stage3.objective=songs", "stage stage3: objective=songs: choose captions"),
        ("stage1.whole=0", "regions=0, whole=0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: str, message: str) -> None:
    recipe = mini()
    if setting == "stage1.whole=0":
        recipe = override_recipe(recipe, {"stage1.regions": 0})
    with pytest.raises(InputError) as caught:
        override_recipe(recipe, read_settings([setting]))
    assert message in str(caught.value)


def test_a_stage_that_asks_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="the stage asks nothing"):
        SceneCaptions(regions=0, whole=0.0, labeled=2)


def test_stages_are_found_by_name() -> None:
    recipe = Recipe("r", (StageConfig("a", "text", ("llm",), 1.0, 1, steps=1),))
    assert recipe.stage("a") is recipe.stages[0]
    with pytest.raises(InputError, match="recipe r has no stage 'b'; it has a"):
        recipe.stage("b")
