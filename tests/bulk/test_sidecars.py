"""Names and texts of the files beside the images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finecaption.bulk.jobs import BatchJob
from finecaption.bulk.sidecars import Sidecars, _safe, to_text


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a", "a"),
        ("sub/a", "sub/a"),
        ("sub\\a", "sub/a"),
        ("//sub///a/", "sub/a"),
        ("./a/./b", "a/b"),
        ("../../up", "_/_/up"),
        ("a:b/c:d", "a_b/c_d"),
        ("a\0b", "a_b"),
        ("n" * 200, "n" * 200),
        ("日" * 66, "日" * 66),
        ("", "picture"),
        ("/", "picture"),
        (".", "picture"),
    ],
)
def test_names_are_paths_below_the_root(name: str, path: str) -> None:
    assert _safe(name) == path


@pytest.mark.parametrize("name", ["n" * 201, "日" * 67, "x/" + "n" * 300])
def test_names_that_are_too_long_are_cut_and_stay_different(name: str) -> None:
    found, other = _safe(name), _safe(name + "m")
    part = found.rpartition("/")[2]
    kept, dash, digest = part.rpartition("-")
    assert len(part.encode()) in range(198, 201) and dash and len(digest) == 12
    assert name.rpartition("/")[2].startswith(kept)
    assert found != other and other.startswith(found[:-12])


def region(name: str, box: list[int], dense: str | None = None, **said: str) -> dict[str, Any]:
    return {"id": name, "box": box, "captions": said, "dense": dense}


RED = region("1", [0, 1, 2, 3], Color="red")
BOTH = region("2", [4, 5, 6, 7], "Long.", Color="blue", Shape="round")
TEXTS: list[tuple[list[dict[str, Any]], str | None, str]] = [
    ([RED], None, "red"),
    ([], "All of it.", "All of it."),
    ([BOTH], None, "Color: blue\nShape: round\nIn detail: Long."),
    (
        [RED, BOTH],
        None,
        "Region 1 (box 0,1,2,3)\nColor: red\n\n"
        "Region 2 (box 4,5,6,7)\nColor: blue\nShape: round\nIn detail: Long.",
    ),
    (
        [RED],
        "All of it.",
        "Region 1 (box 0,1,2,3)\nColor: red\n\nWhole image\nIn detail: All of it.",
    ),
]


@pytest.mark.parametrize(("regions", "whole", "text"), TEXTS)
def test_answers_as_a_text(regions: list[dict[str, Any]], whole: str | None, text: str) -> None:
    assert to_text({"regions": regions, "global": whole}) == text


def record(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "regions": [RED], "global": None, **more}


def test_of_equal_names_each_gets_a_number(tmp_path: Path) -> None:
    sidecars = Sidecars(tmp_path, ("txt",))
    names = ["a.jpg", "a.png", "sub/a.jpg", "a.gif"]
    made = [sidecars.prepare(record(name), None) for name in names]
    finals = [path.relative_to(tmp_path).as_posix() for ((_, path),) in made]
    assert finals == ["a.txt", "a.2.txt", "sub/a.txt", "a.3.txt"]
    assert not (tmp_path / "a.txt").exists(), "prepared under a hidden name"
    sidecars.publish([pair for some in made for pair in some])
    assert sorted(path.name for path in tmp_path.glob("*.txt")) == ["a.2.txt", "a.3.txt", "a.txt"]
    assert (tmp_path / "a.txt").read_text() == "red\n"


def test_the_stem_of_a_record_counts_before_its_id(tmp_path: Path) -> None:
    ((_, path),) = Sidecars(tmp_path, ("txt",)).prepare(record("7", stem="deep/x"), None)
    assert path == tmp_path / "deep/x.txt"


def test_names_that_were_learned_are_forgotten_only_anew(tmp_path: Path) -> None:
    sidecars = Sidecars(tmp_path, ("txt",))
    sidecars.replay([record("a.jpg")])
    sidecars.begin("append", False)
    ((_, path),) = sidecars.prepare(record("a.png"), None)
    assert path.name == "a.2.txt"
    sidecars.begin("append", True)
    ((_, path),) = sidecars.prepare(record("a.png"), None)
    assert path.name == "a.txt"


def test_an_image_is_passed_over_when_all_its_files_are_there(tmp_path: Path) -> None:
    sidecars = Sidecars(tmp_path, ("txt", "png"))
    job = BatchJob("a.jpg", "a.jpg", stem="a")
    assert not sidecars.there(job)
    (tmp_path / "a.txt").touch()
    assert not sidecars.there(job)
    (tmp_path / "a.annotated.png").touch()
    assert sidecars.there(job) and not sidecars.there(BatchJob("a.jpg", "a.jpg"))
    assert not Sidecars(tmp_path, ("jsonl",)).there(job), "there are no files to look for"


def test_a_hidden_file_of_one_of_the_last_records_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finecaption.bulk.sidecars.LAST", 2)
    for name in "abc":
        (tmp_path / f".{name}.txt.part").write_text(name)
    Sidecars(tmp_path, ("txt",)).replay([record(f"{name}.jpg") for name in "abc"])
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == [".a.txt.part", "b.txt", "c.txt"]


def told(name: str, text: str) -> dict[str, Any]:
    return {"id": name, "regions": [region("1", [0, 0, 1, 1], text)], "global": None}


def test_files_are_on_the_disk_before_their_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("finecaption.bulk.sidecars.sync", synced.append)
    files = Sidecars(tmp_path, ("txt",))
    made = files.prepare(told("a/b", "One."), None)
    assert synced == [tmp_path / "a/.b.txt.part"]
    files.sync(made)
    assert synced[1:] == [tmp_path / "a"]


@pytest.mark.parametrize("mend", [True, False])
def test_files_that_are_lost_are_made_again_from_their_records(tmp_path: Path, mend: bool) -> None:
    records = [told(name, f"Text of {name}.") for name in ("a", "sub/b", "c", "d")]
    files = Sidecars(tmp_path, ("txt",))
    for one in records:
        files.publish(files.prepare(one, None))
    (tmp_path / "a.txt").unlink()
    (tmp_path / "sub/b.txt").unlink()
    (tmp_path / "sub").rmdir()
    (tmp_path / "c.txt").write_text("")
    (tmp_path / "d.txt").write_text("changed by hand")
    made = Sidecars(tmp_path, ("txt",)).replay(records, mend=mend)
    assert made == (3 if mend else 0)
    if mend:
        assert (tmp_path / "a.txt").read_text() == "Text of a.\n"
        assert (tmp_path / "sub/b.txt").read_text() == "Text of sub/b.\n"
        assert (tmp_path / "c.txt").read_text() == "Text of c.\n"
    assert (tmp_path / "d.txt").read_text() == "changed by hand"
    assert not list(tmp_path.rglob("*.part"))
