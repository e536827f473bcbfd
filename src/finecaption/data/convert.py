"""Samples -> files: stores, our JSONL, CompositionCap. Whole or not there, and resumable.

Killed at any moment, the same call goes on: what is on disk is counted, and so many samples of the
stream are dropped. The stream must begin anew and give the same samples.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finecaption.data import store
from finecaption.data.record import to_record
from finecaption.data.writers.compositioncap import picture_records
from finecaption.errors import InputError
from finecaption.types import RegionSample

TARGETS: tuple[str, ...] = (*store.FORMS, "jsonl", "compositioncap")
"""What can be written: a folder with shards, a .jsonl file, a .json file."""

Done = Callable[[int], None]


def convert(
    samples: Iterable[RegionSample],
    out: str | os.PathLike[str],
    to: str,
    *,
    embed: bool = False,
    settings: Mapping[str, Any] | None = None,
    done: Done | None = None,
) -> None:
    """Writes a stream of samples.

    Pictures that are arrays are kept in a store if `embed`; for a file they are saved as PNG in
    the folder `OUT-pictures` beside it.

    Args:
        samples: the stream, from its start.
        out: folder of a store, or file.
        to: one of TARGETS.
        embed: of stores, take the pictures in.
        settings: what the samples are made of, as of `store.write`.
        done: called with the number of samples on disk so far.

    Raises:
        InputError: unknown target; the output exists or was begun with other settings or data; a
            sample that the target cannot hold.
    """
    if to not in TARGETS:
        raise InputError(f"unknown target {to!r}; choose from {', '.join(TARGETS)}")
    path = Path(out)
    if to in store.FORMS:
        if path.is_file():
            raise InputError(f"{path}: is a file; a store is a folder: give another name")
        store.write(
            samples,
            path,
            form=to,
            embed=embed,
            settings=settings,
            done=done,
        )
        return
    if embed:
        raise InputError(f"embed: {to} holds paths of pictures; convert to parquet or tar instead")
    if path.exists():
        raise InputError(f"{path}: exists; remove it, or give another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    plan = {"to": to, **json.loads(json.dumps(dict(settings or {})))}
    lines = _Lines(path, plan, _one if to == "jsonl" else _captions)
    stream = _dropped(iter(samples), lines.begin(), done)
    files = _as_files(stream, path.with_name(f"{path.stem}-pictures"))
    records: Iterator[dict[str, Any]]
    if to == "jsonl":
        records = (to_record(sample, path.parent) for sample in files)
    else:
        records = picture_records(files, path.parent)
    lines.add(records, done)
    lines.finish(("", "\n", "\n") if to == "jsonl" else ("[\n", ",\n", "\n]\n"))


def _one(record: Mapping[str, Any]) -> int:
    del record
    return 1


def _captions(record: Mapping[str, Any]) -> int:
    """Samples in a record of `write_compositioncap`."""

    def number(told: Any) -> int:
        return 0 if told is None else len(told) if isinstance(told, list) else 1

    return number(record.get("global_caption")) + sum(
        number(entity.get("dense_caption"))
        + sum(number(text) for text in entity.get("attributes", {}).values())
        for entity in record["entities"]
    )


class _Lines:
    """Records a line each in a hidden file beside the output, until all are there."""

    def __init__(
        self, out: Path, plan: dict[str, Any], count: Callable[[Mapping[str, Any]], int]
    ) -> None:
        self.out, self.plan, self.count = out, plan, count
        self.path = out.with_name(f".{out.name}.lines")
        self.samples = 0

    def begin(self) -> int:
        """Opens the file, cuts a half-written last line; returns the number of samples in it."""
        head = json.dumps({"plan": self.plan}) + "\n"
        if not self.path.exists() or not self.path.stat().st_size:
            self.path.write_text(head, "utf-8")
            return 0
        whole = 0
        with self.path.open("rb") as stream:
            for number, line in enumerate(stream):
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                if number:
                    self.samples += self.count(json.loads(line))
                elif line.decode() != head:
                    raise InputError(
                        f"{self.out}: was begun with other settings ({line.decode().strip()}); "
                        f"remove {self.path.name}, or give another name"
                    )
        if not whole:
            self.path.write_text(head, "utf-8")
        else:
            os.truncate(self.path, whole)
        return self.samples

    def add(self, records: Iterable[dict[str, Any]], done: Done | None) -> None:
        """Appends; a line is on disk before the next record is made of the stream."""
        with self.path.open("a", encoding="utf-8", newline="\n") as stream:
            for number, record in enumerate(records, 1):
                stream.write(json.dumps(record, ensure_ascii=False) + "\n")
                self.samples += self.count(record)
                if number % 64 == 0:
                    stream.flush()
                if done is not None:
                    done(self.samples)

    def finish(self, frame: tuple[str, str, str]) -> None:
        """Writes the output: its head, what stands between the records, its tail."""
        head, between, tail = frame
        part = self.out.with_name(f".{self.out.name}.part")
        with self.path.open(encoding="utf-8") as lines, part.open("w", encoding="utf-8") as out:
            next(lines)  # the plan
            out.write(head if self.samples else head.strip())
            for number, line in enumerate(lines):
                out.write((between if number else "") + line.rstrip("\n"))
            out.write(tail if self.samples else tail.lstrip())
        os.replace(part, self.out)
        self.path.unlink()


def _dropped(
    samples: Iterator[RegionSample], count: int, done: Done | None
) -> Iterator[RegionSample]:
    """The stream without its first samples, which are on disk."""
    number = 0
    for number, _ in enumerate(itertools.islice(samples, count), 1):
        if done is not None and number % 1000 == 0:
            done(number)
    if number < count:
        raise InputError(
            f"the output was begun with {count:,} samples, but now there are only {number:,}; the "
            "data has changed: write to another name"
        )
    return samples


def _as_files(samples: Iterable[RegionSample], folder: Path) -> Iterator[RegionSample]:
    """Samples whose pictures are files: arrays are saved, once each, named after their pixels."""
    last: tuple[np.ndarray, str] | None = None
    for sample in samples:
        if isinstance(sample.image, np.ndarray):
            if last is None or sample.image is not last[0]:
                last = sample.image, str(_save(sample.image, folder))
            sample = replace(sample, image=last[1])
        yield sample


def _save(pixels: np.ndarray, folder: Path) -> Path:
    name = hashlib.sha1(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:20]
    path = folder / f"{name}.png"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{name}.part.png"
        Image.fromarray(pixels).save(part)
        os.replace(part, path)
    return path


def clear(out: str | os.PathLike[str]) -> None:
    """Takes an output away, finished or not: a folder only if it is a store, or begun as one."""
    path = Path(out)
    if path.is_dir():
        own = (path / store.layout.INFO).exists() or (path / store.layout.JOURNAL).exists()
        if not own and any(path.iterdir()):
            raise InputError(f"{path}: is not a stored data set; remove it by hand")
        shutil.rmtree(path)
        return
    for file in (path, path.with_name(f".{path.name}.lines")):
        file.unlink(missing_ok=True)
