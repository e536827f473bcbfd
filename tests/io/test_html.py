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


def numbers(pattern: str, plot: str) -> list[float]:
    return [float(value) for value in re.findall(pattern, plot)]


@pytest.mark.parametrize(
    ("names", "width", "left"),
    [
        (["abc", "abcdef"], 0, 10 + 7 * 6),
        (["a" * 36], 0, 260),  # 10 + 7 * 36 = 262
        (["a" * 35], 0, 255),
        (["abc"], 90, 90),
    ],
)
def test_where_bars_begin(names: list[str], width: int, left: float) -> None:
    plot = html.bars([(name, 2.0) for name in names], label_width=width)
    assert numbers(r'<rect class="bar" x="([\d.]+)"', plot) == [left] * len(names)
    # the longest bar ends 70 before the edge, where its value stands
    assert numbers(r'width="([\d.]+)" height="14"', plot) == [520 - 70 - left] * len(names)
    assert numbers(r'class="soft" x="([\d.]+)"', plot) == [520 - 70 + 6] * len(names)


def test_bars_stand_one_below_the_other_and_values_behind_them() -> None:
    plot = html.bars([("a", 1000.0), ("b", 0.001), ("c", 0.0)], "{:.1f}")
    assert numbers(r'<rect class="bar" x="[\d.]+" y="([\d.]+)"', plot) == [4, 26, 48]
    assert 'viewBox="0 0 520 68"' in plot
    assert re.findall(r'class="soft"[^>]*>([^<]*)<', plot) == ["1000.0", "0.0", "0.0"]
    lengths = numbers(r'width="([\d.]+)" height="14"', plot)
    assert lengths == [520 - 17 - 70, 1, 0], "what is not 0 can be seen"
    assert numbers(r'width="([\d.]+)" height="14"', html.bars([("a", 0.0)])) == [0]


@pytest.mark.parametrize(("width", "shown"), [(75, "abcdefghij"), (73, "abcdefgh…")])
def test_names_are_cut_to_their_column(width: int, shown: str) -> None:
    plot = html.bars([("abcdefghij", 1.0)], label_width=width)  # 6.6 a letter, 8 of space
    assert f'text-anchor="end">{shown}<title>abcdefghij</title>' in plot


def test_bars_of_a_histogram_fill_its_width() -> None:
    plot = html.histogram(["a", "b"], [2, 1], "axis")
    assert numbers(r'<rect class="bar" x="([\d.]+)"', plot) == [9, 261]
    assert numbers(r'width="([\d.]+)" height="[\d.]+" rx="1"', plot) == [250, 250]
    # from the base line at 166 up to 18 below the top
    assert numbers(r'y="([\d.]+)" width', plot) == [18, 92]
    assert numbers(r'height="([\d.]+)" rx="1"', plot) == [148, 74]
    assert re.findall(r'<text x="([\d.]+)" y="182"', plot) == ["134.0", "386.0"]
    assert 'class="soft" x="134.0" y="13.0"' in plot, "the count of the largest"
    assert '<line x1="8" x2="512" y1="166" y2="166"/>' in plot


def test_bars_of_a_histogram_can_be_seen_unless_they_are_empty() -> None:
    plot = html.histogram(["a", "b", "c"], [1000, 1, 0], "axis")
    assert numbers(r'height="([\d.]+)" rx="1"', plot) == [148, 1, 0]
    many = html.histogram([""] * 500, [1] * 500, "axis")
    assert set(numbers(r'width="([\d.]+)" height="[\d.]+" rx="1"', many)) == {1}


@pytest.mark.parametrize(
    ("length", "count", "every"),
    [
        # a label takes 6.6 a letter and 6 of space; the plot has 504
        (1, 40, 1),  # 12.6 each, of 12.6
        (1, 41, 2),
        (2, 40, 2),
        (3, 40, 3),
        (100, 3, 3),  # more than all of it: the first alone
    ],
)
def test_labels_that_would_overlap_are_left_out(length: int, count: int, every: int) -> None:
    plot = html.histogram(["x" * length] * count, [1] * count, "axis")
    assert len(re.findall('y="182"', plot)) == -(-count // every)


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
    [
        ((100, 50), 50, (50, 25)),
        ((50, 100), 50, (25, 50)),
        ((50, 20), 50, (50, 20)),
        ((30, 20), 50, (30, 20)),
        ((1000, 2), 100, (100, 1)),
        ((2, 1000), 100, (1, 100)),
    ],
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
    flat = np.zeros((50, 100), bool)
    flat[48, :] = True
    small = html.shown_mask(flat, (20, 5))
    assert small.shape == (5, 20) and small[4].all() and small.sum() == 20
