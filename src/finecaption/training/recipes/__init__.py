"""Recipes: functions that return everything a run needs. The command line grows no knobs.

Those here run one of the paper's stages on a whole model: 1 the adapter, 2 the alpha convolution,
3 everything. Recipes that start from scratch are registered by other packages, in the entry-point
group `finecaption.recipes`; finecaption-synth brings mini, mini-paper and smoke.
"""

from __future__ import annotations

from collections.abc import Callable

from finecaption import plugins
from finecaption.errors import InputError
from finecaption.training.config import Recipe
from finecaption.training.recipes.paper import fsdp, lora, paper, qlora

_GROUP = "finecaption.recipes"
_OWN: dict[str, Callable[[], Recipe]] = {"paper": paper, "lora": lora, "qlora": qlora, "fsdp": fsdp}
RECIPES: tuple[str, ...] = (*plugins.names(_GROUP), *_OWN)
"""All that are installed."""


def find_recipe(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        InputError: no such recipe, or the package that brings it is not installed.
    """
    if name in _OWN:
        return _OWN[name]()
    if not plugins.offers(_GROUP, name):
        raise InputError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    recipe: Recipe = plugins.load(_GROUP, name)()
    return recipe


__all__ = ["RECIPES", "find_recipe", "fsdp", "lora", "paper", "qlora"]
