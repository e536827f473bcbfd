"""The append-only records of a batch run, with the settings that they were made with.

Beside the log stands a hidden file with the settings and the offset at which the last run began.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.bulk.jobs import key_of
from finecaption.bulk.settings import differences
from finecaption.errors import FineCaptionError, InputError
from finecaption.io.record_log import Note, RecordLog, read_records

_SYNC_SECONDS = 2.0

_STRING = json.JSONDecoder()


class Journal:
    """The records of a run, for one process at a time."""

    def __init__(self, path: Path, run: Path) -> None:
        """Opens the file, or creates it.

        Args:
            path: of the records.
            run: of the file with the settings.

        Raises:
            InputError: it cannot be written, or another process has it.
        """
        self.path = path
        self._log = RecordLog(path, sync_seconds=_SYNC_SECONDS)
        self._run = Note(run)
        note = self._note()
        self._begin = 0 if note is None else note[1]
        self.mode = "new"

    @property
    def empty(self) -> bool:
        """Whether the run has no records."""
        return self._log.size == 0

    def begin(self, settings: Mapping[str, Any], mode: str) -> None:
        """Begins a new run and notes its settings.

        Args:
            settings: plain JSON values.
            mode: what becomes of existing records: "overwrite" drops them, "skip" keeps them and
                counts them as done, "append" keeps them and does not count them; "new" stands for
                a file without any.
        """
        with DiskErrors(self.path):
            if mode == "overwrite":
                self._log.truncate(0)
            self._log.cut_torn_tail()
            self._begin = self._log.size if mode == "append" else 0
            self.mode = mode
            self._run.write({"settings": dict(settings), "begin": self._begin, "mode": mode})

    def resume(self, settings: Mapping[str, Any]) -> None:
        """Resumes the last run.

        Raises:
            InputError: it had other settings, or it is not known which.
        """
        note = self._note()
        if note is None:
            raise InputError(
                f"--resume: what {self.path} was made with is not known ({self._run.path.name} "
                "beside it is missing or broken); give --on-existing skip to keep what is there, "
                "or overwrite"
            )
        old, self._begin, self.mode = note
        changed = differences(old, settings)
        if changed:
            raise InputError(
                f"--resume: {self.path} was begun with other settings: {'; '.join(changed)}; give "
                "the same, or another --out, or --on-existing overwrite"
            )
        with DiskErrors(self.path):
            self._log.cut_torn_tail()

    def _note(self) -> tuple[dict[str, Any], int, str] | None:
        """Settings, beginning and mode of the last run, if they are known."""
        note = self._run.read()
        try:
            return (
                None
                if note is None
                else (dict(note["settings"]), int(note["begin"]), str(note["mode"]))
            )
        except (ValueError, KeyError, TypeError):
            return None

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
        return read_records(self.path)

    def of_run(self) -> Iterator[dict[str, Any]]:
        """The records of the last run."""
        return read_records(self.path, self._begin)

    def append(self, lines: Iterable[bytes]) -> None:
        """Appends complete lines made by `to_line`; a kill afterwards does not lose them.

        Raises:
            FineCaptionError: the disk is full, or another error of it; no part of a line is left.
        """
        with DiskErrors(self.path):
            self._log.append_lines(lines)

    def close(self) -> None:
        """Syncs everything to disk. Removes a file that was created here and got no record."""
        with DiskErrors(self.path):
            if self._log.close():
                self._run.remove()


class DiskErrors:
    """Turns disk errors into clear messages; wraps everything that writes."""

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
