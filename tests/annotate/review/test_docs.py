"""The guide's section on reviewing: its keys are the page's, its commands are the program's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from finecaption.cli import main
from finecaption_annotate.review import Reviews, ReviewSet

from .conftest import key_of

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "packages/finecaption-annotate/src/finecaption_annotate/review/static"


def section() -> str:
    return (
        (ROOT / "docs/data.md").read_text("utf-8").partition("## Review\n")[2].partition("\n## ")[0]
    )


def test_the_keys_of_the_guide_are_those_of_the_page() -> None:
    rows = re.findall(r"^\| (`.+?) \| ", section(), re.MULTILINE)
    guide = {key for row in rows for key in re.findall(r"`([^`]+)`", row)}
    listed = re.findall(r"<dt>(.+?)</dt>", (STATIC / "page.html").read_text("utf-8"))
    page = {key for row in listed for key in re.findall(r"<kbd>([^<]+)</kbd>", row)}
    assert guide == page and len(page) > 12


def test_the_commands_of_the_guide(
    tmp_path: Path, data: ReviewSet, data_file: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    key = key_of(data, 0, 0, "Color")
    Reviews(tmp_path / "own.jsonl.reviews").of("ann").decide(key, "accept", data.fields[key].text)
    served: list[object] = []
    monkeypatch.setattr(
        "finecaption_annotate.review.app.serve", lambda *given: served.append(given)
    )
    commands = re.findall(r"^finecaption (data review .+)$", section(), re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        words = shlex.split(command.replace("out/data/own.json", str(data_file)))
        words = [word.replace("out/data", str(tmp_path / "out")) for word in words]
        assert main(words) == 0, capsys.readouterr().err
    assert len(served) == 1
    assert (tmp_path / "out/good.json").is_file() and (tmp_path / "out/good.jsonl").is_file()
