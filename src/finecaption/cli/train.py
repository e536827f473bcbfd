"""`finecaption train`: run a recipe, or one stage of it on your own regions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finecaption import plugins
from finecaption.cli.completion import datasets, folders, models, recipes
from finecaption.cli.console import Quiet, Verbose, is_verbose, note

app = typer.Typer(add_completion=False, help="Train a model.")


@app.command()
def train(
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...", help="Change fields of the recipe, as --set does."
        ),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="mini, mini-paper and smoke train from scratch; paper, lora, qlora and fsdp train "
            "one stage on a whole model.",
            autocompletion=recipes,
        ),
    ] = "mini",
    out: Annotated[
        Path | None,
        typer.Option(help="Output folder (default: in runs/); an interrupted run resumes there."),
    ] = None,
    stage: Annotated[int, typer.Option(help="The paper's stage to run: 1, 2 or 3.")] = 3,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="The model to start from: a shipped name or a folder. With --plan also a preset, "
            "such as 8b.",
            autocompletion=models,
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMAT:PATH",
            help="Training data: FORMAT:PATH[,OPTION=VALUE], a .jsonl file or a store. Repeat it "
            "for more.",
            autocompletion=datasets,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Change fields of the stage by this YAML file.")
    ] = None,
    pool: Annotated[
        Path | None,
        typer.Option(
            help="Folder of rendered scenes that several runs share.", autocompletion=folders
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Run this stage only. Repeat it for more.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a field of the recipe, such as stage3.steps=50. Repeat it for more.",
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the settings as JSON and stop.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the memory that the run will take and stop.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train a model: from scratch on synthetic scenes, or a whole model on your own regions."""
    from finecaption.errors import InputError
    from finecaption.training.config import override, override_recipe, read_settings, read_yaml
    from finecaption.training.recipes import RECIPES, find_recipe

    changes = read_settings([*(set_ or []), *(settings or [])])
    chosen = find_recipe(recipe)
    if chosen.preset:
        if model or data or config or plan:
            whole = ", ".join(name for name in RECIPES if not find_recipe(name).preset)
            raise InputError(
                f"--model, --data, --config and --plan belong to {whole}, not to {recipe}"
            )
        _from_scratch(override_recipe(chosen, changes), out, pool, only or [], print_config)
        return
    if pool or only:
        raise InputError(f"--pool and --only belong to mini and smoke, not to {recipe}")
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
    _silence_transformers()
    folder = out or Path("runs") / recipe.name
    train_from_scratch = plugins.load("finecaption.scratch", "train")
    print(train_from_scratch(recipe, folder, pool=pool, only=only, say=_say))


def _one_stage(
    stage: object, model: Path | None, data: list[str], out: Path, print_config: bool, plan: bool
) -> None:
    from finecaption.errors import InputError
    from finecaption.io.checkpoint import resolve_model
    from finecaption.training.config import StageConfig, to_json

    assert isinstance(stage, StageConfig)
    if print_config:
        print(to_json(stage))
        return
    if model is None:
        raise InputError(
            f"--model: give the name or folder of the model that {stage.name} starts from"
        )
    if plan:
        from finecaption.training.memory_plan import plan_table

        print(plan_table(stage, model))
        return
    if not data:
        raise InputError("--data: is missing; give FORMAT:PATH, such as jsonl:mine/regions.jsonl")
    resolve_model(model)  # a wrong name is an error before the seconds that torch takes
    from finecaption.training.finetune import finetune

    _silence_transformers()
    folder = finetune(stage, model, data, out, say=_say)
    if _is_main_process():
        print(folder)


def _silence_transformers() -> None:
    """Silences hints, and a bar for each load and save: the stages have bars of their own."""
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    if not is_verbose():
        disable_progress_bar()
        set_verbosity_error()


def _is_main_process() -> bool:
    import os

    return os.environ.get("RANK", "0") == "0"  # as training.processes, without torch


def _say(text: str) -> None:
    if _is_main_process():
        note(text)
