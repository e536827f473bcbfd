"""The page in a real Chromium, with the shipped model: each thing once."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlparse

import pytest
from PIL import Image

# What is on the page for a while only, messages and the writing of answers, is written down.
RECORD = """() => {
  window.toasts = []; window.written = 0;
  const toast = document.querySelector('.fc-toast');
  const panel = document.querySelector('[data-el=panel]');
  new MutationObserver(() => { if (!toast.hidden) window.toasts.push(toast.innerText); })
    .observe(toast, { attributes: true, childList: true });
  new MutationObserver(() => { if (!panel.hasAttribute('aria-busy')) window.written += 1; })
    .observe(panel, { attributeFilter: ['aria-busy'] });
}"""


@pytest.fixture
def opened(studio: str, page: Any) -> Any:
    """The page of the studio, on a narrow screen, ready."""
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{studio}/")
    page.wait_for_selector(".fc[data-ready]")
    page.evaluate(RECORD)
    return page


def click(page: Any, x: float, y: float) -> None:
    """Clicks on the picture at fractions of its sides, once it stands still and is in view."""
    over = page.locator("[data-el=over]")
    box = over.bounding_box()
    over.click(position={"x": x * box["width"], "y": y * box["height"]})


@contextlib.contextmanager
def told(page: Any, regions: int) -> Iterator[None]:
    """Waits until the region that is made or changed in the block has been described.

    By the record of answers that were written to their end: that one is being written may be over
    before anyone looks.
    """
    before = page.evaluate("window.written")
    yield
    page.wait_for_function(
        f"window.written > {before} && document.querySelectorAll('.fc-chip').length === {regions} "
        "&& document.querySelector('.fc-lead .fc-w') && "
        "!document.querySelector('.fc-wait, [data-el=panel][aria-busy]')"
    )


def lit(page: Any) -> int:
    """Pixels of the overlay that are not clear."""
    return page.evaluate(
        "() => { const c = document.querySelector('[data-el=over]');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"
    )


def test_a_session(opened: Any, studio: str) -> None:
    page = opened
    # a broken file is told of, and does no harm
    page.set_input_files(
        "[data-el=file]",
        {"name": "broken.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\nnothing"},
    )
    page.wait_for_function("window.toasts.length > 0")
    assert "broken.png" in page.evaluate("window.toasts[0]")

    # click to caption
    page.click("[data-example=street]")
    page.wait_for_selector(".fc.fc-open")
    assert page.locator("[data-el=notice]").is_hidden()
    assert lit(page) == 0
    with told(page, 1):
        click(page, 0.8, 0.68)
    assert lit(page) > 3000
    assert page.locator(".fc-card").count() == 17
    assert page.inner_text(".fc-lead").strip()
    before = page.evaluate("document.querySelector('[data-el=over]').toDataURL()")
    page.click("[data-sign=add]")
    with told(page, 1), page.expect_response("**/segment") as refined:
        click(page, 0.8, 0.43)
    assert [positive for _, _, positive in refined.value.json()["points"]] == [True, True]
    assert page.evaluate("document.querySelector('[data-el=over]').toDataURL()") != before

    # which pixels carried a word
    page.locator(".fc-lead .fc-w").last.click()
    page.wait_for_selector(".fc-evidence:not([hidden])")
    assert "of it lies on the region" in page.inner_text(".fc-evidence")
    page.keyboard.press("Escape")
    assert page.locator("[data-el=evidence]").is_hidden()

    # a box of two clicks
    page.click("[data-tool=box]")
    with told(page, 2):
        click(page, 0.23, 0.32)
        click(page, 0.74, 0.6)

    # the brush
    page.click("[data-tool=brush]")
    over = page.locator("[data-el=over]")
    with told(page, 3):
        over.hover()  # the center, once it stands still and is in view
        box = over.bounding_box()
        x, y = box["x"] + 0.53 * box["width"], box["y"] + 0.62 * box["height"]
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y + 0.12 * box["height"], steps=4)
        page.mouse.up()

    # keys: the first region, and away with it
    page.keyboard.press("1")
    assert page.get_attribute(".fc-chip >> nth=0", "aria-selected") == "true"
    page.keyboard.press("Delete")
    page.wait_for_function("document.querySelectorAll('.fc-chip').length === 2")

    # everything
    page.click("[data-do=everything]")
    page.wait_for_function(
        "document.querySelectorAll('.fc-chip').length > 2 && "
        "!document.querySelector('[data-do=everything]').disabled"
    )

    # side by side
    page.click("[data-tab=compare]")
    page.wait_for_selector(".fc-table tbody tr")
    assert page.locator(".fc-table thead canvas").count() >= 2

    # taken away
    page.click("[data-tab=export]")
    regions = page.locator(".fc-chip").count()
    for form, look in (("json", "regions"), ("coco", "annotations"), ("graph", "nodes")):
        with page.expect_download() as download:
            page.click(f"[data-export={form}]")
        with open(download.value.path()) as stream:
            assert len(json.load(stream)[look]) == regions
    with page.expect_download() as download:
        page.click("[data-export=png]")
    with open(download.value.path(), "rb") as stream:
        assert Image.open(io.BytesIO(stream.read())).format == "PNG"
    assert download.value.suggested_filename == "street.png"

    # light and dark
    first = page.get_attribute(".fc", "data-theme")
    page.click("[data-do=theme]")
    assert page.get_attribute(".fc", "data-theme") != first

    # nothing sticks out on a narrow screen, nothing failed, and nobody else was asked
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.wrong == []
    hosts = {urlparse(url).netloc for url in page.asked if url.startswith(("http", "ws"))}
    assert hosts == {urlparse(studio).netloc}
