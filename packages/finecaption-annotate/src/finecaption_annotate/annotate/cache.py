"""Answers that were paid for once: an SQLite file, safe against kills and shared by runs."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finecaption.errors import InputError


def cache_key(
    identity: Mapping[str, Any], prompts: str, picture: str, mask: str, question: str
) -> str:
    """The key of an answer.

    Args:
        identity: of the captioner.
        prompts: their version.
        picture: hash of the picture's file.
        mask: counts of the region's RLE; empty: the whole picture.
        question: attribute or task.
    """
    text = json.dumps([dict(identity), prompts, picture, mask, question], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """key -> answer (plain JSON values). Each `put` is on disk when it returns.

    Args:
        path: of the file; made if need be.

    Raises:
        InputError: it is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(self.path)
        try:
            with self._base:
                self._base.execute("PRAGMA journal_mode=WAL")
                self._base.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT)"
                )
        except sqlite3.DatabaseError as error:
            self._base.close()
            raise InputError(f"{self.path}: is not a cache of answers ({error})") from error

    def get(self, key: str) -> dict[str, Any] | None:
        """The answer, if it is there."""
        row = self._base.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        found: dict[str, Any] = json.loads(row[0])
        return found

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        """Keeps an answer."""
        with self._base:
            self._base.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?)",
                (key, json.dumps(dict(answer), ensure_ascii=False)),
            )

    def __len__(self) -> int:
        (count,) = self._base.execute("SELECT COUNT(*) FROM answers").fetchone()
        return int(count)

    def close(self) -> None:
        """Closes the file."""
        self._base.close()
