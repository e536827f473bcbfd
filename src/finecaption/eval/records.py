"""Files that survive a kill at any time: records line by line, and the manifest of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from finecaption.errors import InputError
from finecaption.io import record_log
from finecaption.io.atomic import write_json
from finecaption.io.record_log import Record, RecordLog

MANIFEST = "run.json"


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
        InputError: missing, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; run the step before first") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from error


def read_records(path: Path) -> list[Record]:
    """The records of a file; a torn tail, left by a kill, is passed over.

    Raises:
        InputError: missing, or a line before the last that is not a JSON object.
    """
    try:
        return list(record_log.read_records(path))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; run the step that writes it first") from error


class RecordFile:
    """A JSON-lines file that a step adds batches to; see `resume`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def resume(self, pictures: int) -> tuple[list[Record], int | None]:
        """Cuts the file back to its last whole batch.

        The last batch in the file is always dropped, since a kill may have kept it from being
        whole; batches begin where they would have begun without the kill, so the file ends up the
        same.

        Args:
            pictures: of a batch, as the step makes them.

        Returns:
            The records kept, and the `index` of the first image dropped (None: nothing was).
        """
        if not self.path.exists():
            return [], None
        found = list(record_log.scan(self.path))
        order = list(dict.fromkeys(record["index"] for record, _ in found))
        kept = max(0, len(order) - 1) // pictures * pictures
        first = order[kept] if kept < len(order) else None
        whole = set(order[:kept])
        records = [(r, end) for r, end in found if r["index"] in whole]
        with RecordLog(self.path) as log:
            log.truncate(records[-1][1] if records else 0)
        return [r for r, _ in records], first

    def sound(self) -> list[Record]:
        """The records that are there; a torn last line is cut off the file."""
        if not self.path.exists():
            return []
        with RecordLog(self.path) as log:
            log.cut_torn_tail()
        return read_records(self.path)

    def keep(self, count: int) -> None:
        """Cuts the file back to its first records."""
        ends = [0, *(end for _, end in record_log.scan(self.path))]
        with RecordLog(self.path) as log:
            log.truncate(ends[count])

    def append(self, records: Iterable[Record]) -> None:
        """Adds records and returns when they are on the disk; with none, the file is there."""
        if not self.path.exists():
            self.path.touch()
        with RecordLog(self.path) as log:
            log.append(records)


class RunFolder:
    """The folder of one evaluation, and its manifest: settings, versions, steps that are done.

    Raises:
        InputError: the folder holds a run with other settings; the message says which differ.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        settings: Record,
        about: Callable[[], Record] | None = None,
    ) -> None:
        """
        Args:
            settings: plain JSON values; what must be the same for a run to be continued.
            about: further entries of the manifest, asked for when the run is begun.
        """
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"out: {self.path} is a file; give a folder")
        self.path.mkdir(parents=True, exist_ok=True)
        manifest = self.path / MANIFEST
        if manifest.exists():
            self.manifest: Record = read_json(manifest)
            _refuse_other(self.path, self.manifest.get("settings", {}), settings)
            return
        strays = sorted(p.name for p in self.path.glob("*.jsonl"))
        if strays:
            raise InputError(
                f"out: {self.path} holds {', '.join(strays)} but no {MANIFEST}; give another folder"
            )
        self.manifest = {"settings": settings, **(about() if about else {}), "done": {}}
        write_json(manifest, self.manifest)

    @classmethod
    def existing(cls, path: str | os.PathLike[str]) -> RunFolder:
        """The folder of an evaluation that was run before, whatever its settings.

        Raises:
            InputError: there is none.
        """
        manifest = Path(path) / MANIFEST
        if not manifest.exists():
            raise InputError(f"out: {path} holds no {MANIFEST}; run the whole evaluation first")
        return cls(path, read_json(manifest)["settings"])

    @property
    def settings(self) -> Record:
        """What the run was begun with."""
        return self.manifest["settings"]

    def done(self, step: str) -> bool:
        """Whether a step has finished, and its file is still there (delete it to run it again)."""
        return step in self.manifest["done"] and self.records(step).path.exists()

    def finish(self, step: str, about: Record) -> None:
        """Notes that a step has finished, with what is worth knowing of it."""
        self.manifest["done"][step] = about
        write_json(self.path / MANIFEST, self.manifest)

    def records(self, step: str) -> RecordFile:
        """The file of a step's records."""
        return RecordFile(self.path / f"{step}.jsonl")


def _identity(value: Any) -> Any:
    """A setting without the name it was given by: a folder may be moved."""
    if isinstance(value, dict) and len(value) > 1:
        return {k: v for k, v in value.items() if k != "name"}
    return value


def _refuse_other(path: Path, old: Record, new: Record) -> None:
    keys = sorted({*old, *new})
    different = [k for k in keys if _identity(old.get(k)) != _identity(new.get(k))]
    if different:
        said = "; ".join(f"{k} was {old.get(k)}, now {new.get(k)}" for k in different)
        raise InputError(f"out: {path} holds another run ({said}); give another folder")
