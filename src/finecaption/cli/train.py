"""`finecaption train`: run a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Train a model.")


@app.command()
def train(
    recipe: Annotated[str, typer.Option(help="Recipe name: mini, smoke.")] = "mini",
    out: Annotated[
        Path, typer.Option(help="Folder of the run; an interrupted run goes on.")
    ] = Path("runs/mini"),
    pool: Annotated[Path | None, typer.Option(help="Folder of drawn scenes to share.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Run this stage only; repeatable.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change the recipe: stage3.steps=50.")
    ] = None,
    print_config: Annotated[bool, typer.Option(help="Print the recipe and stop.")] = False,
) -> None:
    """Train a model from nothing on the drawn world."""
    import dataclasses
    import json
    import sys

    from finecaption.train.recipes import find_recipe, override

    chosen = override(find_recipe(recipe), set_ or [])
    if print_config:
        print(json.dumps(dataclasses.asdict(chosen), indent=1))
        return
    from transformers.utils.logging import disable_progress_bar

    from finecaption.train.run import run_recipe

    disable_progress_bar()  # of each load and save of a model; the stages have a bar of their own

    folder = run_recipe(
        chosen, out, pool=pool, only=only or (), say=lambda text: print(text, file=sys.stderr)
    )
    print(folder)
