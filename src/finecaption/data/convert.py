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
from finecaption.data.lines import JSON_LIST, JSONL, Lines
from finecaption.data.record import to_record
from finecaption.data.writers.compositioncap import picture_records
from finecaption.errors import InputError
from finecaption.io.atomic import replacing
from finecaption.types import RegionSample

STORE_TARGET = "parquet"
TARGETS = (STORE_TARGET, "jsonl", "compositioncap")
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

    Images that are arrays are kept in a store if `embed`; for a file they are saved as PNG in
    the folder `OUT-pictures` beside it.

    Args:
        samples: the stream, from its start.
        out: folder of a store, or file.
        to: one of TARGETS.
        embed: of stores, take the images in.
        settings: what the samples are made of, as of `store.write`.
        done: called with the number of samples on disk so far.

    Raises:
        InputError: unknown target; the output exists or was begun with other settings or data; a
            sample that the target cannot hold.
    """
    if to not in TARGETS:
        raise InputError(f"unknown target {to!r}; choose from {', '.join(TARGETS)}")
    path = Path(out)
    if to == STORE_TARGET:
        if path.is_file():
            raise InputError(f"{path}: is a file; a store is a folder: give another name")
        store.write(
            samples,
            path,
            embed=embed,
            settings=settings,
            done=done,
        )
        return
    if embed:
        raise InputError(f"embed: {to} holds paths of images; convert to parquet instead")
    jsonl = to == "jsonl"
    count = _one if jsonl else _captions
    lines = Lines(path, {"to": to, **json.loads(json.dumps(dict(settings or {})))})
    written = sum(map(count, lines))
    try:
        stream = _dropped(iter(samples), written, done)
        files = _as_files(stream, path.with_name(f"{path.stem}-pictures"))
        records: Iterator[dict[str, Any]]
        if jsonl:
            records = (to_record(sample, path.parent) for sample in files)
        else:
            records = picture_records(files, path.parent)
        for record in records:
            lines.add(record)
            written += count(record)
            if done is not None:
                done(written)
    finally:
        lines.close()
    lines.finish(JSONL if jsonl else JSON_LIST)


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
    """Samples whose images are files: arrays are saved, once each, named after their pixels."""
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
        with replacing(path, durable=False) as part:
            Image.fromarray(pixels).save(part, "PNG")
    return path


def clear(out: str | os.PathLike[str]) -> None:
    """Takes an output away, finished or not: a folder only if it is a store, or begun as one."""
    path = Path(out)
    if path.is_dir():
        own = (path / store.layout.INFO).exists() or (path / store.layout.JOURNAL).exists()
        if not own and any(path.iterdir()):
            raise InputError(f"{path}: is not a stored dataset; remove it by hand")
        shutil.rmtree(path)
        return
    for file in (path, Lines.hidden(path)):
        file.unlink(missing_ok=True)
