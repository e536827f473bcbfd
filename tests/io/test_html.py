"""The frame, its parts, and what stands inside a page."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

from finecaption.io import html
from finecaption.io.masks import encode_png

HOSTILE = "<b>\"'&"


def test_a_page_is_whole_and_asks_for_nothing() -> None:
    text = html.page(HOSTILE, "<p>body</p>", "p > i { }", "if (1 < 2) {}")
    assert text.startswith("<!doctype html>\n<html lang=") and text.endswith("</html>\n")
    assert "<title>&lt;b&gt;&#34;&#39;&amp;</title>" in text
    for part in ("<p>body</p>", "p > i { }", "<script>if (1 < 2) {}</script>"):
        assert part in text, "HTML, styles and scripts are taken as they are"
    assert not re.search(r"https?:|url\(|@import|<link", text)
    assert "<script" not in html.page("t", "b")


@pytest.mark.parametrize(
    "part",
    [
        html.figure(HOSTILE, HOSTILE),
        html.card(HOSTILE, "", HOSTILE),
        html.table([HOSTILE], [[HOSTILE], [HOSTILE]]),
        html.bars([(HOSTILE, 1.0)]),
        html.histogram([HOSTILE], [1], HOSTILE),
    ],
)
def test_parts_escape_text(part: str) -> None:
    assert "<b>" not in part.replace("<b>&lt;", "") and "&lt;b&gt;&#34;&#39;&amp;" in part


def test_a_card_takes_html() -> None:
    inner = html.table(["name", "n"], [["a", 1]])
    card = html.card("", inner, wide=True)
    assert "<p>" + card == f"<p>{card}", "adding HTML to HTML escapes none of it"
    assert card == f'<section class="card wide">{inner}</section>'
    assert "<td>a</td><td class=n>1</td>" in card


def test_bars_are_as_long_as_their_values() -> None:
    plot = html.bars([("a", 4.0), ("a name that is far too long for its column", 1.0), ("c", 0)])
    lengths = [float(value) for value in re.findall(r'width="([\d.]+)" height="14"', plot)]
    assert lengths[0] == pytest.approx(4 * lengths[1], abs=0.2) and lengths[2] == 0
    assert "…" in plot and "<title>a name that is far too long for its column</title>" in plot
    assert "Nothing to show" in html.bars([])


def test_a_histogram_marks_its_largest_bar() -> None:
    plot = html.histogram(["0", "1", "2"], [1, 4, 0], "words")
    heights = [float(value) for value in re.findall(r'height="([\d.]+)" rx="1"', plot)]
    assert heights[1] == pytest.approx(4 * heights[0], abs=0.2) and heights[2] == 0
    assert re.findall(r">(\w+)</text>", plot) == ["0", "4", "1", "2", "words"]
    assert "Nothing to show" in html.histogram(["0"], [0], "words")


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="title"):
        html.render("finecaption.io", "page.html", body="", style="", script="")


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_an_image_inside_an_address(kind: str) -> None:
    image = Image.new("RGBA" if kind == "png" else "RGB", (5, 3), "#804020")
    uri = html.data_uri(image, kind)
    head, _, data = uri.partition(",")
    assert head == f"data:image/{kind};base64"
    back = Image.open(io.BytesIO(base64.b64decode(data)))
    assert back.size == (5, 3) and back.format == kind.upper()
    raw = encode_png(np.eye(3, dtype=bool))
    assert base64.b64decode(html.data_uri(raw, "png").partition(",")[2]) == raw


@pytest.mark.parametrize(
    ("size", "side", "fitted"),
    [((100, 50), 50, (50, 25)), ((30, 20), 50, (30, 20)), ((1000, 2), 100, (100, 1))],
)
def test_fitting(size: tuple[int, int], side: int, fitted: tuple[int, int]) -> None:
    assert html.fit(size, side) == fitted


def test_outlines() -> None:
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    assert html.outline(ring) == "M0,0 3,0 3,3 0,3Z M1,1 1,2 2,2 2,1Z"
    assert html.shown_mask(ring, (6, 6)).sum() == 32
    thin = np.zeros((100, 100), bool)
    thin[:, 98] = True  # between the pixels that are kept
    small = html.shown_mask(thin, (10, 10))
    assert small.shape == (10, 10) and small[:, 9].all() and small.sum() == 10
