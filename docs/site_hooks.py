"""mkdocs' hooks: the menu is complete; links to files that are no pages become their paths."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Adds every decision to the menu, and pages that mkdocs.yml does not name under "More"."""
    nav = config["nav"]
    decisions = next(part["Decisions"] for part in nav if "Decisions" in part)
    decisions += sorted(p.relative_to(DOCS).as_posix() for p in DOCS.glob("decisions/0*.md"))
    named = set(_pages(nav))
    more = [p for p in sorted(DOCS.rglob("*.md")) if p.relative_to(DOCS).as_posix() not in named]
    if more:
        nav.append({"More": [p.relative_to(DOCS).as_posix() for p in more]})
    return config


def _pages(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [page for part in (nav.values() if isinstance(nav, dict) else nav)
            for page in _pages(part)]  # fmt: skip


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """A link out of docs/ -> its path as code; it must be there.

    Raises:
        FileNotFoundError: it is not.
    """
    del config, files
    here = PurePosixPath("docs") / PurePosixPath(page.file.src_uri).parent

    def plain(found: re.Match[str]) -> str:
        target = found[3]
        if "://" in target or found[1]:
            return found[0]
        path = Path(ROOT, here, target).resolve()
        if (ROOT / "docs") in path.parents and path.suffix in (".md", ".svg", ".jpg", ".png"):
            return found[0]
        if not path.exists():
            raise FileNotFoundError(f"{page.file.src_uri}: link to {target}: there is no such file")
        name = path.relative_to(ROOT).as_posix()
        shown = found[2].strip("`")
        return f"`{name}`" if shown == name or "/" in shown else f"{found[2]} (`{name}`)"

    return _LINK.sub(plain, markdown)
