from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finecaption.errors import InputError
from finecaption.eval import steps
from finecaption.eval.data import EvalImage
from finecaption.eval.records import RunFolder, read_records
from finecaption.eval.shards import merge, shard_folder
from finecaption.eval.steps import Shard, run_step
from finecaption.request import DENSE, Request
from finecaption.results import CaptionResult, caption_of
from finecaption_synth.evaluation.known_truth import trick_question
from finecaption_synth.vocabulary import inapplicable

from .conftest import DiskClicker, ListSource, region


class Echo:
    """Answers with the attribute and the area of the mask; counts batches, and may die."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.batches = 0
        self.dies_at = dies_at

    def caption_batch(
        self, requests: Sequence[Request], *, progress: object = None
    ) -> list[CaptionResult]:
        self.batches += 1
        if self.batches == self.dies_at:
            raise KeyboardInterrupt
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> CaptionResult:
        if request.questions.whole:
            return CaptionResult((), f"picture {request.image[0, 0, 0]}")
        (region,), names = request.regions, request.questions.region_names
        texts = ["in detail" if n == DENSE else f"{n} {region.mask.sum()}" for n in names]
        return CaptionResult((caption_of(region, names, texts),))


def run(path: Path, pictures: list[EvalImage], echo: Echo, limit: int = 12) -> bytes:
    folder = RunFolder(path, {"limit": limit})
    run_step(steps.predictions(ListSource(pictures), echo), folder, limit, batch=2)
    return (path / "predictions.jsonl").read_bytes()


def test_a_record_a_region_up_to_the_limit(tmp_path: Path, plain: list[EvalImage]) -> None:
    run(tmp_path, plain, Echo(), limit=5)
    records = read_records(tmp_path / "predictions.jsonl")
    assert [(r["picture"], r["region_id"]) for r in records] == [
        ("plain-0", 1), ("plain-1", 1), ("plain-1", 2), ("plain-2", 1), ("plain-2", 2),
    ]  # fmt: skip
    first = records[0]
    assert first["box"] == [2, 1, 8, 9]
    assert first["answers"] == {"Category Name": "Category Name 48", "Color": "Color 48"}
    assert first["truth"]["Color"] == {"colour": ["red"]}
    assert first["trick"]["answer"] == f"{first['trick']['attribute']} 48"


def test_a_source_that_ends_early(tmp_path: Path, plain: list[EvalImage]) -> None:
    run(tmp_path, plain, Echo(), limit=100)
    assert len(read_records(tmp_path / "predictions.jsonl")) == 13
    assert RunFolder.existing(tmp_path).done("predictions")


@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_a_run_that_died_ends_the_same(
    tmp_path: Path, plain: list[EvalImage], dies_at: int
) -> None:
    whole = run(tmp_path / "a", plain, Echo())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", plain, Echo(dies_at))
    assert run(tmp_path / "b", plain, Echo()) == whole


@pytest.mark.parametrize("share", [0.0, 0.2, 0.45, 0.71, 0.99, 1.0])
def test_a_file_torn_anywhere_ends_the_same(
    tmp_path: Path, plain: list[EvalImage], share: float
) -> None:
    whole = run(tmp_path / "a", plain, Echo())
    torn = RunFolder(tmp_path / "b", {"limit": 12}).records("predictions")
    torn.path.write_bytes(whole[: round(len(whole) * share)])
    assert run(tmp_path / "b", plain, Echo()) == whole


def test_paragraphs_are_asked_where_the_task_is(tmp_path: Path, plain: list[EvalImage]) -> None:
    told = [
        replace(p, whole=("A picture.",) if p.index % 2 else (), path=f"p{p.index}.png")
        for p in plain
    ]
    source, folder = ListSource(told), RunFolder(tmp_path, {})
    run_step(steps.predictions(source, Echo(), ("aarc", "rdc")), folder, 5, 2)
    run_step(steps.wholes(source, Echo(), last=3), folder, None, 2)
    records = read_records(tmp_path / "predictions.jsonl")
    assert {r["dense"] for r in records} == {"in detail"}
    assert set(records[0]["answers"]) == {"Category Name", "Color"}
    assert records[0]["box_iou"] == 1 and records[0]["image"] == "p0.png"
    wholes = read_records(tmp_path / "wholes.jsonl")
    assert [(r["index"], r["answer"]) for r in wholes] == [(1, "picture 1"), (3, "picture 3")]
    assert wholes[0]["references"] == ["A picture."] and wholes[0]["size"] == [40, 40]


def test_without_the_attribute_task_none_is_asked(tmp_path: Path, plain: list[EvalImage]) -> None:
    step = steps.predictions(ListSource(plain), Echo(), ("rdc",))
    run_step(step, RunFolder(tmp_path, {}), 2, 2)
    record = read_records(tmp_path / "predictions.jsonl")[0]
    assert (record["answers"], record["trick"], record["dense"]) == ({}, None, "in detail")


@pytest.mark.parametrize("of", [1, 2, 3, 5])
@pytest.mark.parametrize("limit", [None, 6])
def test_shards_come_together_as_one_run(
    tmp_path: Path, plain: list[EvalImage], of: int, limit: int | None
) -> None:
    whole = RunFolder(tmp_path / "whole", {})
    run_step(steps.predictions(ListSource(plain), Echo()), whole, limit, 2)
    for number in reversed(range(of)):
        shard = Shard(number, of)
        folder = RunFolder(shard_folder(tmp_path / "all", shard), {})
        step = steps.predictions(ListSource(plain), Echo())
        run_step(step, folder, limit, 2, shard=shard)
        if of > 1:
            assert merge(tmp_path / "all", shard, ["predictions"]) == (number == 0)
    files = [tmp_path / name / "predictions.jsonl" for name in ("whole", "all")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.97, 1.0])
def test_a_torn_shard_ends_the_same(tmp_path: Path, plain: list[EvalImage], share: float) -> None:
    shard, told = Shard(0, 2), []
    for name in ("a", "b"):
        folder = RunFolder(tmp_path / name, {})
        if told:
            torn = told[0][: round(len(told[0]) * share)]
            folder.records("predictions").path.write_bytes(torn)
        step = steps.predictions(ListSource(plain), Echo())
        run_step(step, folder, None, 2, shard=shard)
        told.append((tmp_path / name / "predictions.jsonl").read_bytes())
    assert told[0] == told[1]


def test_a_finished_batch_of_a_shard_is_not_asked_again(
    tmp_path: Path, plain: list[EvalImage]
) -> None:
    whole, again, shard = Echo(), Echo(), Shard(0, 2)
    for path, echo in ((tmp_path / "a", whole), (tmp_path / "b", again)):
        folder = RunFolder(path, {})
        if echo is again:
            lines = (tmp_path / "a" / "predictions.jsonl").read_bytes().splitlines(True)
            folder.records("predictions").path.write_bytes(b"".join(lines[:-1]))
        run_step(steps.predictions(ListSource(plain), echo), folder, None, 2, shard=shard)
    assert whole.batches == 2 and again.batches == 1


@pytest.mark.parametrize("wrong", ["2/2", "1", "a/b", "-1/3", "0/0"])
def test_shards_that_are_none(wrong: str) -> None:
    with pytest.raises(InputError, match="I/N"):
        Shard.parse(wrong)


def test_what_is_done_is_not_asked_again(tmp_path: Path, plain: list[EvalImage]) -> None:
    run(tmp_path, plain, Echo())
    again = Echo()
    run(tmp_path, plain, again)
    assert again.batches == 0


def test_progress_is_told_after_each_batch(tmp_path: Path, plain: list[EvalImage]) -> None:
    told: list[tuple[str, int, int]] = []
    step = steps.predictions(ListSource(plain), Echo())
    run_step(step, RunFolder(tmp_path, {}), 5, 2, lambda *state: told.append(state))
    assert told == [("predictions", 3, 5), ("predictions", 5, 5)]


def test_twins_are_pairs_with_both_answers(tmp_path: Path) -> None:
    near = region(1, (0, 0, 20, 20)), region(2, (0, 0, 20, 19), category="tree")
    pictures = [
        EvalImage(0, "none", np.zeros((40, 40, 3), np.uint8), near[:1]),
        EvalImage(1, "pair", np.zeros((40, 40, 3), np.uint8), near),
    ]
    run_step(steps.twins(ListSource(pictures), Echo()), RunFolder(tmp_path, {}), 9, 2)
    (record,) = read_records(tmp_path / "twins.jsonl")
    assert record["picture"] == "pair" and record["iou"] == 0.95
    assert [r["answers"]["Color"] for r in record["regions"]] == ["Color 400", "Color 380"]
    assert [r["truth"]["Category Name"]["category"] for r in record["regions"]] == [
        ["car"],
        ["tree"],
    ]


def test_clicks_follow_the_error(tmp_path: Path) -> None:
    y, x = np.mgrid[:40, :40]
    disk = np.hypot(y - 20, x - 20) < 12
    picture = EvalImage(
        3, "disk", np.full((40, 40, 3), 3, np.uint8), (region(1, (0, 0, 9, 9), mask=disk),)
    )
    step = steps.clicks(ListSource([picture]), DiskClicker({3: disk}, exact_after=3))
    run_step(step, RunFolder(tmp_path, {}), 9, 2)
    (record,) = read_records(tmp_path / "clicks.jsonl")
    box = disk.sum() / 23**2
    assert record["iou"] == pytest.approx([box, box, 1, 1, 1], abs=1e-4)
    assert record["region_id"] == 1 and record["part_of"] is None


def test_trick_questions_cannot_apply() -> None:
    assert inapplicable("man") == ("Materials/Texture", "Shape")
    assert "State or Activity" in inapplicable("hoop")
    assert "Body Pose/Gesture" in inapplicable("hat") and "Hair" in inapplicable("car")
    assert "Body Pose/Gesture" not in inapplicable("cat") and "Age Range" in inapplicable("cat")
    assert trick_question("man", "p", 1) in inapplicable("man")
    drawn = {trick_question("car", f"p{i}", 1) for i in range(60)}
    assert drawn == set(inapplicable("car"))
