"""A run over images, as the tests of this folder start it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finecaption.bulk import BatchSummary, RunSettings
from finecaption.request import Questions


def run_settings(
    *attributes: str, dense: bool = False, whole: bool = False, **more: Any
) -> RunSettings:
    return RunSettings(Questions(attributes, dense, whole), **more)


COLOR = run_settings("Color")


Run = Callable[..., BatchSummary]
Draw = Callable[..., Path]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def ids(path: Path) -> list[str]:
    return [record["id"] for record in lines(path)]
