"""Records that are written one at a time and become a file when all are there.

Until then they stand a line each in a hidden file beside it, whose first line says what for; a
killed writer reads it, cuts a half-written last line, and goes on.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from finecaption.errors import InputError
from finecaption.io.atomic import replacing
from finecaption.io.record_log import RecordLog, read_records

JSONL = ("", "\n", "\n")
JSON_LIST = ("[\n", ",\n", "\n]\n")

_SYNC_SECONDS = 2.0


class Lines:
    """The hidden file of an output.

    Args:
        out: the file to be; its folder is made.
        plan: plain JSON values that say what is written; another run's must be equal.

    Raises:
        InputError: the output is there already, or was begun with another plan.
    """

    def __init__(self, out: str | os.PathLike[str], plan: Mapping[str, Any]) -> None:
        self.out = Path(out)
        if self.out.exists():
            raise InputError(f"{self.out}: exists; remove it, or give another name")
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self.path = self.hidden(self.out)
        self._log: RecordLog | None = RecordLog(self.path, sync_seconds=_SYNC_SECONDS)
        self._log.cut_torn_tail()
        head = {"plan": json.loads(json.dumps(plan))}
        if self._log.size == 0:
            self._log.append([head])
        elif next(read_records(self.path)) != head:
            self.close()
            raise InputError(
                f"{self.out}: was begun with other settings; remove {self.path}, or give another "
                "name"
            )

    @staticmethod
    def hidden(out: Path) -> Path:
        """Where the lines of an output are."""
        return out.with_name(f".{out.name}.lines")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The records on disk."""
        return itertools.islice(read_records(self.path), 1, None)

    def add(self, record: Mapping[str, Any]) -> None:
        """Appends a record; a kill after this does not lose it."""
        if self._log is None:
            self._log = RecordLog(self.path, sync_seconds=_SYNC_SECONDS)
        self._log.append([record])

    def close(self) -> None:
        """Closes the hidden file; the next run goes on with it."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def finish(self, frame: tuple[str, str, str]) -> None:
        """Writes the output: its head, what stands between records, its tail."""
        self.close()
        head, between, tail = frame
        number = 0
        with (
            self.path.open(encoding="utf-8") as lines,
            replacing(self.out) as part,
            part.open("w", encoding="utf-8", newline="\n") as out,
        ):
            next(lines)
            for line in lines:
                out.write((between if number else head) + line.rstrip("\n"))
                number += 1
            out.write(tail if number else (head + tail).replace("\n", "") + "\n")
        self.path.unlink()
