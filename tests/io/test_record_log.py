"""Logs after kills, full disks and power failures; one writer at a time."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from finecaption.errors import InputError
from finecaption.io import record_log
from finecaption.io.record_log import Note, RecordLog, read_records, scan, to_line

RECORDS = [{"id": "a"}, {"id": "é"}, {"id": "c", "n": [1, None]}]
WHOLE = b'{"id": "a"}\n{"id": "\xc3\xa9"}\n{"id": "c", "n": [1, null]}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "log.jsonl"


@pytest.fixture
def written(path: Path) -> Path:
    """A log of RECORDS."""
    with RecordLog(path) as log:
        log.append(RECORDS[:2])
        log.append(RECORDS[2:])
    return path


def test_records_are_lines_of_utf_8(written: Path) -> None:
    assert written.read_bytes() == WHOLE
    assert list(read_records(written)) == RECORDS
    assert [end for _, end in scan(written)] == [12, 25, len(WHOLE)]
    assert list(read_records(written, 12)) == RECORDS[1:]
    name = os.fsdecode(b"\xff.png")  # a file name that is no UTF-8
    assert json.loads(to_line({"id": name}))["id"] == name


TORN = [
    b'{"id": "d", "te',
    b'{"id": "d"}',  # whole but for the line end: it was never acknowledged
    b"\0\0\0\0",
    b"\0\0\0\n",  # the end is on the disk, the middle is not
    b'{"id": "d", \n',
    b'{"id": "' + b"x" * 200_000,  # longer than what is looked at at once
]


@pytest.mark.parametrize("at_once", [3, 1 << 16])
@pytest.mark.parametrize("tail", TORN)
@pytest.mark.parametrize("before", [b"", WHOLE])
def test_a_torn_tail_is_passed_over_by_readers_and_cut_by_the_writer(
    path: Path, before: bytes, tail: bytes, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_log, "_TAIL", at_once)
    path.parent.mkdir()
    path.write_bytes(before + tail)
    records = RECORDS if before else []
    assert list(read_records(path)) == records
    assert path.read_bytes() == before + tail, "a reader changes nothing"
    with RecordLog(path) as log:
        assert path.read_bytes() == before + tail, "nor does opening"
        log.append([{"id": "d"}])
    assert path.read_bytes() == before + b'{"id": "d"}\n'


@pytest.mark.parametrize("line", [b"rubbish\n", b"[1]\n", b"\n"])
@pytest.mark.parametrize("last", [True, False])
def test_a_line_that_is_no_record_is_named_and_kept(path: Path, line: bytes, last: bool) -> None:
    path.parent.mkdir()
    content = WHOLE + line + (b"" if last else WHOLE)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"log\.jsonl: line 4: is not .*; mend or remove it"):
        list(read_records(path))
    with pytest.raises(InputError, match="line 3: "):
        list(read_records(path, 12))
    with RecordLog(path) as log:
        log.cut_torn_tail()
    assert path.read_bytes() == content


def test_a_torn_line_in_the_middle_is_an_error(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"id": "a\n' + WHOLE)
    with pytest.raises(InputError, match="line 1: is not JSON"):
        list(read_records(path))


def test_a_full_disk_leaves_no_part_of_a_line(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    room = [7, 0]

    def write(file: int, data: Any) -> int:
        size = room.pop(0)
        if not size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, data[:size])

    with RecordLog(written) as log:
        monkeypatch.setattr(os, "write", write)
        with pytest.raises(OSError, match="No space left"):
            log.append(RECORDS)
        monkeypatch.undo()
        assert written.read_bytes() == WHOLE and log.size == len(WHOLE)
        log.append(RECORDS[:1])  # there is room again
    assert written.read_bytes() == WHOLE + b'{"id": "a"}\n'


def test_one_writer_at_a_time(written: Path) -> None:
    with RecordLog(written), pytest.raises(InputError, match="another run is writing it"):
        RecordLog(written)
    RecordLog(written).close()


def test_a_second_process_is_refused(written: Path) -> None:
    code = "import sys; from finecaption.io.record_log import RecordLog; RecordLog(sys.argv[1])"
    with RecordLog(written):
        done = subprocess.run(
            [sys.executable, "-c", code, str(written)], capture_output=True, text=True, timeout=60
        )
    assert done.returncode and "another run is writing it" in done.stderr


def test_a_log_without_a_record_goes_again(path: Path, written: Path) -> None:
    other = written.with_name("other.jsonl")
    assert RecordLog(other).close() is True
    assert not other.exists()
    other.touch()
    assert RecordLog(other).close() is False
    assert other.exists(), "it was there before"
    assert RecordLog(written).close() is False


def test_truncating_at_a_record(written: Path) -> None:
    with RecordLog(written) as log:
        log.truncate(25)
        assert log.size == 25
        log.truncate(1000)
        assert log.size == 25
    assert list(read_records(written)) == RECORDS[:2]


def test_a_log_that_was_there_empty_stays_until_a_record_comes(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with RecordLog(path) as log:
        assert log.size == 0
        log.append([])
        assert log.size == 0
        log.append(RECORDS)
        assert log.size == len(WHOLE)
    with RecordLog(path) as log:
        assert log.size == len(WHOLE)
    assert path.read_bytes() == WHOLE


def test_what_is_cut_off_is_on_the_disk_at_once_and_what_is_not_written_is_not(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_size))
    log = RecordLog(written, sync_seconds=1e9)
    log.sync()
    log.truncate(1000)
    log.append([])
    assert synced == []
    log.truncate(25)
    assert synced == [25]
    log.sync()
    assert synced == [25], "nothing is new"
    log.append(RECORDS[:1])
    log.close()
    assert synced == [25, 37]


@pytest.mark.parametrize(
    ("moments", "synced"),
    [
        ([0.0, 1.9, 1.9], 0),
        ([0.0, 2.0, 2.0], 1),
        # the time begins anew with each sync
        ([0.0, 2.5, 2.5, 4.4, 4.4], 1),
        ([0.0, 2.5, 2.5, 4.5, 4.5], 2),
    ],
)
def test_appending_syncs_once_the_time_is_over(
    path: Path, monkeypatch: pytest.MonkeyPatch, moments: list[float], synced: int
) -> None:
    """The clock is read at the beginning, by each append, and by each sync."""
    count = 0

    def note(file: int) -> None:
        nonlocal count
        count += 1

    clock = iter(moments)
    now = 0.0

    def monotonic() -> float:
        nonlocal now
        now = next(clock, now)
        return now

    monkeypatch.setattr(record_log.time, "monotonic", monotonic)
    log = RecordLog(path, sync_seconds=2.0)
    monkeypatch.setattr(os, "fsync", note)
    appends = 2 if len(moments) == 5 else 1
    for _ in range(appends):
        log.append(RECORDS[:1])
    assert count == synced
    log.close()


@pytest.mark.parametrize(("seconds", "synced"), [(0.0, [1, 2, 3]), (1e9, [0, 0, 0])])
def test_records_are_on_the_disk_when_append_returns_or_a_little_later(
    path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, synced: list[int]
) -> None:
    count = 0
    fsync = os.fsync

    def note(file: int) -> None:
        nonlocal count
        count += 1
        fsync(file)

    monkeypatch.setattr(os, "fsync", note)
    log = RecordLog(path, sync_seconds=seconds)
    seen = []
    for record in RECORDS:
        log.append([record])
        seen.append(count)
    log.close()
    assert seen == synced
    assert count == max(1, synced[-1]), "closing brings the rest"


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        RecordLog(tmp_path / "file" / "log.jsonl")
    with pytest.raises(FileNotFoundError):
        list(read_records(tmp_path / "none.jsonl"))


CHILD = """
import sys
from finecaption.io.record_log import RecordLog, read_records
log = RecordLog(sys.argv[1], sync_seconds=1e9)
number = sum(1 for _ in read_records(log.path))
while True:
    log.append([{"number": number, "text": "x" * 5000}])
    number += 1
"""


def test_killed_and_resumed(path: Path) -> None:
    size = 0
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)])
        end = time.monotonic() + 60
        while (path.stat().st_size if path.exists() else 0) < size + 50_000:
            assert child.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        numbers = [record["number"] for record in read_records(path)]
        assert numbers == list(range(len(numbers))) and len(numbers) >= (size + 50_000) // 5100
        size = path.stat().st_size


def test_notes(tmp_path: Path) -> None:
    note = Note(tmp_path / ".run")
    assert note.read() is None
    note.write({"model": "mini", "é": [1]})
    assert note.read() == {"model": "mini", "é": [1]}
    for broken in ("[1]", "{", "\udcff"):
        (tmp_path / ".run").write_text(broken, "utf-8", "surrogateescape")
        assert note.read() is None
    note.remove()
    note.remove()
    assert not list(tmp_path.iterdir())
