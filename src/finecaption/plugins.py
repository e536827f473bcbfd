"""What other packages add to this one, found by their entry points.

The synthetic world (finecaption-synth) and the annotation tools (finecaption-annotate) stand on
this package, which never imports them. They register what they add in these groups:

- finecaption.commands: name of a command -> its typer app;
- finecaption.data_commands: name of a command of `finecaption data` -> its function;
- finecaption.sources: name of a dataset format -> its reader, a `data.sources.base.Source`;
- finecaption.recipes: name of a training recipe -> a function that returns it;
- finecaption.scratch: "train" -> what runs recipes that start from scratch;
- finecaption.truth: "synth" -> data with ground truth in values, see `eval.truth.KnownTruth`.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from finecaption.errors import InputError

_SYNTH, _ANNOTATE = "finecaption-synth", "finecaption-annotate"
_KNOWN: dict[str, dict[str, str]] = {
    "finecaption.commands": {"synth": _SYNTH},
    "finecaption.data_commands": dict.fromkeys(("annotate", "review", "stats", "view"), _ANNOTATE),
    "finecaption.sources": {"synth": _SYNTH},
    "finecaption.recipes": dict.fromkeys(("mini", "mini-paper", "smoke"), _SYNTH),
    "finecaption.scratch": {"train": _SYNTH},
    "finecaption.truth": {"synth": _SYNTH},
}
"""Group -> name -> the package that brings it, for who asks for it without having installed it."""


@lru_cache
def _group(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def names(group: str) -> tuple[str, ...]:
    """The names that installed packages have registered in a group, sorted."""
    return tuple(sorted(_group(group)))


def offers(group: str, name: str) -> bool:
    """Whether a package registers this name: one that is installed, or one that could be."""
    return name in _group(group) or name in _KNOWN[group]


@lru_cache
def load(group: str, name: str) -> Any:
    """What a package has registered under this name.

    Raises:
        InputError: no installed package has; the message names the one that would.
    """
    found = _group(group).get(name)
    if found is None:
        package = _KNOWN[group].get(name)
        remedy = f"needs the package {package}; pip install {package}" if package else "is unknown"
        raise InputError(f"{name}: {remedy}")
    return found.load()
