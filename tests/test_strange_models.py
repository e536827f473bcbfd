"""Models from strangers: no code of theirs is run or asked about, and nothing is fetched."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OWN = ("FineCaption", "TransformersSegmenter", "Segmenter", "ClickDecoder")
"""Classes of ours whose `from_pretrained` takes other arguments, and calls what is checked here."""


def calls() -> Iterator[tuple[str, str, dict[str, str]]]:
    """(place, class, keywords) of every call of `from_pretrained` in the packages."""
    for folder in ("src", "packages"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr == "from_pretrained"
                ):
                    given = {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg}
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    yield place, ast.unparse(node.func.value), given


CALLS = [call for call in calls() if call[1] not in OWN]


def test_there_are_calls_to_look_at() -> None:
    assert len(CALLS) >= 10 and sum(name.startswith("Auto") for _, name, _ in CALLS) >= 5


@pytest.mark.parametrize(("place", "name", "given"), CALLS, ids=[call[0] for call in CALLS])
def test_nothing_is_fetched_nor_run(place: str, name: str, given: dict[str, str]) -> None:
    assert given.get("local_files_only") == "True", f"{place}: {name} may ask a hub"
    # these read what `auto_map` of a checkpoint names, and else ask on the terminal
    if name.startswith("Auto") or name.endswith("Processor"):
        assert given.get("trust_remote_code") == "False", f"{place}: {name} may ask to run code"
