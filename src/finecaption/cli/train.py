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
            help="mini, mini-paper, smoke: from nothing. paper, lora, qlora, fsdp: a whole model."
        ),
    ] = "mini",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run (default in runs/); an interrupted run goes on."),
    ] = None,
    stage: Annotated[int, typer.Option(help="1, 2 or 3: of paper and its kin.")] = 3,
    model: Annotated[
        Path | None,
        typer.Option(help="Model folder that the stage begins with; for --plan also a preset: 8b."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="FORMAT:PATH[,OPTION=VALUE], a .jsonl file or a store; repeatable."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with changes.")] = None,
    pool: Annotated[Path | None, typer.Option(help="Folder of drawn scenes to share.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Run this stage only; repeatable.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change the recipe: stage3.steps=50, lr=1e-4.")
    ] = None,
    print_config: Annotated[bool, typer.Option(help="Print the recipe and stop.")] = False,
    plan: Annotated[
        bool, typer.Option(help="Print the memory that the run will take and stop.")
    ] = False,
) -> None:
    """Train a model: from nothing on the drawn world, or a whole one on your own regions."""
    from finecaption.errors import InputError
    from finecaption.train.paper import CONFIGS

    changes = [*(set_ or []), *(settings or [])]
    if recipe in CONFIGS:
        folder = out or Path("runs") / f"{recipe}-stage{stage}"
        if pool or only:
            raise InputError(f"--pool and --only are of mini and smoke, not of {recipe}")
        _finetune(recipe, stage, model, data or [], config, changes, folder, print_config, plan)
        return
    if model or data or config or plan:
        names = ", ".join(CONFIGS)
        raise InputError(f"--model, --data, --config and --plan are of {names}, not of {recipe}")
    _from_nothing(recipe, changes, out or Path("runs") / recipe, pool, only or [], print_config)


def _from_nothing(
    recipe: str, changes: list[str], out: Path, pool: Path | None, only: list[str],
    print_config: bool,
) -> None:  # fmt: skip
    import dataclasses
    import json
    import sys

    from finecaption.train.recipes import find_recipe, override

    chosen = override(find_recipe(recipe), changes)
    if print_config:
        print(json.dumps(dataclasses.asdict(chosen), indent=1))
        return
    from transformers.utils.logging import disable_progress_bar

    from finecaption.train.run import run_recipe

    disable_progress_bar()  # of each load and save of a model; the stages have a bar of their own

    folder = run_recipe(
        chosen, out, pool=pool, only=only, say=lambda text: print(text, file=sys.stderr)
    )
    print(folder)


def _finetune(
    recipe: str, stage: int, model: Path | None, data: list[str], file: Path | None,
    changes: list[str], out: Path, print_config: bool, plan: bool,
) -> None:  # fmt: skip
    import os
    import sys

    from finecaption.errors import InputError
    from finecaption.train.paper import CONFIGS, override, read_settings, read_yaml, to_json

    chosen = CONFIGS[recipe](stage)
    if file is not None:
        chosen = override(chosen, read_yaml(file))
    chosen = override(chosen, read_settings(changes))
    if print_config:
        print(to_json(chosen))
        return
    if model is None:
        raise InputError(f"--model: give the folder of the model that stage {stage} begins with")
    if plan:
        from finecaption.train.plan import plan_table

        print(plan_table(chosen, model))
        return
    if not data:
        raise InputError("--data: none given; give FORMAT:PATH, such as jsonl:my/regions.jsonl")
    from transformers.utils.logging import disable_progress_bar

    from finecaption.train.finetune import finetune

    disable_progress_bar()
    first = os.environ.get("RANK", "0") == "0"

    def say(text: str) -> None:
        if first:
            print(text, file=sys.stderr)

    folder = finetune(chosen, model, data, out, say=say)
    if first:
        print(folder)
