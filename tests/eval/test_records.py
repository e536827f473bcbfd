from __future__ import annotations

import json
from pathlib import Path

import pytest

from finecaption.errors import InputError
from finecaption.eval.records import RecordFile, RunFolder, read_json, read_records

RECORDS = [{"index": i, "k": k} for i in range(4) for k in range(2)]


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    RecordFile(path).append(RECORDS[:3])
    path.write_bytes(path.read_bytes()[:-4])
    assert read_records(path) == RECORDS[:2]


def test_a_last_line_of_rubbish_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    RecordFile(path).append(RECORDS[:2])
    path.write_bytes(path.read_bytes() + b"\0\0\0\n")
    assert read_records(path) == RECORDS[:2]


def test_rubbish_in_the_middle_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"index": 0}\nrubbish\n{"index": 1}\n')
    with pytest.raises(InputError, match="line 2"):
        read_records(path)
    path.write_text('{"index": 0}\n[1]\n{"index": 1}\n')
    with pytest.raises(InputError, match="line 2"):
        read_records(path)


def test_resume_cuts_back_to_the_last_whole_batch(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "x.jsonl")
    assert file.resume(2) == ([], None)
    file.append(RECORDS)
    assert file.resume(2) == (RECORDS[:4], 2)
    assert read_records(file.path) == RECORDS[:4]
    assert file.resume(3) == ([], 0)
    assert file.path.read_bytes() == b""


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    model = {"name": "a", "sha256": "1"}
    RunFolder(tmp_path / "run", {"limit": 5, "model": model})
    RunFolder(tmp_path / "run", {"limit": 5, "model": {"name": "moved", "sha256": "1"}})
    with pytest.raises(InputError, match="limit was 5, now 6"):
        RunFolder(tmp_path / "run", {"limit": 6, "model": model})
    with pytest.raises(InputError, match="model was"):
        RunFolder(tmp_path / "run", {"limit": 5, "model": {"name": "a", "sha256": "2"}})


def test_a_folder_with_strange_records_is_refused(tmp_path: Path) -> None:
    (tmp_path / "predictions.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"predictions\.jsonl"):
        RunFolder(tmp_path, {})


def test_out_may_not_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="is a file"):
        RunFolder(tmp_path / "out", {})


def test_finished_steps_are_remembered_until_their_file_goes(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, {"limit": 1}, lambda: {"versions": {"x": "1"}})
    folder.records("clicks").append([])
    folder.finish("clicks", {"records": 0})
    again = RunFolder.existing(tmp_path)
    assert again.done("clicks") and not again.done("twins")
    assert json.loads((tmp_path / "run.json").read_text())["versions"] == {"x": "1"}
    (tmp_path / "clicks.jsonl").unlink()
    assert not again.done("clicks")


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "scores.json")
    with pytest.raises(InputError, match="no such file"):
        read_records(tmp_path / "x.jsonl")
    with pytest.raises(InputError, match="whole evaluation first"):
        RunFolder.existing(tmp_path)
    (tmp_path / "scores.json").write_text("{")
    with pytest.raises(InputError, match="as JSON"):
        read_json(tmp_path / "scores.json")
