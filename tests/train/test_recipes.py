from __future__ import annotations

import dataclasses

import pytest

from finecaption.errors import InputError
from finecaption.model.parts import PART_NAMES
from finecaption.model.presets import PRESETS
from finecaption.train.recipes import (
    PARTS,
    RECIPES,
    Recipe,
    Stage,
    find_recipe,
    mini,
    mini_paper,
    override,
    smoke,
)


def test_parts_are_those_of_the_model() -> None:
    assert PARTS == PART_NAMES


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_found_by_name(name: str) -> None:
    recipe = find_recipe(name)
    assert recipe.name == name and recipe.preset in PRESETS
    assert len({s.name for s in recipe.stages}) == len(recipe.stages)


def test_an_unknown_recipe_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match="no recipe 'maxi'; there are mini, mini-paper, smoke"):
        find_recipe("maxi")


def test_mini_has_the_stages_of_the_paper() -> None:
    stages = {s.name: s.trains for s in mini().stages if s.kind == "captions"}
    labels = stages.pop("stage3-regions")
    assert stages == {"stage1": ("adapter",), "stage2": ("alpha",), "stage3": PARTS}
    assert "llm" not in labels and mini().stage("stage3-regions").labels
    before = {p for s in mini().stages if s.kind != "captions" for p in s.trains}
    assert before == set(PARTS) - {"adapter"}  # which is new in stage 1


def test_mini_paper_has_captions_alone() -> None:
    whole = [s for s in mini_paper().stages if s.kind == "captions"]
    assert [s.name for s in whole] == ["stage1", "stage2", "stage3"]
    assert not any(s.labels or s.dense for s in whole)
    assert whole[-1].asking == mini().stage("stage3").asking


def test_smoke_is_mini_but_short() -> None:
    def same(stage: Stage) -> dict[str, object]:
        plain = dataclasses.asdict(stage)
        for key in ("steps", "batch", "asking", "workers", "window"):
            del plain[key]
        return plain

    assert [same(s) for s in smoke().stages] == [same(s) for s in mini().stages]
    assert all(s.steps == s.batch == 2 for s in smoke().stages)


def test_settings_change_the_recipe_and_nothing_else() -> None:
    changed = override(
        mini(), ["scenes=12", "stage3.steps=50", "stage3.lr=2e-4", "stage0-clip.regions=false"]
    )
    assert changed.scenes == 12
    assert (changed.stage("stage3").steps, changed.stage("stage3").lr) == (50, 2e-4)
    assert changed.stage("stage0-clip").regions is False
    assert changed.stage("stage2") == mini().stage("stage2")
    assert override(mini(), []) == mini()


@pytest.mark.parametrize(
    "setting, message",
    [
        ("scenes", "'scenes' is not key=value"),
        ("scene=3", "scene: unknown; the recipe has name, preset, scenes, seed, stages"),
        ("stage3.step=3", "stage3.step: unknown; stage3 has name, kind"),
        ("stage9.steps=3", "recipe mini has no stage 'stage9'; it has stage0-convnext"),
        ("scenes=many", "scenes=many: expected a whole number, such as "),
        ("stage0-clip.regions=maybe", "expected true or false, such as True"),
        ("stage3.rates=2", "stage3.rates is not a plain value"),
        ("stage3.steps=0", "stage stage3: steps must be at least 1"),
        ("stage3.kind=songs", "stage stage3: kind 'songs'; choose dense"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        override(mini(), [setting])
    assert message in str(caught.value)


def test_a_stage_trains_parts_that_there_are() -> None:
    with pytest.raises(InputError, match=r"no such part as \['brain'\]"):
        Stage("s", "dense", ("brain",), steps=1, batch=1, lr=1.0)
    with pytest.raises(InputError, match=r"no such part as \['hand'\]"):
        Stage("s", "dense", ("sam",), steps=1, batch=1, lr=1.0, rates={"hand": 2.0})


def test_stages_are_found_by_name() -> None:
    recipe = Recipe("r", "tiny", 1, 0, (Stage("a", "text", ("llm",), 1, 1, 1.0),))
    assert recipe.stage("a") is recipe.stages[0]
    with pytest.raises(InputError, match="recipe r has no stage 'b'; it has a"):
        recipe.stage("b")
