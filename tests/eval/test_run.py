"""From a model's folder to the table, with random weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finecaption.captioners import ModelSpec
from finecaption.errors import InputError
from finecaption.eval.data import EvalImage
from finecaption.eval.records import read_records
from finecaption.eval.run import evaluate, model_to_evaluate, rescore
from finecaption.io.checkpoint import fingerprint

from .conftest import ListSource

Drawn = tuple[list[EvalImage], dict]


def model_of(folder: Path) -> ModelSpec:
    return model_to_evaluate(str(folder), "cpu")


@pytest.fixture(scope="module")
def clickable_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with an untrained click segmenter."""
    from finecaption.segmentation.click import ClickDecoder, ClickDecoderConfig, save_segmenter

    folder = tmp_path_factory.mktemp("clickable") / "tiny"
    shutil.copytree(tiny_folder, folder)
    config = ClickDecoderConfig(
        image_size=64, hidden_size=16, mlp_dim=16, num_attention_heads=2, iou_head_hidden_dim=16,
        refine_channels=8, refine_width=4,
    )  # fmt: skip
    save_segmenter(ClickDecoder(config), folder)
    return folder


@pytest.fixture(scope="module")
def source(drawn: Drawn) -> ListSource:
    """Three drawn scenes, at most two regions of each."""
    import dataclasses

    pictures = [dataclasses.replace(p, regions=p.regions[:2]) for p in drawn[0][:3]]
    return ListSource(pictures)


@pytest.fixture(scope="module")
def finished(
    clickable_folder: Path, source: ListSource, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("runs") / "whole"
    subject = model_of(clickable_folder)
    return out, evaluate(subject, source, out, limit=5, twins=3, clicks=2, batch=2)


def test_every_arrow_is_a_file(finished: tuple[Path, dict[str, Any]]) -> None:
    out, result = finished
    names = {"run.json", "predictions.jsonl", "wholes.jsonl", "twins.jsonl", "clicks.jsonl"}
    assert {p.name for p in out.iterdir()} == names | {"scores.json", "answers.jsonl", "table.md"}
    assert len(read_records(out / "wholes.jsonl")) == result["pictures"] == 3
    assert set(result["groups"]) == {"size", "fit", "seen", "part"}
    assert result["conflicts"]["regions"] == 5 and result["drawn"]["regions"] == 5
    assert json.loads((out / "scores.json").read_text()) == result
    assert len(read_records(out / "predictions.jsonl")) == result["regions"] <= 5
    assert len(read_records(out / "clicks.jsonl")) == 2
    assert 0 <= result["mean_accuracy"] < 0.5  # it babbles
    assert result["clicks"]["all"]["count"] == 2
    assert result["settings"]["limit"] == 5 and "torch" in result["versions"]
    assert "Mean over attributes" in (out / "table.md").read_text()


def test_answers_do_not_depend_on_the_batch(
    finished: tuple[Path, dict[str, Any]],
    clickable_folder: Path,
    source: ListSource,
    tmp_path: Path,
) -> None:
    evaluate(
        model_of(clickable_folder), source, tmp_path, limit=5, twins=0, clicks=0,
        batch=1,
    )  # fmt: skip
    assert read_records(tmp_path / "predictions.jsonl") == read_records(
        finished[0] / "predictions.jsonl"
    )


def test_any_step_reruns_alone(
    finished: tuple[Path, dict[str, Any]],
    clickable_folder: Path,
    source: ListSource,
    tmp_path: Path,
) -> None:
    out = tmp_path / "copy"
    shutil.copytree(finished[0], out)
    for name in ("scores.json", "table.md"):
        (out / name).unlink()
    assert rescore(out) == finished[1]
    (out / "clicks.jsonl").unlink()
    with pytest.raises(InputError, match="not finished"):
        rescore(out)
    again = evaluate(model_of(clickable_folder), source, out, limit=5, twins=3, clicks=2, batch=2)
    assert {**again, "steps": None} == {**finished[1], "steps": None}  # seconds differ


def test_another_run_is_refused(
    finished: tuple[Path, dict[str, Any]], clickable_folder: Path, tiny_folder: Path,
    source: ListSource,
) -> None:  # fmt: skip
    run: Callable[..., Any] = evaluate
    subject = model_of(clickable_folder)
    for changed, said in (
        ((subject, source, dict(limit=6, twins=3, clicks=2)), "limit was 5, now 6"),
        ((model_of(tiny_folder), source, dict(limit=5, twins=3)), "model was"),
        (
            (subject, ListSource([], identity={"name": "b", "x": 1}), dict(limit=5, twins=3)),
            "data was",
        ),
    ):
        with pytest.raises(InputError, match=said):
            run(*changed[:2], finished[0], **changed[2])


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"twins": -1}, {"clicks": -1}, {"batch": 0}])
def test_numbers_out_of_range(
    tiny_folder: Path, source: ListSource, tmp_path: Path, wrong: dict[str, int]
) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))}: is"):
        evaluate(model_of(tiny_folder), source, tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


def test_a_model_without_segmenter_is_not_clicked(tiny_folder: Path) -> None:
    assert not model_of(tiny_folder).clicks


def test_the_fingerprint_is_of_the_weights(tiny_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "moved"
    shutil.copytree(tiny_folder, copy)
    (copy / "provenance.json").write_text("{}")
    assert fingerprint(copy) == fingerprint(tiny_folder)
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert fingerprint(copy) != fingerprint(tiny_folder)
