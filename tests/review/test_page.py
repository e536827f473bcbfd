"""The page in a real browser, against the command, until it is killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(
    (p for p in (shutil.which(n) for n in ("chromium", "chromium-browser", "google-chrome")) if p),
    None,
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture
def served(data_file: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command, and the address that it prints."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "finecaption", "data", "review", str(data_file)]
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), process.stderr.read()
            yield address, process
        finally:
            process.kill()


@pytest.fixture
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def decisions(data_file: Path, reviewer: str) -> list[tuple[str, str, str | None]]:
    path = data_file.with_name(f"{data_file.name}.reviews") / f"{reviewer}.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [(d["field"], d["decision"], d["text"]) for d in lines]


def test_a_review_by_keyboard(
    served: tuple[str, subprocess.Popen[str]], browser: Any, data_file: Path
) -> None:
    address, process = served
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)

    page.fill(".rv-who input", "ann")
    page.press(".rv-who input", "Enter")
    page.wait_for_selector(".rv-row.on")
    assert page.inner_text(".rv-over h2") == "Region 1"
    assert page.locator(".rv-frame g").count() == 2
    assert page.locator(".rv-row").count() == 19
    on = ".rv-row.on .label"
    assert page.inner_text(on) == "Category Name"

    page.keyboard.press("a")
    assert page.inner_text(on) == "Color"
    page.keyboard.press("e")
    page.wait_for_selector("textarea")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("The left ball is green, and a key is a letter.")
    page.keyboard.press("Enter")
    assert page.inner_text(on) == "Shape"
    page.keyboard.press("r")
    assert page.inner_text(on) == "Dense caption"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+A")  # the last one open: on to region 2
    page.wait_for_function("document.querySelector('.rv-over h2').textContent === 'Region 2'")
    page.keyboard.press("1")
    page.wait_for_function("document.querySelector('.rv-over h2').textContent === 'Region 1'")
    marks = page.eval_on_selector_all(
        ".rv-row[data-decision]", "rows => rows.map(r => r.dataset.decision)"
    )
    assert marks == ["accept", "edit", "reject", "accept"]
    page.keyboard.press("0")
    page.wait_for_function("document.querySelector('.rv-over h2').textContent.includes('whole')")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.rv-name').textContent.startsWith('b.png')")
    for _ in range(4):  # faster than a person, and none is lost
        page.keyboard.press("a")
    page.wait_for_selector(".rv[data-saved=all]")
    page.keyboard.press("?")
    assert page.is_visible(".rv-help")
    page.keyboard.press("Escape")
    assert page.inner_text(".rv-count") == "8 of 13"

    process.kill()  # what was marked as saved is on disk
    process.wait()
    assert decisions(data_file, "ann") == [
        ("Category Name", "accept", "A ball."),
        ("Color", "edit", "The left ball is green, and a key is a letter."),
        ("Shape", "reject", None),
        ("Dense caption", "accept", "A blue ball lies there."),
        ("Category Name", "accept", "A ball."),
        ("Color", "accept", "Ball 1 of b is blue."),
        ("Shape", "accept", "It is round."),
        ("Dense caption", "accept", "A blue ball lies there."),
    ]
    page.keyboard.press("1")
    page.keyboard.press("a")
    page.wait_for_selector(".rv-foot.bad")
    assert "Not saved" in page.inner_text(".rv-foot")
    assert page.inner_text(".rv-count") == "8 of 13"
    assert errors == []
    outside = [url for url in asked if not url.startswith((address.rstrip("/"), "data:", "blob:"))]
    assert outside == []
