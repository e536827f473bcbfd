"""`finecaption train`: run a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Train a model.")


@app.command()
def train(
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Change the recipe, as --set does."),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            help="mini, mini-paper, smoke: from scratch. paper, lora, qlora, fsdp: a whole model."
        ),
    ] = "mini",
    out: Annotated[
        Path | None,
        typer.Option(help="Output folder (default in runs/); an interrupted run goes on there."),
    ] = None,
    stage: Annotated[int, typer.Option(help="Stage of the paper: 1, 2 or 3.")] = 3,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Model to begin with: a folder or a shipped name. For --plan also a preset: 8b."
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="FORMAT:PATH[,OPTION=VALUE], a .jsonl file or a store; repeatable."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with changes.")] = None,
    pool: Annotated[Path | None, typer.Option(help="Folder of rendered scenes to share.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Run this stage only; repeatable.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change the recipe: stage3.steps=50, lr=1e-4.")
    ] = None,
    print_config: Annotated[bool, typer.Option(help="Print the recipe and stop.")] = False,
    plan: Annotated[
        bool, typer.Option(help="Print the memory that the run will take and stop.")
    ] = False,
) -> None:
    """Train a model: from scratch on synthetic scenes, or a whole model on your own regions."""
    from finecaption.errors import InputError
    from finecaption.training.config import override, override_recipe, read_settings, read_yaml
    from finecaption.training.recipes import RECIPES, find_recipe

    changes = read_settings([*(set_ or []), *(settings or [])])
    chosen = find_recipe(recipe)
    if chosen.preset:
        if model or data or config or plan:
            whole = ", ".join(name for name, make in RECIPES.items() if not make().preset)
            raise InputError(
                f"--model, --data, --config and --plan are of {whole}, not of {recipe}"
            )
        _from_scratch(override_recipe(chosen, changes), out, pool, only or [], print_config)
        return
    if pool or only:
        raise InputError(f"--pool and --only are of mini and smoke, not of {recipe}")
    picked = chosen.stage(stage)
    if config is not None:
        picked = override(picked, read_yaml(config))
    picked = override(picked, changes)
    folder = out or Path("runs") / f"{recipe}-stage{stage}"
    _one_stage(picked, model, data or [], folder, print_config, plan)


def _from_scratch(
    recipe: object, out: Path | None, pool: Path | None, only: list[str], print_config: bool
) -> None:
    from finecaption.training.config import Recipe, to_json

    assert isinstance(recipe, Recipe)
    if print_config:
        print(to_json(recipe))
        return
    from transformers.utils.logging import disable_progress_bar

    from finecaption.training.scratch import train_from_scratch

    disable_progress_bar()  # of each load and save of a model; the stages have a bar of their own
    folder = out or Path("runs") / recipe.name
    print(train_from_scratch(recipe, folder, pool=pool, only=only, say=_say))


def _one_stage(
    stage: object, model: Path | None, data: list[str], out: Path, print_config: bool, plan: bool
) -> None:
    from finecaption.errors import InputError
    from finecaption.training.config import StageConfig, to_json

    assert isinstance(stage, StageConfig)
    if print_config:
        print(to_json(stage))
        return
    if model is None:
        raise InputError(f"--model: give the folder of the model that {stage.name} begins with")
    if plan:
        from finecaption.training.memory_plan import plan_table

        print(plan_table(stage, model))
        return
    if not data:
        raise InputError("--data: none given; give FORMAT:PATH, such as jsonl:my/regions.jsonl")
    from transformers.utils.logging import disable_progress_bar

    from finecaption.training.finetune import finetune

    disable_progress_bar()
    folder = finetune(stage, model, data, out, say=_say)
    if _is_main_process():
        print(folder)


def _is_main_process() -> bool:
    import os

    return os.environ.get("RANK", "0") == "0"  # as train.processes, without torch


def _say(text: str) -> None:
    import sys

    if _is_main_process():
        print(text, file=sys.stderr)
