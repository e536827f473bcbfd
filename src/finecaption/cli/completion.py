"""Values that the shell completes for options, from the same lists that the commands check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

Complete = Callable[[str], list[str]]


def _starting(values: Iterable[str], incomplete: str) -> list[str]:
    return [value for value in values if value.startswith(incomplete)]


def one_of(*values: str) -> Complete:
    """Completes a value of a fixed list."""

    def complete(incomplete: str) -> list[str]:
        return _starting(values, incomplete)

    return complete


def list_of(*values: str) -> Complete:
    """Completes the last value of a list with commas."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        taken = before.split(",")
        left = [value for value in values if value not in taken]
        return [before + comma + value for value in _starting(left, last)]

    return complete


def attributes(incomplete: str) -> list[str]:
    """Slugs of the 18 attributes, which need no quotes; full names where one has been begun."""
    from finecaption.attributes import ATTRIBUTES

    names = _starting((one.name for one in ATTRIBUTES), incomplete) if incomplete else []
    return _starting((one.slug for one in ATTRIBUTES), incomplete) or names


def models(incomplete: str) -> list[str]:
    """Shipped models, checkpoints known by a short name, and folders that hold a model."""
    from finecaption.captioners.table2 import CHECKPOINTS, OPENAI_MODELS
    from finecaption.io.checkpoint import SHIPPED

    shipped = sorted(found.parent.name for found in SHIPPED.glob("*/config.json"))
    return [*_starting([*shipped, *CHECKPOINTS, *OPENAI_MODELS], incomplete), *folders(incomplete)]


def folders(incomplete: str) -> list[str]:
    """Folders, with a slash, so that the next level can be completed."""
    return [f"{path}/" for path in sorted(Path().glob(f"{incomplete}*")) if path.is_dir()]


def recipes(incomplete: str) -> list[str]:
    """Training recipes."""
    from finecaption.training.recipes import RECIPES

    return _starting(RECIPES, incomplete)


def presets(incomplete: str) -> list[str]:
    """Presets of `finecaption assemble`."""
    from finecaption.assemble.presets import PRESETS

    return _starting(PRESETS, incomplete)


def source_formats(incomplete: str) -> list[str]:
    """Formats of datasets that can be read."""
    from finecaption.data.opening import FORMATS

    return _starting(FORMATS, incomplete)


def target_formats(incomplete: str) -> list[str]:
    """Formats of datasets that can be written."""
    from finecaption.data.convert import TARGETS

    return _starting(TARGETS, incomplete)


def datasets(incomplete: str) -> list[str]:
    """Splits of the synthetic world, and formats to be followed by a path."""
    from finecaption.data.opening import FORMATS

    named = [f"{name}:" for name in FORMATS if name != "synth"]
    return _starting([*(f"synth:{split}" for split in SPLITS), *named], incomplete)


SPLITS = ("train", "val", "test", "test-unseen")

devices = one_of("cpu", "cuda")
lengths = one_of("brief", "sentence", "paragraph")
splits = one_of(*SPLITS)


__all__ = [
    "attributes",
    "datasets",
    "devices",
    "folders",
    "lengths",
    "list_of",
    "models",
    "one_of",
    "presets",
    "recipes",
    "source_formats",
    "splits",
    "target_formats",
]
