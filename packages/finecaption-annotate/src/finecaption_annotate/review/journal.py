"""Decisions on disk: a file a reviewer, a line a decision, synced before the page says "saved".

    {"picture": "images/a.jpg", "region": "1:9f0c...", "field": "Color", "number": 0,
     "decision": "edit", "text": "The cup is red.", "was": "The cup is pink.",
     "reviewer": "ann", "at": "2026-01-31T12:00:00Z"}

Lines are only added. Of several on one field the last one counts; "open" takes a decision back.
`was` is the text that was decided on: where the data say something else now, the decision is stale
and does not count.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from finecaption.errors import InputError
from finecaption.io.record_log import RecordLog, read_records
from finecaption_annotate.review.items import FieldKey, ReviewSet

DECISIONS = ("accept", "edit", "reject")
OPEN = "open"
MOST_TEXT = 20_000
"""Characters of an edited text."""
_REVIEWER = re.compile(r"\w[\w.-]{0,63}")


def check_reviewer(name: object) -> str:
    """A name that can be a file's.

    Raises:
        InputError: anything else.
    """
    text = str(name).strip()
    if not _REVIEWER.fullmatch(text):
        raise InputError(
            f"reviewer: {name!r} cannot be a name; use up to 64 letters, digits, . - and _"
        )
    return text


@dataclass(frozen=True)
class Decision:
    """What a reviewer decided on a field.

    Attributes:
        picture, region, field, number: the field's key.
        decision: accept, edit, reject, or open: taken back.
        text: of an edit the new text, of an accept what was there; None else.
        was: the text that was shown; None: nothing was said.
        reviewer: who.
        at: when, UTC.
    """

    picture: str
    region: str
    field: str
    number: int
    decision: str
    text: str | None
    was: str | None
    reviewer: str
    at: str

    @property
    def key(self) -> FieldKey:
        """Of the field."""
        return self.picture, self.region, self.field, self.number


class ReviewJournal:
    """One reviewer's file.

    Args:
        path: the file; made with the first decision.

    Raises:
        InputError: a line in it is no decision.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.reviewer = self.path.stem
        self._lock = threading.Lock()
        self._found: dict[FieldKey, Decision] = {}
        for decision in self._read():
            self._take(decision)

    def _read(self) -> Iterator[Decision]:
        if not self.path.exists():
            return
        for number, record in enumerate(read_records(self.path), 1):
            try:
                yield Decision(**record)
            except TypeError as error:
                raise InputError(
                    f"{self.path}: line {number}: is no decision ({error}); mend or remove it"
                ) from error

    def _take(self, decision: Decision) -> None:
        if decision.decision == OPEN:
            self._found.pop(decision.key, None)
        else:
            self._found[decision.key] = decision

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: FieldKey, text: str | None) -> Decision | None:
        """The decision on a field that now says `text`; None: none, or of another text."""
        found = self._found.get(key)
        return found if found is not None and found.was == text else None

    def decide(
        self, key: FieldKey, decision: str, was: str | None, text: str | None = None
    ) -> Decision:
        """Notes a decision; on disk, synced, when this returns.

        Args:
            key: of the field.
            decision: accept, edit, reject or open.
            was: what the field says.
            text: of an edit.

        Raises:
            InputError: another decision, an edit without text, a decision on nothing.
        """
        if decision not in (*DECISIONS, OPEN):
            raise InputError(f"decision: must be one of {', '.join(DECISIONS)}; got {decision!r}")
        if decision == "edit":
            if text is not None and not isinstance(text, str):
                raise InputError(f"text: must be text; got {type(text).__name__}")
            text = (text or "").strip()
            if len(text) > MOST_TEXT:
                raise InputError(
                    f"text: has {len(text):,} characters; at most {MOST_TEXT:,} are kept"
                )
            if not text:
                raise InputError("text: an edit needs one; reject the text instead")
        elif decision == "accept":
            text = was
        else:
            text = None
        if was is None and decision in ("accept", "reject"):
            raise InputError(f"{key[2]}: nothing is said of it; only an edit can say something")
        made = Decision(
            *key,
            decision,
            text,
            was,
            self.reviewer,
            datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        with self._lock:
            with RecordLog(self.path) as log:
                log.append([asdict(made)])
            self._take(made)
        return made


class Reviews:
    """The folder of all reviewers' files.

    Args:
        folder: need not be there yet.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._lock = threading.Lock()
        self._open: dict[str, ReviewJournal] = {}

    def names(self) -> list[str]:
        """Reviewers that have decided anything, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.jsonl"))

    def of(self, reviewer: str) -> ReviewJournal:
        """A reviewer's journal, read once.

        Raises:
            InputError: a name that cannot be a file's; a broken file.
        """
        name = check_reviewer(reviewer)
        with self._lock:
            if name not in self._open:
                self._open[name] = ReviewJournal(self.folder / f"{name}.jsonl")
            return self._open[name]

    def all(self) -> list[ReviewJournal]:
        """Every reviewer's.

        Raises:
            InputError: there is none.
        """
        names = self.names()
        if not names:
            raise InputError(f"{self.folder}: holds no review; run `finecaption data review` first")
        return [self.of(name) for name in names]


def progress(data: ReviewSet, journal: ReviewJournal) -> dict[str, Any]:
    """How far a reviewer is: `{"decided", "told", "accept", "edit", "reject"}`, of told fields."""
    counts = dict.fromkeys(DECISIONS, 0)
    for one in data.fields.values():
        found = journal.get(one.key, one.text)
        if one.sample is not None and found is not None:
            counts[found.decision] += 1
    return {"decided": sum(counts.values()), "told": data.told, **counts}
