"""What programs write into pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from finecaption.errors import InputError
from finecaption_synth.markdown import rewrite_section, section


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text("# Ü\n<!-- a:begin -->\nold\n<!-- a:end -->\n<!-- b:begin --><!-- b:end -->\n")
    return path


def test_only_the_section_is_rewritten(page: Path) -> None:
    assert section(page, "a") == "old"
    for _ in range(2):
        rewrite_section(page, "a", "new\n\nlines\n")
        assert page.read_text("utf-8") == (
            "# Ü\n<!-- a:begin -->\n\nnew\n\nlines\n\n<!-- a:end -->\n"
            "<!-- b:begin --><!-- b:end -->\n"
        )
    assert section(page, "a") == "new\n\nlines" and section(page, "b") == ""
    assert [p.name for p in page.parent.iterdir()] == ["page.md"]


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "<!-- a:begin -->",
        "<!-- a:end --> <!-- a:begin -->",
        "<!-- a:begin --> <!-- a:end --> <!-- a:end -->",
        "<!-- a:begin --> <!-- a:begin --> <!-- a:end -->",
    ],
)
def test_markers_must_stand_there_once(tmp_path: Path, text: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(text)
    with pytest.raises(InputError, match=r"page\.md: needs <!-- a:begin --> and <!-- a:end -->"):
        rewrite_section(path, "a", "new")
    assert path.read_text() == text


def test_a_missing_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="once each"):
        section(tmp_path / "page.md", "a")
