"""Append-only JSONL logs that survive kill -9 and a full disk, and can be resumed.

A record is a JSON object on one line of UTF-8. It counts once its line end is in the file. What a
kill may leave behind the last good record is its torn tail: bytes without a line end, or, as a disk
may keep the end of a line and lose its middle, a last line with NUL bytes or half an object.
Readers pass over the tail, the writer cuts it off; a broken line before it is an error.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from finecaption.errors import InputError
from finecaption.io import strict_json
from finecaption.io.atomic import write_json

Record = dict[str, Any]
_Log = TypeVar("_Log", bound="RecordLog")
_TAIL = 1 << 16  # bytes read at a time to find the last line's start


def to_line(record: Mapping[str, Any]) -> bytes:
    """A record as one line of UTF-8; text that is not valid Unicode (file names) is escaped."""
    try:
        return (strict_json.dumps(record, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        return (strict_json.dumps(record) + "\n").encode()


def read_records(path: Path, begin: int = 0) -> Iterator[Record]:
    """The records of a log from a byte on; see `scan`."""
    return (record for record, _ in scan(path, begin))


def scan(path: Path, begin: int = 0) -> Iterator[tuple[Record, int]]:
    """Records of a log, each with the offset of the first byte after it. Holds one at a time.

    Args:
        begin: the offset at which a record begins; lines are counted from there.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: a line that is no record, by its number.
    """
    with path.open("rb") as stream:
        stream.seek(begin)
        end, number = begin, 0
        line = stream.readline()
        while line:
            following = stream.readline()
            number += 1
            if not following and _is_torn(line):
                return
            try:
                record = json.loads(line)
            except ValueError as error:
                raise InputError(
                    f"{path}: line {number}: is not JSON ({error}); mend or remove it"
                ) from error
            if not isinstance(record, dict):
                raise InputError(f"{path}: line {number}: is not an object; mend or remove it")
            end += len(line)
            yield record, end
            line = following


def _is_torn(line: bytes) -> bool:
    """Whether a last line is what a kill or a power failure leaves of a record."""
    if not line.endswith(b"\n") or b"\0" in line:
        return True
    if not line.startswith(b"{"):
        return False  # not written here: left to the user
    try:
        json.loads(line)
    except ValueError:
        return True
    return False


class RecordLog:
    """The writing end of a log. One process at a time.

    Attributes:
        path: of the file.
        size: bytes of the file, as written here.
    """

    def __init__(self, path: str | os.PathLike[str], *, sync_seconds: float = 0.0) -> None:
        """Opens the file, or makes it and its folder. It is not changed before something is added.

        Args:
            sync_seconds: at most so long after `append` a record also survives a power failure;
                0: when `append` returns. It survives a kill at once in any case.

        Raises:
            InputError: it cannot be written, or another process is writing it.
        """
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._made = not self.path.exists()
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._file = os.open(self.path, flags, 0o666)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror})") from error
        try:
            _lock(self._file, self.path)
        except InputError:
            os.close(self._file)
            raise
        self.size = os.fstat(self._file).st_size
        self._sync_seconds, self._synced = sync_seconds, time.monotonic()
        self._whole = self._dirty = False

    def __enter__(self: _Log) -> _Log:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Adds records, all or none; see `append_lines`."""
        self.append_lines([to_line(record) for record in records])

    def append_lines(self, lines: Iterable[bytes]) -> None:
        """Adds records that `to_line` made, all or none. A torn tail is cut off first.

        Raises:
            OSError: the disk is full, or another error of it; no part of a line is left.
        """
        if not self._whole:
            self.cut_torn_tail()
        data = b"".join(lines)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)
        self._dirty = self._dirty or bool(data)
        if time.monotonic() - self._synced >= self._sync_seconds:
            self.sync()

    def cut_torn_tail(self) -> None:
        """Cuts off what a kill left behind the last whole record."""
        end = self._line_start(self.size)
        if end == self.size and end:  # the last line has its end
            start = self._line_start(end - 1)
            if _is_torn(os.pread(self._file, end - start, start)):
                end = start
        self.truncate(end)
        self._whole = True

    def _line_start(self, end: int) -> int:
        """The offset after the last line end before `end`, or 0."""
        while end > 0:
            start = max(0, end - _TAIL)
            found = os.pread(self._file, end - start, start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0

    def truncate(self, size: int) -> None:
        """Cuts the file to `size` bytes, where a record begins."""
        if size < self.size:
            os.ftruncate(self._file, size)
            self.size, self._dirty = size, True
            self.sync()

    def sync(self) -> None:
        """Brings all records to the disk."""
        if self._dirty:
            os.fsync(self._file)
            self._dirty = False
        self._synced = time.monotonic()

    def close(self) -> bool:
        """Brings all to the disk and lets other processes write.

        Returns:
            Whether the file was removed: made here, and no record was added.
        """
        try:
            self.sync()
        finally:
            os.close(self._file)
        empty = self._made and self.size == 0
        if empty:
            self.path.unlink(missing_ok=True)
        return empty


def _lock(file: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not a POSIX system: nothing guards against a second process there
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(
            f"{path}: another run is writing it; wait for it, or give another --out"
        ) from error


class Note:
    """The settings that a log was begun with, in a JSON file of their own.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Record | None:
        """What was noted; None: nothing, or nothing that can be read."""
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def write(self, settings: Mapping[str, Any]) -> None:
        """Notes settings, in place of the old ones."""
        write_json(self.path, settings)

    def remove(self) -> None:
        """Takes the note away."""
        self.path.unlink(missing_ok=True)
