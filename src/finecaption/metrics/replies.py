"""Answers of judges, kept in an SQLite file: a question is paid for once, whatever is killed."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finecaption.errors import InputError


def question_key(request: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a request: model, messages and every setting that an answer depends on."""
    text = json.dumps(request, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Replies:
    """Request -> reply. Each `put` is on disk when it returns; threads may share one.

    Args:
        path: of the file, made if need be; None keeps replies in memory only.

    Raises:
        InputError: the file is something else.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.path = None if path is None else Path(path)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._base = sqlite3.connect(
            ":memory:" if self.path is None else self.path, check_same_thread=False
        )
        try:
            with self._base:
                self._base.execute("PRAGMA journal_mode=WAL")
                self._base.execute(
                    "CREATE TABLE IF NOT EXISTS replies"
                    " (key TEXT PRIMARY KEY, request TEXT, reply TEXT)"
                )
        except sqlite3.DatabaseError as error:
            self._base.close()
            raise InputError(f"{self.path}: is not a file of judges' replies ({error})") from error

    def get(self, request: Mapping[str, Any]) -> str | None:
        """The reply, if it is there."""
        with self._lock:
            row = self._base.execute(
                "SELECT reply FROM replies WHERE key = ?", (question_key(request),)
            ).fetchone()
        return None if row is None else str(row[0])

    def put(self, request: Mapping[str, Any], reply: str) -> str:
        """Keeps a reply, and returns the one that stands: the first, where two came."""
        told = json.dumps(request, ensure_ascii=False, sort_keys=True)
        with self._lock, self._base:
            self._base.execute(
                "INSERT OR IGNORE INTO replies VALUES (?, ?, ?)",
                (question_key(request), told, reply),
            )
        return self.get(request) or reply

    def __len__(self) -> int:
        with self._lock:
            (count,) = self._base.execute("SELECT COUNT(*) FROM replies").fetchone()
        return int(count)

    def close(self) -> None:
        """Closes the file."""
        self._base.close()

    def __enter__(self) -> Replies:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()
