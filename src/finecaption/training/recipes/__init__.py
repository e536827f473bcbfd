"""Recipes: functions that return everything a run needs. The command line grows no knobs.

Stage 0 makes from scratch what the paper downloads; stages 1 to 3 are the paper's
(docs/training.md): 1 the adapter, 2 the alpha convolution, 3 everything.
"""

from __future__ import annotations

from collections.abc import Callable

from finecaption.errors import InputError
from finecaption.training.config import Recipe
from finecaption.training.recipes.mini import mini, mini_paper, smoke
from finecaption.training.recipes.paper import fsdp, lora, paper, qlora

RECIPES: dict[str, Callable[[], Recipe]] = {
    "mini": mini,
    "mini-paper": mini_paper,
    "smoke": smoke,
    "paper": paper,
    "lora": lora,
    "qlora": qlora,
    "fsdp": fsdp,
}


def find_recipe(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        InputError: no such recipe.
    """
    if name not in RECIPES:
        raise InputError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]()


__all__ = [
    "RECIPES",
    "find_recipe",
    "fsdp",
    "lora",
    "mini",
    "mini_paper",
    "paper",
    "qlora",
    "smoke",
]
