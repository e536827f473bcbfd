"""The pages: figures that are true, everything inside the file, nothing that breaks out of it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.data.problems import Problem
from finecaption.data.store.rows import group
from finecaption.io import masks
from finecaption.io.html import bars, histogram
from finecaption.types import RegionSample
from finecaption_annotate.report import Statistics, sheet_html, stats_html
from finecaption_annotate.report.statistics import Histogram

EVIL = '<script>alert("x")</script>'


class Checker(HTMLParser):
    """Well-formed: every tag closed in order; collects what the page would fetch."""

    VOID = {"meta", "img"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [v or "" for k, v in attrs if k in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    assert all(link.startswith("data:") for link in checker.fetched)
    return checker


def mask(box: tuple[int, int, int, int]) -> dict[str, object]:
    out = np.zeros((40, 60), bool)
    out[box[1] : box[3], box[0] : box[2]] = True
    return masks.encode_rle(out)


@pytest.fixture
def samples(tmp_path: Path) -> list[RegionSample]:
    path = tmp_path / "straße.png"
    Image.new("RGB", (60, 40), (200, 80, 40)).save(path)
    common = {"image": str(path), "size": (60, 40), "image_id": "a", "split": "train",
              "source": "own", "licence": "CC0"}  # fmt: skip
    diagonal = np.eye(40, 60, dtype=bool)
    return [
        RegionSample(**common, task="aarc", attribute="Color", text="A red cup, a RED cup.",
                     mask=mask((0, 0, 30, 20)), region_id="1"),
        RegionSample(**common, task="aarc", attribute="Glow", text=EVIL,
                     mask=mask((0, 0, 30, 20)), region_id="1"),
        RegionSample(**common, task="rdc", text="A line.", mask=diagonal, region_id=None),
        RegionSample(**common, task="cgic", text="A line.", prompt="What is there?"),
        RegionSample(image=np.zeros((9, 12, 3), np.uint8), size=(12, 9), task="cgic", text="Dark"),
    ]  # fmt: skip


def test_figures(samples: list[RegionSample]) -> None:
    s = Statistics().add_all(samples)
    assert (s.samples, s.pictures, s.regions, s.broken_masks, s.repeated) == (5, 2, 2, 0, 1)
    assert s.tasks == {"aarc": 2, "rdc": 1, "cgic": 2}
    assert s.attribute_order() == ["Color", "Glow"]
    assert s.words["red"] == 2 and s.words["line"] == 2
    assert s.attribute_words["Color"] == 6
    assert s.area.mean == pytest.approx((600 / 2400 + 40 / 2400) / 2)
    # a filled box is its own box; the diagonal fills 40 of the 1600 pixels of its box
    assert s.box_iou.mean == pytest.approx((1 + 40 / 1600) / 2)
    assert (s.region_count.number, s.region_count.most) == (2, 2)
    assert s.long_side.counts.tolist()[0] == 2
    plain = s.to_dict()
    assert plain["sizes"] == [[60, 40, 1], [12, 9, 1]]
    assert plain["attributes"]["Color"] == {"samples": 1, "mean_words": 6.0}


def test_a_picture_that_comes_again_counts_once(samples: list[RegionSample]) -> None:
    s = Statistics().add_all([samples[0], samples[4], samples[0]])
    assert s.pictures == 2 and s.region_count.number == 3


def test_broken_masks_are_counted(samples: list[RegionSample]) -> None:
    broken = RegionSample(
        image="a.png", size=(60, 40), task="rdc", text="x",
        mask={"size": [40, 60], "counts": "nonsense"},
    )  # fmt: skip
    s = Statistics().add_all([broken])
    assert (s.regions, s.broken_masks, s.area.number) == (1, 1, 0)
    assert "1 masks cannot be read" in stats_html(s, "x")
    assert "broken" in sheet_html([[broken]], "x")


def test_histograms_keep_what_is_outside_their_edges() -> None:
    h = Histogram((0.0, 1.0, 2.0))
    for value in (-5, 0, 1, 1.99, 2, 99):
        h.add(value)
    assert h.counts.tolist() == [2, 4] and h.most == 99
    assert Histogram((0.0, 1.0)).to_dict() == {"number": 0}


def test_the_page_of_statistics(samples: list[RegionSample]) -> None:
    problems = [Problem("a.json", "[3]", "mask", EVIL)] * 3
    text = stats_html(Statistics().add_all(samples), EVIL, problems)
    found = check(text)
    assert found.tags.count("svg") == 9 and found.tags.count("script") == 0
    assert "a.json: [3]: mask: &lt;script&gt;" in text
    assert ">Glow<" in text and ">CC0<" in text
    check(stats_html(Statistics().finish(), "nothing"))


def test_the_contact_sheet(samples: list[RegionSample]) -> None:
    text = sheet_html(group(samples), "Sheet", side=30)
    found = check(text)
    assert found.tags.count("img") == 2 and found.tags.count("script") == 1
    assert 'viewBox="0 0 30 20"' in text  # outlines in the pixels that are shown
    assert re.search(r'class="line" d="M0,0 15,0 15,10 0,10Z"', text)
    assert "&lt;script&gt;alert" in text and "straße.png" in text
    # a question of its own stands where the attribute would
    assert "<dt>What is there?</dt><dd>A line.</dd>" in text
    assert text.count('class="said" data-region') == 2
    assert "No sample." in sheet_html([], "Empty")


def test_a_picture_that_is_gone_is_said_to_be(samples: list[RegionSample]) -> None:
    Path(str(samples[0].image)).unlink()
    text = sheet_html([samples[:1]], "Sheet")
    assert "no such file" in text
    check(text)


def test_a_region_thinner_than_a_pixel_of_the_sheet_still_shows() -> None:
    thin = np.zeros((400, 400), bool)
    thin[7, 13] = True
    sample = RegionSample(image=np.zeros((400, 400, 3), np.uint8), size=(400, 400), task="rdc",
                          text="dot", mask=thin)  # fmt: skip
    assert re.search(r'class="line" d="M\d', sheet_html([[sample]], "x", side=40))


def test_plots() -> None:
    assert bars([("a", 1.0), ("b" * 90, 0)]).count("<rect") == 2
    assert "…" in bars([("b" * 90, 1)])
    assert "Nothing to show" in bars([]) and "Nothing to show" in histogram(["a"], [0], "x")
    assert histogram(["0–1", "1–2"], [3, 4], "x").count("<rect") == 2
