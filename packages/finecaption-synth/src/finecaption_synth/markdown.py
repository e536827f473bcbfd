"""Parts of Markdown pages that a program writes, between two markers."""

from __future__ import annotations

from pathlib import Path

from finecaption.errors import InputError
from finecaption.io.atomic import write_text


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def _cut(page: Path, name: str) -> tuple[str, str, str]:
    old = page.read_text("utf-8") if page.is_file() else ""
    begin, end = _markers(name)
    head, found, rest = old.partition(begin)
    part, closed, tail = rest.partition(end)
    if not (found and closed) or old.count(begin) != 1 or old.count(end) != 1:
        raise InputError(f"{page}: needs {begin} and {end}, once each and in this order")
    return head, part, tail


def section(page: Path, name: str) -> str:
    """What stands between a page's markers ``<!-- name:begin -->`` and ``<!-- name:end -->``,
    without white space around it.

    Raises:
        InputError: the page is missing, or has not both markers once.
    """
    return _cut(page, name)[1].strip()


def rewrite_section(page: Path, name: str, text: str) -> None:
    """Puts a text between a page's markers; the rest stays, and a kill leaves the old page.

    Raises:
        InputError: as section.
        OSError: the page cannot be written.
    """
    head, _, tail = _cut(page, name)
    begin, end = _markers(name)
    write_text(page, f"{head}{begin}\n\n{text.strip()}\n\n{end}{tail}")
