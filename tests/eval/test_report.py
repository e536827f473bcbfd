"""Groups, comparison and reports over a run of an oracle and one of a blind guesser."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from finecaption.errors import InputError
from finecaption.eval.compare import compare, pair
from finecaption.eval.data import EvalImage
from finecaption.eval.difference import write_comparison
from finecaption.eval.examples import best_and_worst, open_run
from finecaption.eval.groups import FITS, SIZES, _bin, _percent
from finecaption.eval.page import html_report, write_report
from finecaption.eval.published import COLUMNS, SUPERVISED, TABLE_2
from finecaption.eval.report import paper_rows
from finecaption.eval.run import evaluate
from finecaption.metrics.captions import CaptionScorer

from .conftest import Blind, ListSource, Oracle

Drawn = tuple[list[EvalImage], dict]


class Fixed:
    """A model whose captioner is given."""

    clicks = False

    def __init__(self, name: str, captioner: Any) -> None:
        self.identity = {"name": name, "sha256": name}
        self._captioner = captioner

    def open(self) -> Any:
        return self._captioner


@pytest.fixture(scope="module")
def runs(
    drawn: Drawn,
    tmp_path_factory: pytest.TempPathFactory,
    without_meteor: Callable[[pytest.MonkeyPatch], None],
) -> tuple[Path, Path]:
    """A scored run of the blind guesser, and one of the oracle; no Java is started."""
    root = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        without_meteor(patch)
        for kind in (Blind, Oracle):
            name = kind.__name__.lower()
            evaluate(
                Fixed(name, kind(drawn[1])), ListSource(drawn[0]), root / name, twins=0,
                scorer=CaptionScorer(tokeniser="words"),
            )  # fmt: skip
            write_report(root / name)
    return root / "blind", root / "oracle"


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "scores.json").read_text())


def test_the_oracle_is_right_and_the_blind_one_is_not(runs: tuple[Path, Path]) -> None:
    blind, oracle = map(read, runs)
    assert oracle["mean_accuracy"] == 1 > blind["mean_accuracy"] + 0.3
    assert oracle["captions"]["aarc"]["corpus"]["ROUGE-L"] == pytest.approx(1)
    assert oracle["captions"]["aarc"]["missing"]["METEOR"] == "no Java here"
    assert oracle["conflicts"]["all"]["contradictions"] == 0
    assert blind["conflicts"]["all"]["contradicted"] > 0.2
    low, high = blind["captions"]["aarc"]["intervals"]["ROUGE-L"]
    assert low < blind["captions"]["aarc"]["corpus"]["ROUGE-L"] < high


def test_groups_are_of_all_regions(runs: tuple[Path, Path]) -> None:
    scores = read(runs[0])
    for group in scores["groups"].values():
        assert sum(g["regions"] for g in group["groups"]) == scores["regions"]
        assert sum(g["accuracy"]["count"] for g in group["groups"]) == scores["questions"]


@pytest.mark.parametrize(
    ("value", "name"), [(0.0099, "under 1 %"), (0.01, "1 % to 4 %"), (0.5, "16 % and more")]
)
def test_bins(value: float, name: str) -> None:
    assert _bin(value, SIZES, _percent) == name
    assert _bin(0.8, FITS, str) == "0.8 and more"


def test_a_comparison_of_unlike_runs_is_sure(runs: tuple[Path, Path], tmp_path: Path) -> None:
    result = write_comparison(*runs, tmp_path)
    found = result["tasks"]["aarc"]["accuracy"]
    assert found["difference"] == pytest.approx(found["b"] - found["a"])
    assert found["interval"][0] > 0
    assert found["p"] == pytest.approx(2 / 2 ** read(runs[0])["pictures"], abs=0.02)
    assert found["count"] == read(runs[0])["questions"]
    first = result["different"][0]
    assert first["b"]["share"] == 1 and first["a"]["share"] == 0
    assert json.loads((tmp_path / "compare.json").read_text()) == result
    page = (tmp_path / "compare.html").read_text()
    assert "oracle against blind" in page and "data:image/jpeg" in page
    assert "B better" in (tmp_path / "compare.md").read_text()


def test_a_run_against_itself_differs_in_nothing(runs: tuple[Path, Path]) -> None:
    result = compare(runs[0], runs[0])
    found = result["tasks"]["aarc"]["accuracy"]
    assert (found["difference"], found["interval"], found["p"]) == (0, [0, 0], 1)
    assert result["different"] == [] and result["only_a"] == 0


def test_runs_without_a_common_question(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no question in common"):
        pair(open_run(runs[0]).answers[:3], open_run(runs[1]).answers[5:7])
    with pytest.raises(InputError, match="eval score"):
        compare(runs[0], tmp_path)


def test_best_and_worst_are_of_different_pictures(runs: tuple[Path, Path]) -> None:
    best, worst = best_and_worst(open_run(runs[0]), 3)
    assert len({e.place["picture"] for e in best}) == len(best) == 3
    figures = [e.figure for e in best]
    assert figures == sorted(figures, reverse=True)
    assert min(figures) >= max(e.figure for e in worst if e.figure is not None)


def test_published_rows_are_marked(runs: tuple[Path, Path]) -> None:
    rows = paper_rows(read(runs[0]))
    assert [kind for _, _, kind in rows].count("ours") == 3
    assert len(rows) == 3 + len(TABLE_2) == 20
    assert all(len(figures) == len(COLUMNS) for _, figures, _ in rows)
    assert SUPERVISED["FineCaption-8B (mask, 1024)"]["CIDEr"] == 127.95
    text = (runs[0] / "report.md").read_text()
    assert "Kosmos-2 (box) (published, zero-shot)" in text
    assert "METEOR is missing: no Java here" in text


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_for_nothing(runs: tuple[Path, Path], tmp_path: Path) -> None:
    write_comparison(*runs, tmp_path)
    for path in (runs[0] / "report.html", tmp_path / "compare.html"):
        text = path.read_text()
        page = _Page()
        page.feed(text)
        assert page.open == []
        assert page.addresses and all(a.startswith("data:image/") for a in page.addresses)
        style = text.partition("<style>")[2].partition("</style>")[0]
        assert "prefers-color-scheme: dark" in style and "url(" not in style
        assert "<script" not in text and not re.search(r"https?://", text)


def test_answers_cannot_inject(runs: tuple[Path, Path]) -> None:
    run = open_run(runs[0])
    for answer in run.answers:
        answer.text = '<script>alert("x")</script>'
    text = html_report(run)
    assert "<script" not in text and "&lt;script&gt;" in text


def test_the_page_of_the_documentation(runs: tuple[Path, Path], tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "docs/benchmark_page.py"
    spec = importlib.util.spec_from_file_location("benchmark_page", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = tmp_path / "page.md"
    page.write_text("before <!-- eval:begin --> old <!-- eval:end --> after")
    scores = [str(run / "scores.json") for run in runs]
    module.main(*scores, page)
    text = page.read_text()
    assert text.startswith("before") and text.endswith("after") and " old " not in text
    assert "| Hair |" in text and "| test | aarc: one attribute of a region |" in text
    page.write_text("no markers")
    with pytest.raises(InputError, match="eval:end"):
        module.main(*scores, page)
