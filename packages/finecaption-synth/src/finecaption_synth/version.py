"""The version of the drawn world, which data, models and results made of it name."""

from __future__ import annotations

import json
from pathlib import Path

from finecaption.errors import InputError

WORLD_VERSION = 2  # docs/synthetic-world.md says what each version changed


def check_world(file: Path, remedy: str) -> None:
    """Refuses data of another version of the world.

    Args:
        file: a JSON object whose "world" names the version; without it, it is version 1.
        remedy: what to do about it.

    Raises:
        InputError: another version.
    """
    found = json.loads(file.read_text("utf-8")).get("world", 1)
    if found != WORLD_VERSION:
        raise InputError(
            f"{file}: is of version {found} of the drawn world, and this is version "
            f"{WORLD_VERSION}; {remedy}"
        )
