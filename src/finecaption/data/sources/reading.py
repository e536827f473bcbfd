"""Files as they lie on disk -> records, with flat memory: JSON of any length, JSON lines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from finecaption.errors import InputError
from finecaption.io import strict_json

CHUNK = 1 << 20  # characters read at a time
MAX_VALUE = 1 << 28  # characters of one value; more than that is not a record but a broken file

_DECODER = json.JSONDecoder(parse_constant=strict_json.null)


@dataclass(frozen=True)
class JsonItem:
    """A value of a JSON file: an element of the list that the file is, or of one in its object."""

    key: str | None
    """Of the file's object; None where the file is a list."""
    index: int | None
    """In the list; None where the value under the key is not a list."""
    value: Any

    @property
    def place(self) -> str:
        """As messages give it: `[3]`, `annotations[3]`, `info`."""
        return f"{self.key or ''}{'' if self.index is None else f'[{self.index}]'}"


def open_text(path: str | os.PathLike[str]) -> TextIO:
    """A text file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    try:
        return open(path, encoding="utf-8-sig", newline="")
    except FileNotFoundError as error:
        raise InputError("no such file; check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise InputError(f"cannot be read ({error}); check the path") from error


class _Window:
    """The part of a text that is being looked at."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.text = ""
        self.at = 0
        self.gone = 0  # characters let go before text
        self.ended = False

    def more(self) -> None:
        self.gone += self.at
        rest = self.text[self.at :]
        try:  # twice what is held, so that a long value is tried a few times and not often
            fresh = self.stream.read(max(CHUNK, len(rest)))
        except UnicodeDecodeError as error:
            raise InputError(f"is not UTF-8 text ({error.reason}); save it as UTF-8") from error
        self.ended = not fresh
        self.text, self.at = rest + fresh, 0

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            while self.at < len(self.text):
                if not self.text[self.at].isspace():
                    return self.text[self.at]
                self.at += 1
            if self.ended:
                return ""
            self.more()

    def take(self, wanted: str, after: str) -> str:
        """The next character, one of those wanted."""
        found = self.peek()
        if not found or found not in wanted:
            shown = " or ".join(f'"{c}"' for c in wanted)
            raise self.broken(f"{shown} expected after {after}, found {found or 'the end'!r}")
        self.at += 1
        return found

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if self.ended or len(self.text) - self.at > MAX_VALUE:
                    self.at = error.pos
                    raise self.broken(error.msg) from error
            except (RecursionError, ValueError) as error:  # ValueError: an int of 5,000 digits
                raise self.broken(str(error)) from error
            else:
                # a number at the edge may go on: 12|34, 1.5|e3, 1.5e|3
                if self.ended or self.text[end : end + 4].lstrip("+-.eE"):
                    self.at = end
                    return value
            self.more()

    def broken(self, what: str) -> InputError:
        return InputError(
            f"is not whole JSON: {what}, at character {self.gone + self.at}; download or export "
            "the file again"
        )


def json_items(path: str | os.PathLike[str], *keys: str) -> Iterator[JsonItem]:
    """The values of a JSON file one at a time; only one of them is in memory.

    A list gives its elements. An object gives for each key the elements where its value is a
    list, else the value; with `keys`, only those. Anything else is one value without a key. NaN and
    infinity, which are no JSON, are read as null.

    Raises:
        InputError: no such file, or not whole JSON.
    """
    with open_text(path) as stream:
        window = _Window(stream)
        first = window.peek()
        if first == "[":
            yield from (JsonItem(None, index, value) for index, value in _elements(window))
        elif first == "{":
            window.at += 1
            if window.peek() == "}":
                window.at += 1
            else:
                yield from _members(window, keys)
        else:
            yield JsonItem(None, None, window.value())
        if window.peek():
            raise window.broken("there is more after the end")


def _members(window: _Window, keys: tuple[str, ...]) -> Iterator[JsonItem]:
    while True:
        if window.peek() != '"':
            raise window.broken("a key in double quotes expected")
        key = window.value()
        window.take(":", "a key")
        wanted = not keys or key in keys
        if window.peek() == "[":
            for index, value in _elements(window):
                if wanted:
                    yield JsonItem(key, index, value)
        else:
            value = window.value()
            if wanted:
                yield JsonItem(key, None, value)
        if window.take(",}", "a value") == "}":
            return


def _elements(window: _Window) -> Iterator[tuple[int, Any]]:
    window.at += 1
    if window.peek() == "]":
        window.at += 1
        return
    index = 0
    while True:
        yield index, window.value()
        index += 1
        if window.take(",]", "a value") == "]":
            return


def text_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """(number from 1, text) of each line that is not blank.

    Raises:
        InputError: no such file, or not UTF-8.
    """
    with open_text(path) as stream:
        try:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line
        except UnicodeDecodeError as error:
            raise InputError(f"is not UTF-8 text ({error.reason}); save it as UTF-8") from error


def parse_json(text: str) -> Any:
    """One JSON value; NaN in it, which is no JSON, is read as null.

    Raises:
        InputError: it is none.
    """
    try:
        return json.loads(text, parse_constant=strict_json.null)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON ({error})") from error


def annotation_files(path: Path, *patterns: str) -> list[Path]:
    """The file itself, or the files of a folder that match, in natural order of their names.

    Raises:
        InputError: none do.
    """
    if path.is_file():
        return [path]
    files = sorted(
        {
            file
            for pattern in patterns
            for file in path.glob(pattern)
            if file.is_file() and not file.name.startswith(".")
        },
        key=lambda file: [
            (0, int(part), "") if part.isdigit() else (1, 0, part)
            for part in re.split(r"(\d+)", file.name)
        ],
    )
    if not files:
        raise InputError(
            f"{path}: has no file {' or '.join(patterns)}; give the file or folder of annotations"
        )
    return files
