"""Any data set as the source of an evaluation, and any captioner as its subject."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.captioners.questions import Question, QuestionCaptioner
from finecaption.errors import InputError
from finecaption.eval.datasets import DatasetSource
from finecaption.eval.opening import open_source
from finecaption.eval.page import write_report
from finecaption.eval.records import read_records
from finecaption.eval.run import ANSWER_TOKENS, evaluate, model_to_evaluate
from finecaption.io.masks import encode_rle
from finecaption_synth.dataset import render_split
from finecaption_synth.evaluation.scenes import FolderSource, SynthSource


class Colors(QuestionCaptioner):
    """A captioner that says the mean color of the region, or of the image."""

    name, clicks = "colors", False
    identity = {"name": "colors", "kind": "made up", "sha256": None}  # type: ignore[assignment]  # a property

    def open(self) -> Colors:
        return self

    def answer(self, questions: Sequence[Question]) -> list[str]:
        out = []
        for image, region, task, attribute in questions:
            pixels = np.asarray(image)
            mean = pixels[region.mask] if region is not None else pixels.reshape(-1, 3)
            red = mean.mean(0)[0] > 128
            out.append(f"{task} {attribute} {'red' if red else 'black'}")
        return out


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two pictures; of one two regions, of the other the whole alone."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, :15, 0] = 255
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    left, right = np.zeros((20, 30), bool), np.zeros((20, 30), bool)
    left[:, :15], right[2:9, 16:20] = True, True
    common = {"width": 30, "height": 20}

    def sample(task: str, text: str, image: str = "a.png", **more: Any) -> dict[str, Any]:
        return {"image": image, **common, "task": task, "text": text, "image_id": image, **more}

    first, second = (
        {"mask": encode_rle(m), "region_id": str(k)} for k, m in ((7, left), (9, right))
    )
    lines = [
        sample("aarc", "It is red.", attribute="Color", **first),
        sample("aarc", "Red.", attribute="Color", **first),
        sample("aarc", "It is black.", attribute="Color", **second),
        sample("rdc", "A black thing.", **second),
        sample("cgic", "Red and black.", image="b.png"),
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_samples_of_a_picture_come_together(dataset: Path) -> None:
    source = open_source(f"jsonl:{dataset}", workers=0)
    assert isinstance(source, DatasetSource) and not source.drawn
    a, b = source.pictures()
    assert [(r.region_id, r.references, r.dense) for r in a.regions] == [
        (1, {"Color": ("It is red.", "Red.")}, ()),
        (2, {"Color": ("It is black.",)}, ("A black thing.",)),
    ]
    assert a.regions[1].box == (16, 2, 20, 9) and a.whole == ()
    assert b.regions == () and b.whole == ("Red and black.",)
    assert [p.index for p in source.pictures(1)] == [1] and list(source.twins()) == []


def test_another_captioner_on_a_data_set(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = evaluate(Colors(), open_source(f"jsonl:{dataset}", 0), out)
    assert result["regions"] == 2 and result["attributes"] == {}
    assert result["mean_accuracy"] is None and result["conflicts"] is None
    records = read_records(out / "predictions.jsonl")
    assert [r["answers"]["Color"] for r in records] == ["aarc Color red", "aarc Color black"]
    assert records[1]["dense"] == "rdc None black" and records[0]["trick"] is None
    assert [r["answer"] for r in read_records(out / "wholes.jsonl")] == ["cgic None black"]
    assert result["settings"]["model"]["name"] == "colors"
    pages = write_report(out)
    assert "colors on jsonl:data.jsonl" in pages[0].read_text()
    assert "colors" in pages[1].read_text()


def test_references_are_the_same_drawn_and_rendered(tmp_path: Path) -> None:
    list(render_split("test", 2, 0, tmp_path, workers=1))
    drawn = SynthSource("test", 0, workers=0).pictures()
    for rendered, live in zip(FolderSource(tmp_path, 0).pictures(), drawn, strict=False):
        assert rendered.whole == live.whole != ()
        assert [r.dense for r in rendered.regions] == [r.dense for r in live.regions]
        assert [r.references for r in rendered.regions] == [r.references for r in live.regions]
        assert set(live.regions[0].references) == set(live.regions[0].truth)
        assert rendered.path is not None and Path(rendered.path).is_file()


def test_names_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such"):
        open_source(f"jsonl:{tmp_path / 'nothing.jsonl'}")
    with pytest.raises(InputError):
        model_to_evaluate("no-such-model-anywhere")


def test_our_own_model_is_asked_as_before(tiny_folder: Path) -> None:
    spec = model_to_evaluate(str(tiny_folder), "cpu")
    assert spec.identity["name"] == tiny_folder.name and spec.ours
    assert spec.max_new_tokens == ANSWER_TOKENS
