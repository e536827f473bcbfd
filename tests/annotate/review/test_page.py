"""The page in a real browser, against the command, until it is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ...conftest import BROWSER_PATIENCE

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def served(data_file: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command, and the address that it prints."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
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


def decisions(data_file: Path, reviewer: str) -> list[tuple[str, str, str | None]]:
    path = data_file.with_name(f"{data_file.name}.reviews") / f"{reviewer}.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [(d["field"], d["decision"], d["text"]) for d in lines]


def test_a_review_by_keyboard(
    served: tuple[str, subprocess.Popen[str]], page: Any, data_file: Path
) -> None:
    from playwright.sync_api import expect

    def shows(selector: str, text: str) -> None:
        expect(page.locator(selector)).to_contain_text(text, timeout=BROWSER_PATIENCE)

    address, process = served
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(address)

    page.fill(".rv-who input", "ann")
    page.press(".rv-who input", "Enter")
    on, place = ".rv-row.on .label", ".rv-over h2"
    shows(on, "Category Name")
    shows(place, "Region 1")
    assert page.locator(".rv-frame g").count() == 2
    assert page.locator(".rv-row").count() == 19

    page.keyboard.press("a")
    shows(on, "Color")
    page.keyboard.press("e")
    page.wait_for_selector("textarea")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("The left ball is green, and a key is a letter.")
    page.keyboard.press("Enter")
    shows(on, "Shape")
    page.keyboard.press("r")
    shows(on, "Dense caption")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+A")  # the last one open: on to region 2
    shows(place, "Region 2")
    page.keyboard.press("1")
    shows(place, "Region 1")
    marks = page.eval_on_selector_all(
        ".rv-row[data-decision]", "rows => rows.map(r => r.dataset.decision)"
    )
    assert marks == ["accept", "edit", "reject", "accept"]
    page.keyboard.press("0")
    shows(place, "whole")
    page.keyboard.press("ArrowRight")
    shows(".rv-name", "b.png")
    for _ in range(4):  # faster than a person, and none is lost
        page.keyboard.press("a")
    shows(".rv-count", "8 of 13")  # the server's count, which comes with what it has saved
    page.wait_for_selector(".rv[data-saved=all]")
    page.keyboard.press("?")
    page.wait_for_selector(".rv-help", state="visible")
    page.keyboard.press("Escape")
    page.wait_for_selector(".rv-help", state="hidden")

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
    shows(".rv-foot.bad", "Not saved")
    assert page.inner_text(".rv-count") == "8 of 13"
    assert page.wrong == []
    outside = [u for u in page.asked if not u.startswith((address.rstrip("/"), "data:", "blob:"))]
    assert outside == []
