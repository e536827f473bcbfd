"""mkdocs' hooks: links to files of the repository that are no pages become their paths."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


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
