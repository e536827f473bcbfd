"""The docs site: it builds, every link leads somewhere, nothing is fetched from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class _Page(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if told.get("id"):
            self.anchors.add(str(told["id"]))
        if tag == "a" and told.get("href"):
            self.links.append(str(told["href"]))
        name = LOADING.get(tag)
        if name and told.get(name) and told.get("rel") not in ("canonical", "prev", "next"):
            self.loads.append(str(told[name]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning of mkdocs ends the build."""
    pytest.importorskip("mkdocs")
    out = tmp_path_factory.mktemp("site")
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, _Page]:
    """Every page of it."""
    return {p: _Page(p.read_text("utf-8")) for p in site.rglob("*.html") if p.name != "404.html"}


def test_every_link_and_anchor_is_there(site: Path, pages: dict[Path, _Page]) -> None:
    assert len(pages) > 40
    broken = []
    for path, page in pages.items():
        for target in (*page.links, *page.loads):
            parts = urlsplit(target)
            if parts.scheme in ("http", "https", "mailto", "data"):
                continue
            where = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if where.is_dir():
                where /= "index.html"
            name = f"{path.relative_to(site)} -> {target}"
            if not where.exists() or (
                parts.fragment
                and where in pages
                and unquote(parts.fragment) not in pages[where].anchors
                and parts.fragment != "__skip"
            ):
                broken.append(name)
    assert broken == []


def test_nothing_is_fetched_from_elsewhere(site: Path, pages: dict[Path, _Page]) -> None:
    for path, page in pages.items():
        for target in page.loads:
            assert not urlsplit(target).netloc, f"{path.name} loads {target}"
    for sheet in site.rglob("*.css"):
        found = re.findall(r"url\(\s*['\"]?(?:https?:)?//[^)]+\)", sheet.read_text("utf-8"))
        assert found == [], sheet.name


def test_every_page_is_in_the_menu_and_the_reference_has_its_names(site: Path) -> None:
    home = (site / "index.html").read_text("utf-8")
    for name in ("first-caption", "train-your-own", "extend", "dataset-card", "model-card"):
        assert f'href="{name}.html"' in home, name
    text = (site / "reference/captioning.html").read_text("utf-8")
    assert "from_pretrained" in text and "FineCaption" in text
    # docstrings became text, not raw "Args:" blocks
    assert "Parameters" in text and "Args:" not in text
