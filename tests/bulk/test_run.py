"""Whole runs with a model without torch: records, errors, resuming, what is there already."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from finecaption.bulk import BatchSummary, Layout, caption_bulk, open_jobs
from finecaption.bulk.pipeline import Batching
from finecaption.decoding import Decoding
from finecaption.errors import FineCaptionError, InputError
from tests.bulk.running import COLOR, Draw, Run, ids, lines, run_settings


def test_every_picture_once_and_errors_aside(
    run: Run, tmp_path: Path, pictures: Path, good: list[str], bad: list[str]
) -> None:
    seen: list[int] = []
    summary = run(told=lambda now: seen.append(now.described))
    out = tmp_path / "out/c.jsonl"
    assert ids(out) == good
    assert (summary.described, summary.failed, summary.passed) == (5, 4, 0)
    assert summary.regions == 6 and seen[-1] == 5
    failed = lines(tmp_path / "out/errors.jsonl")
    assert sorted(record["id"] for record in failed) == bad
    assert all(record["error"] and record["out"] == "c.jsonl" for record in failed)
    first, second, third = lines(out)[:3]
    assert first["regions"][0]["box"] == [2, 3, 10, 9]
    assert first["regions"][0]["captions"]["Color"].startswith("Color 48 of ")
    assert [region["id"] for region in second["regions"]] == ["1", "2"]
    # attributes of a picture without regions are asked of all of it
    assert [region["id"] for region in third["regions"]] == ["whole"]
    assert third["image"] == str(pictures / "sub/a.jpg") and third["global"] is None
    assert (third["width"], third["height"], third["model"]) == (24, 16, "stub")


def test_without_a_question(run: Run, tmp_path: Path) -> None:
    run(settings=run_settings())
    first, _, third = lines(tmp_path / "out/c.jsonl")[:3]
    region = first["regions"][0]
    assert list(region["captions"]) == ["One-Sentence Description"] and region["dense"]
    assert first["global"] is None
    assert third["regions"] == [] and third["global"].startswith("all ")


def test_an_output_that_is_there_is_not_touched(run: Run, tmp_path: Path) -> None:
    run()
    before = (tmp_path / "out/c.jsonl").read_bytes()
    with pytest.raises(InputError, match="--resume .* --on-existing"):
        run()
    with pytest.raises(InputError, match="give one of them"):
        run(resume=True, on_existing="skip")
    with pytest.raises(InputError, match="must be one of"):
        run(on_existing="merge")
    assert (tmp_path / "out/c.jsonl").read_bytes() == before


@pytest.mark.parametrize("keep", [0, 1, 3, 5])
def test_resume_after_a_torn_line(
    run: Run, tmp_path: Path, keep: int, good: list[str], bad: list[str]
) -> None:
    run()
    out = tmp_path / "out/c.jsonl"
    whole = out.read_bytes()
    kept = b"".join(whole.splitlines(keepends=True)[:keep])
    out.write_bytes(kept + b'{"id": "torn.png", "pla')
    summary = run(resume=True)
    assert out.read_bytes() == whole
    assert (summary.passed, summary.described, summary.failed) == (keep, 5 - keep, 4)
    assert sorted(r["id"] for r in lines(tmp_path / "out/errors.jsonl")) == bad


@pytest.mark.parametrize("keep", range(5))
def test_resume_knows_records_of_one_id_by_their_place(
    run: Run, tmp_path: Path, pictures: Path, keep: int
) -> None:
    """Lines of a manifest may share an id; a resumed run repeats none of them, and skips none."""
    manifest = tmp_path / "m.jsonl"
    entries = [("a.jpg", [0, 0, 4, 4]), ("b.png", [1, 1, 5, 5])] * 2
    manifest.write_text(
        "".join(
            json.dumps({"id": "same", "image": str(pictures / name), "box": box}) + "\n"
            for name, box in entries
        )
    )
    run(source=manifest)
    out = tmp_path / "out/c.jsonl"
    whole = out.read_bytes()
    records = lines(out)
    assert [(r["id"], r["place"]) for r in records] == [("same", f"line {n}") for n in (1, 2, 3, 4)]
    out.write_bytes(b"".join(whole.splitlines(keepends=True)[:keep]))
    summary = run(source=manifest, resume=True)
    assert (summary.passed, summary.described) == (keep, 4 - keep)
    assert out.read_bytes() == whole


@pytest.mark.parametrize(
    ("line", "name", "place"),
    [
        ('{"id": "a", "image": "x"}', "a", ""),
        ('{"id": "a", "place": "line 2", "image": "x"}', "a", "line 2"),
        ('{"id": "b\\"", "place": "\\u00e9"}', 'b"', "é"),
        ('{"id": "c", "image": "x", "place": "not its own place"}', "c", ""),
    ],
)
def test_done_are_the_keys_of_id_and_place(
    tmp_path: Path, line: str, name: str, place: str
) -> None:
    from finecaption.bulk.jobs import key_of
    from finecaption.bulk.journal import Journal

    path = tmp_path / "c.jsonl"
    path.write_text(line + "\n")
    journal = Journal(path, tmp_path / ".c.jsonl.run")
    try:
        assert journal.done().tolist() == [key_of(name, place)]
        assert key_of(name, place) != key_of(name, place + "x") != key_of(name + "x", place)
        path.write_text(line + '\n{"place": "x", "id": "a"}\n')
        with pytest.raises(InputError, match="line 2 of this run is no record"):
            journal.done()
    finally:
        journal.close()


def test_resume_takes_up_what_was_mended_and_what_is_new(
    run: Run, tmp_path: Path, pictures: Path, draw: Draw, good: list[str]
) -> None:
    run()
    draw(pictures / "torn.png", 7)
    draw(pictures / "new.png", 8)
    (pictures / "a.jpg").unlink()  # what is gone since does no harm
    summary = run(resume=True)
    assert (summary.passed, summary.described, summary.failed) == (4, 2, 4)
    assert sorted(ids(tmp_path / "out/c.jsonl")) == sorted([*good, "torn.png", "new.png"])
    failed = [record["id"] for record in lines(tmp_path / "out/errors.jsonl")]
    assert "torn.png" not in failed and "a.mask.png" in failed


def test_resume_refuses_other_settings(
    run: Run, tmp_path: Path, stub: ModuleType, draw: Draw
) -> None:
    run()
    draw(tmp_path / "other" / "a.jpg")
    changes: list[tuple[dict[str, Any], str]] = [
        ({"settings": run_settings("Hair")}, "attributes: was Color, is Hair"),
        ({"settings": run_settings("Color", dense=True)}, "dense: was off, is on"),
        (
            {"settings": run_settings("Color", decoding=Decoding(seed=3))},
            "decoding seed: was not set, is 3",
        ),
        ({"model": stub.StubSpec("else")}, "model name: was stub, is else"),
        ({"source": tmp_path / "other"}, "source: was folder"),
        ({"formats": "txt"}, "sidecars: was none, is txt"),
    ]
    for change, says in changes:
        with pytest.raises(InputError, match="other settings") as error:
            run(resume=True, **change)
        assert says in str(error.value)
    (tmp_path / "out/.c.jsonl.run").write_text("{")
    with pytest.raises(InputError, match="is not known"):
        run(resume=True)


def test_a_run_that_is_done_takes_no_time(run: Run, tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "one" / "a.png")
    before = run(source=tmp_path / "one")
    assert (before.described, before.failed, before.passed, before.regions) == (1, 0, 0, 1)
    assert 0 < before.seconds < 600
    told: list[BatchSummary] = []
    after = run(source=tmp_path / "one", resume=True, told=told.append)
    assert (after.described, after.failed, after.passed, after.regions) == (0, 0, 1, 0)
    assert after.seconds == 0 and after.omitted == 0 and told == []


def test_regions_and_paragraphs_are_counted(run: Run, tmp_path: Path) -> None:
    assert run(settings=run_settings("Color", whole=True)).regions == 6 + 5
    assert run("out/d.jsonl", settings=run_settings(whole=True)).regions == 3 + 5


def test_resume_without_anything_begins(run: Run, tmp_path: Path, good: list[str]) -> None:
    run(resume=True)
    assert ids(tmp_path / "out/c.jsonl") == good


def test_a_line_that_is_no_record_is_told(run: Run, tmp_path: Path) -> None:
    run()
    out = tmp_path / "out/c.jsonl"
    whole = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join([whole[0], b"what is this\n", *whole[1:]]))
    with pytest.raises(InputError, match="line 2 of this run is no record"):
        run(resume=True)


def test_skip_overwrite_append(run: Run, tmp_path: Path, good: list[str]) -> None:
    hair = run_settings("Hair")
    out = tmp_path / "out/c.jsonl"
    run()
    two = out.read_bytes().splitlines(keepends=True)[:2]
    out.write_bytes(b"".join(two))
    summary = run(settings=hair, on_existing="skip")
    assert (summary.passed, summary.described) == (2, 3)
    asked = [list(record["regions"][0]["captions"]) for record in lines(out)]
    assert asked == [["Color"]] * 2 + [["Hair"]] * 3
    run(settings=COLOR, on_existing="append")
    assert ids(out) == good + good
    # a killed run that appends goes on behind what was there before
    out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:7]))
    summary = run(resume=True)
    assert (summary.passed, summary.described) == (2, 3)
    assert ids(out) == good + good
    run(settings=hair, on_existing="overwrite")
    assert ids(out) == good
    assert {name for r in lines(out) for name in r["regions"][0]["captions"]} == {"Hair"}


def test_one_run_at_a_time(run: Run, tmp_path: Path) -> None:
    from finecaption.bulk.journal import Journal

    journal = Journal(tmp_path / "out/c.jsonl", tmp_path / "out/.c.jsonl.run")
    try:
        with pytest.raises(InputError, match="another run is writing it"):
            run()
    finally:
        journal.close()
    assert not (tmp_path / "out/c.jsonl").exists(), "nothing was written: nothing is left"


def test_a_full_disk_leaves_whole_lines(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: list[str]
) -> None:
    real = os.write
    left = 1500

    def write(file: int, data: Any) -> int:
        nonlocal left
        if os.readlink(f"/proc/self/fd/{file}").endswith("c.jsonl"):
            if left <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = data[:left]
            left -= len(data)
        return real(file, data)

    monkeypatch.setattr("os.write", write)
    with pytest.raises(FineCaptionError, match="No space left on device.*--resume") as error:
        run()
    assert not isinstance(error.value, InputError)
    out = tmp_path / "out/c.jsonl"
    assert ids(out) == good[: len(ids(out))] and len(ids(out)) < 5
    monkeypatch.undo()
    run(resume=True)
    assert ids(out) == good


def test_a_disk_that_is_full_at_the_last_batch_is_told(
    run: Run, tmp_path: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "one" / "a.png")
    real = os.write

    def write(file: int, data: Any) -> int:
        if os.readlink(f"/proc/self/fd/{file}").endswith("c.jsonl"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, data)

    monkeypatch.setattr("os.write", write)
    with pytest.raises(FineCaptionError, match="No space left on device"):
        run(source=tmp_path / "one")


def test_an_interruption_keeps_what_was_said(run: Run, tmp_path: Path, good: list[str]) -> None:
    def interrupt(summary: BatchSummary) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(told=interrupt)
    out = tmp_path / "out/c.jsonl"
    assert ids(out) == good[:2]
    assert run(resume=True).passed == 2 and ids(out) == good


def test_pictures_that_are_no_files(stub: ModuleType, tmp_path: Path) -> None:
    from finecaption.bulk.jobs import BatchJob
    from finecaption.bulk.sources import Jobs

    made = [BatchJob(str(n), np.full((16, 24, 3), n, np.uint8)) for n in (1, 2)]
    jobs = Jobs("arrays", lambda: iter(made), lambda: 2)
    layout = Layout.of(tmp_path / "c.jsonl", ["html", "png"])
    summary = caption_bulk(jobs, layout, COLOR, stub.StubSpec())
    assert [record["image"] for record in lines(tmp_path / "c.jsonl")] == [None, None]
    assert (tmp_path / "c/1.annotated.png").exists() and summary.failed == 0
    assert "inside a dataset" in (tmp_path / "c.html").read_text("utf-8")


def test_one_bad_picture_does_not_cost_its_batch(
    run: Run, tmp_path: Path, stub: ModuleType, pictures: Path, draw: Draw, good: list[str]
) -> None:
    draw(pictures / "odd.png", 1, (13, 13))
    summary = run(model=stub.StubSpec(bad=str(pictures / "b.png")))
    assert ids(tmp_path / "out/c.jsonl") == [name for name in good if name != "b.png"]
    said = {r["id"]: r["error"] for r in lines(tmp_path / "out/errors.jsonl")}
    assert "RuntimeError: no such luck" in said["b.png"] and "13 by 13" in said["odd.png"]
    assert summary.failed == 6


def test_a_model_that_always_fails_stops_the_run(
    run: Run, stub: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(FineCaptionError, match="fails for every image.*no such luck"):
        run(model=stub.StubSpec(bad="*"), batching=Batching(pictures=1, threads=1))
    assert not (tmp_path / "out/c.jsonl").exists()


def test_pictures_that_vanish_meanwhile(
    run: Run, tmp_path: Path, pictures: Path, draw: Draw
) -> None:
    for number in range(30):
        draw(pictures / "later" / f"{number:02}.png", number)

    def told(summary: BatchSummary) -> None:
        if summary.described >= 5:  # the folder has been listed, the picture not yet opened
            (pictures / "later" / "29.png").unlink(missing_ok=True)

    run(told=told, batching=Batching(pictures=1, threads=1))
    said = {r["id"]: r["error"] for r in lines(tmp_path / "out/errors.jsonl")}
    assert "no such file" in said["later/29.png"]
    assert "later/28.png" in ids(tmp_path / "out/c.jsonl")


def test_errors_of_other_outputs_stay(run: Run, tmp_path: Path) -> None:
    run("out/one.jsonl")
    run("out/two.jsonl")
    run("out/two.jsonl", resume=True)
    outs = [record["out"] for record in lines(tmp_path / "out/errors.jsonl")]
    assert sorted(outs) == ["one.jsonl"] * 4 + ["two.jsonl"] * 4
    run("out/three.jsonl", errors=tmp_path / "mine.jsonl")
    assert len(lines(tmp_path / "mine.jsonl")) == 4


def test_batches_are_as_large_as_they_may_be(stub: ModuleType, tmp_path: Path, draw: Draw) -> None:
    from finecaption.bulk.pipeline import PhaseClock, outcomes

    for number in range(10):
        draw(tmp_path / f"{number}.png", number)
    engine = stub.StubSpec(pause=0.02).open()
    clock = PhaseClock()
    batches = list(outcomes(open_jobs([str(tmp_path)]), engine, COLOR, Batching(4, 100, 2), clock))
    assert engine.batches == [4, 4, 2] and [len(batch) for batch in batches] == [4, 4, 2]
    assert clock.batches == 3 and clock.model >= 0.06
    engine = stub.StubSpec().open()
    list(outcomes(open_jobs([str(tmp_path)]), engine, COLOR, Batching(4, 2, 2)))
    assert engine.batches == [2] * 5, "regions count too"
