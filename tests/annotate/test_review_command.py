"""`finecaption data review` without its page: agreement, export, and what cannot be."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from finecaption.cli import main
from finecaption.data.opening import open_data
from finecaption.io import masks
from finecaption.io.compressed_masks import encode_base64_gzip
from finecaption_annotate.review import Reviews, read_set

Run = Any


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command; gives what it printed, and what it said beside."""

    def go(*words: object, code: int = 0) -> tuple[str, str]:
        found = main(["data", "review", *map(str, words)])
        shown = capsys.readouterr()
        assert found == code, shown.err
        return shown.out, shown.err

    return go


@pytest.fixture
def reviewed(tmp_path: Path) -> Path:
    """What `data annotate` writes, of one region, and two reviewers' decisions on it."""
    Image.new("RGB", (16, 12), (9, 90, 40)).save(tmp_path / "a.png")
    mask = masks.mask_from_box((3, 2, 9, 8), (16, 12))
    entity = {
        "entity_id": "1", "mask": encode_base64_gzip(mask),
        "attributes": {"Color": "It is red.", "Shape": "It is square.", "Hair": "It has hair."},
    }  # fmt: skip
    record = {"image": "a.png", "image_id": "a", "width": 16, "height": 12, "entities": [entity]}
    path = tmp_path / "own.json"
    path.write_text(json.dumps([record]), "utf-8")
    data = read_set(open_data(path, "compositioncap"), path.name, tmp_path)
    reviews = Reviews(tmp_path / "own.json.reviews")
    told = [one for one in data.fields.values() if one.text]
    for name, words in (("ann", "eaa"), ("bob", "era")):
        for one, word in zip(told, words, strict=True):
            kind = {"a": "accept", "e": "edit", "r": "reject"}[word]
            reviews.of(name).decide(one.key, kind, one.text, "It has no hair.")
    return path


def test_agreement(run: Run, reviewed: Path) -> None:
    out, _ = run(reviewed, "--agreement")
    assert "reviewers: ann, bob" in out
    rows = {
        r["attribute"]: r for r in json.loads(run(reviewed, "--agreement", "--json")[0])["rows"]
    }
    assert list(rows) == ["Hair", "Color", "Shape", "All"]
    assert rows["Hair"]["same_text"] == 100 and rows["Color"]["percent"] == 0
    assert rows["All"]["percent"] == pytest.approx(200 / 3)


def test_export(run: Run, reviewed: Path) -> None:
    out, err = run(reviewed, "--export", reviewed.parent / "good.json")
    assert out.strip().endswith("good.json")
    assert "1 accepted, 1 edited, 0 written, 1 rejected, 0 undecided" in err
    found = list(open_data(reviewed.parent / "good.json", "compositioncap", deep=True))
    assert [(s.attribute, s.text) for s in found] == [
        ("Hair", "It has no hair."), ("Shape", "It is square."),
    ]  # fmt: skip
    lines = reviewed.parent / "ann.jsonl"
    run(reviewed, "--reviewer", "ann", "--export", lines, "--to", "jsonl")
    assert len(list(open_data(lines))) == 3
    run(reviewed, "--export", lines, "--to", "jsonl", "--overwrite")
    assert len(list(open_data(lines))) == 2


def test_what_cannot_be(
    run: Run, reviewed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, message in (
        (["--reviews", tmp_path / "none", "--agreement"], "holds no review"),
        (["--agreement", "--export", "x.json"], "give one of them"),
        (["--agreement", "--reviewer", "cid"], "has not reviewed; these have: ann, bob"),
        (["--export", "x", "--to", "csv"], "unknown target 'csv'"),
        (["--reviewer", "a/b"], "cannot be a name"),
    ):
        assert message in run(reviewed, *words, code=2)[1]
    old = SimpleNamespace(HTML=lambda value: value, __version__="6.0.0")
    monkeypatch.setitem(sys.modules, "gradio", old)
    assert "Gradio 6.0.0 is too old" in run(reviewed, code=2)[1]
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert 'pip install "finecaption[demo]"' in run(reviewed, code=2)[1]
