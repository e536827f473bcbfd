from __future__ import annotations

import json
from pathlib import Path

import pytest

from finecaption.errors import InputError
from finecaption_synth import WORLD_VERSION, check_world


def test_this_version_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "index.json"
    file.write_text(json.dumps({"world": WORLD_VERSION}))
    check_world(file, "never mind")


@pytest.mark.parametrize("note", [{}, {"world": WORLD_VERSION - 1}, {"world": WORLD_VERSION + 1}])
def test_another_version_is_refused_with_a_remedy(tmp_path: Path, note: dict[str, int]) -> None:
    file = tmp_path / "index.json"
    file.write_text(json.dumps(note))
    version = note.get("world", 1)
    with pytest.raises(InputError, match=f"index.json: is of version {version} .*; draw it again"):
        check_world(file, "draw it again")


def test_the_changelog_tells_of_this_version() -> None:
    page = Path(__file__).parents[2] / "docs/synthetic-world.md"
    assert f"\n| {WORLD_VERSION} | " in page.read_text("utf-8")
