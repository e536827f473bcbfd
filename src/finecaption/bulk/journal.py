"""Records on disk: whole lines, appended; after a kill, what is there is known and goes on.

Beside the records stands a hidden file that says with which settings they were made, and where in
the file the last run began.
"""

from __future__ import annotations

import json
import os
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.bulk.jobs import key_of
from finecaption.bulk.settings import differences
from finecaption.errors import FineCaptionError, InputError

_SYNC_SECONDS = 2.0
_TAIL = 1 << 16  # bytes looked at at a time for the last line's end

_STRING = json.JSONDecoder()


class Journal:
    """The records of a run. One process at a time."""

    def __init__(self, path: Path, run: Path) -> None:
        """Opens the file, and makes it if need be.

        Raises:
            InputError: it cannot be written, or another process has it.
        """
        self.path, self._run = path, run
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made = not path.exists()
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            self._file = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error
        try:
            _lock(self._file, path)
        except InputError:
            os.close(self._file)
            raise
        self._size = os.fstat(self._file).st_size
        self._synced = time.monotonic()
        note = self._note()
        self._begin = 0 if note is None else note[1]
        self.mode = "new"

    @property
    def empty(self) -> bool:
        """Whether there is no record."""
        return self._size == 0

    def begin(self, settings: Mapping[str, Any], mode: str) -> None:
        """A new run: notes its settings.

        Args:
            settings: plain JSON values.
            mode: what becomes of records that are there: "overwrite" drops them, "skip" keeps
                them and counts them as done, "append" keeps them and counts them not; "new"
                stands for a file without any.
        """
        if mode == "overwrite":
            self._truncate(0)
        self._cut()
        self._begin = self._size if mode == "append" else 0
        self.mode = mode
        note = {"settings": dict(settings), "begin": self._begin, "mode": mode}
        part = self._run.with_name(f"{self._run.name}.part")
        with self._told():
            with part.open("w", encoding="utf-8") as stream:
                json.dump(note, stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(part, self._run)

    def resume(self, settings: Mapping[str, Any]) -> None:
        """Goes on with the last run.

        Raises:
            InputError: it had other settings, or it is not known which.
        """
        note = self._note()
        if note is None:
            raise InputError(
                f"--resume: what {self.path} was made with is not known ({self._run.name} beside "
                "it is missing or broken); give --on-existing skip to keep what is there, or "
                "overwrite"
            )
        old, self._begin, self.mode = note
        changed = differences(old, settings)
        if changed:
            raise InputError(
                f"--resume: {self.path} was begun with other settings: {'; '.join(changed)}; give "
                "the same, or another --out, or --on-existing overwrite"
            )
        self._cut()

    def _note(self) -> tuple[dict[str, Any], int, str] | None:
        """Settings, beginning and mode of the last run, if they are known."""
        try:
            note = json.loads(self._run.read_text("utf-8"))
            return dict(note["settings"]), int(note["begin"]), str(note["mode"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _cut(self) -> None:
        """Cuts a last line that has no end."""
        end = self._size
        while end > 0:
            start = max(0, end - _TAIL)
            found = os.pread(self._file, end - start, start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < self._size:
            self._truncate(end)

    def done(self) -> np.ndarray:
        """Sorted uint64 keys (`jobs.key_of`) of the records that count as done.

        Raises:
            InputError: a line that is no record, by its number.
        """
        keys = array("Q")
        with self.path.open("rb") as stream:
            stream.seek(self._begin)
            for number, line in enumerate(stream, 1):
                try:
                    keys.append(key_of(*_name(line)))
                except (ValueError, KeyError, TypeError, IndexError) as error:
                    raise InputError(
                        f"{self.path}: line {number} of this run is no record; mend or remove it"
                    ) from error
        found = np.frombuffer(keys, np.uint64) if keys else np.zeros(0, np.uint64)
        return np.sort(found)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """All records, with those of earlier runs."""
        return records(self.path)

    def of_run(self) -> Iterator[dict[str, Any]]:
        """The records of the last run."""
        return records(self.path, self._begin)

    def append(self, lines: Sequence[bytes]) -> None:
        """Adds whole lines; a kill after this does not lose them.

        Raises:
            FineCaptionError: the disk is full, or another error of it; no part of a line is left.
        """
        data = b"".join(lines)
        with self._told():
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._file, view) :]
            except OSError:
                os.ftruncate(self._file, self._size)
                raise
            self._size += len(data)
            if time.monotonic() - self._synced > _SYNC_SECONDS:
                os.fsync(self._file)
                self._synced = time.monotonic()

    def close(self) -> None:
        """Brings all to the disk. A file that was made here and got no record is removed."""
        try:
            with self._told():
                os.fsync(self._file)
        finally:
            os.close(self._file)
        if self._made and self._size == 0:
            self.path.unlink(missing_ok=True)
            self._run.unlink(missing_ok=True)

    def _truncate(self, size: int) -> None:
        with self._told():
            os.ftruncate(self._file, size)
        self._size = size

    def _told(self) -> DiskErrors:
        return DiskErrors(self.path)


class DiskErrors:
    """Turns errors of the disk into words; use it around what writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise FineCaptionError(
                f"{self.path}: cannot be written ({error.strerror or error}); what was finished "
                "before is kept: make room, and give the same command with --resume"
            ) from error


def records(path: Path, begin: int = 0) -> Iterator[dict[str, Any]]:
    """The whole records of a journal, from a byte on."""
    with path.open("rb") as stream:
        stream.seek(begin)
        for line in stream:
            if line.endswith(b"\n"):
                yield json.loads(line)


def to_line(record: Mapping[str, Any]) -> bytes:
    """A record as one line of UTF-8; names that are no UTF-8 are escaped."""
    try:
        return (json.dumps(record, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        return (json.dumps(record) + "\n").encode()


def _name(line: bytes) -> tuple[str, str]:
    """(id, place) of a record, which stand at its beginning: the rest is not parsed."""
    if not (line.startswith(b'{"id": ') and line.endswith(b"}\n")):
        raise ValueError("no record")
    text = line.decode()
    name, end = _STRING.raw_decode(text, 7)
    place = ""
    mark = ', "place": '
    if text.startswith(mark, end):
        place, _ = _STRING.raw_decode(text, end + len(mark))
    if not isinstance(name, str) or not isinstance(place, str):
        raise TypeError("id and place must be text")
    return name, place


def _lock(file: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not a POSIX system: nothing guards against a second run there
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(
            f"{path}: another run is writing it; wait for it, or give another --out"
        ) from error
