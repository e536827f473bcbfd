"""Records that are written one at a time and become a file when all are there.

Until then they stand a line each in a hidden file beside it, whose first line says what for; a
killed writer reads it, cuts a half-written last line, and goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from finecaption.errors import InputError
from finecaption.io.atomic import replacing

JSONL = ("", "\n", "\n")
JSON_LIST = ("[\n", ",\n", "\n]\n")

_FLUSH_EVERY = 64


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
        self._head = json.dumps({"plan": plan}) + "\n"
        self._stream: TextIO | None = None
        self._unflushed = 0
        self._cut()

    @staticmethod
    def hidden(out: Path) -> Path:
        """Where the lines of an output are."""
        return out.with_name(f".{out.name}.lines")

    def _cut(self) -> None:
        whole = 0
        if self.path.exists():
            with self.path.open("rb") as stream:
                for number, line in enumerate(stream):
                    if not line.endswith(b"\n"):
                        break
                    if number == 0 and line.decode("utf-8", "replace") != self._head:
                        raise InputError(
                            f"{self.out}: was begun with other settings; remove {self.path}, or "
                            "give another name"
                        )
                    whole += len(line)
        if whole:
            os.truncate(self.path, whole)
        else:
            self.path.write_text(self._head, "utf-8")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The records on disk."""
        with self.path.open(encoding="utf-8") as stream:
            next(stream)
            for line in stream:
                yield json.loads(line)

    def add(self, record: Mapping[str, Any], now: bool = False) -> None:
        """Appends a record; with `now`, a kill after this does not lose it."""
        if self._stream is None:
            self._stream = self.path.open("a", encoding="utf-8", newline="\n")
        self._stream.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._unflushed += 1
        if now or self._unflushed >= _FLUSH_EVERY:
            self._stream.flush()
            self._unflushed = 0

    def close(self) -> None:
        """Closes the hidden file; the next run goes on with it."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

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
