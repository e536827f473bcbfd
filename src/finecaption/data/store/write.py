"""Writing a store: shard by shard, so that a killed writer goes on where its last shard ended."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.data.record import to_record
from finecaption.data.store.layout import (
    INFO,
    JOURNAL,
    Info,
    ShardFile,
    load_info,
)
from finecaption.data.store.parquet import ParquetShard
from finecaption.data.store.rows import StoredRow, group, make_row
from finecaption.errors import InputError
from finecaption.io.atomic import write_json
from finecaption.io.record_log import RecordLog, read_records
from finecaption.types import RegionSample

SHARD_SAMPLES, SHARD_BYTES = 16_384, 256 << 20
BLOCK_SAMPLES, BLOCK_BYTES = 256, 8 << 20


def write(
    samples: Iterable[RegionSample],
    folder: str | os.PathLike[str],
    *,
    embed: bool = False,
    images: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    shard_samples: int = SHARD_SAMPLES,
    done: Callable[[int], None] | None = None,
) -> Info:
    """Writes samples into a folder, which counts as a store once `info.json` is in it.

    Killed at any moment, the same call goes on: finished shards stay, and the samples in them are
    taken from the stream and dropped, so `samples` must begin anew and give the same ones.

    Args:
        samples: any stream; memory holds one block of it.
        folder: made if need be; a finished store of the same settings is left as it is.
        embed: take the images' files in; else their paths.
        images: folder that kept paths are relative to, by default `folder` itself.
        settings: what the data is made of (plain JSON values): another call's must be equal.
        shard_samples: samples after which a shard is closed.
        done: called with the number of samples that are on disk or dropped so far.

    Raises:
        InputError: the folder was begun with other settings or other data; an image is missing.
    """
    if shard_samples < 1:
        raise InputError(f"shard_samples: is {shard_samples}; it must be at least 1")
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    base = Path(images) if images is not None else root
    plan = {
        "embed": embed,
        "images": "" if embed else _kept_path(base, root),
        "shard_samples": shard_samples,
        "settings": json.loads(json.dumps(dict(settings or {}))),
    }
    if (root / INFO).exists():
        return _finished(root, plan)
    with _Journal(root, plan) as journal:
        stream = _skip(iter(samples), journal, root, done)
        _sweep(root)
        written = sum(shard.samples for shard in journal.shards)
        for rows, last in _shards(group(stream), embed, base, shard_samples):
            path = root / f"data-{len(journal.shards):05d}.parquet"
            with ParquetShard(path) as writer:
                for block in rows:
                    writer.write(block)
                    written += sum(len(row.questions) for row in block)
                    if done is not None:
                        done(written)
            journal.add(writer.shard(), last[0])
        info = Info(embed, plan["images"], tuple(journal.shards), plan["settings"])
        write_json(root / INFO, {**info.to_dict(), "shard_samples": shard_samples})
    (root / JOURNAL).unlink(missing_ok=True)
    return info


def _kept_path(base: Path, root: Path) -> str:
    """Where the images are: by a relative path if they lie within the store, else absolute."""
    own, pictures = root.resolve(), base.resolve()
    if pictures.is_relative_to(own):
        return pictures.relative_to(own).as_posix()
    return pictures.as_posix()


def _finished(root: Path, plan: dict[str, Any]) -> Info:
    info = load_info(root)
    record = json.loads((root / INFO).read_text("utf-8"))
    _compare(root, {name: record.get(name) for name in plan}, plan)
    return info


def _compare(root: Path, found: dict[str, Any], plan: dict[str, Any]) -> None:
    other = [name for name in plan if found.get(name) != plan[name]]
    if other:
        name = other[0]
        raise InputError(
            f"{root}: was written with another {name} ({found.get(name)!r}, not {plan[name]!r}); "
            "use another folder, or remove this one"
        )


class _Journal(RecordLog):
    """The plan, then each finished shard with a digest of the last sample in it."""

    def __init__(self, root: Path, plan: dict[str, Any]) -> None:
        super().__init__(root / JOURNAL)
        self.shards: list[ShardFile] = []
        self.last = ""
        try:
            self.cut_torn_tail()
            if not self.size:
                self.append([{"plan": plan}])
            head, *shards = read_records(self.path)
            _compare(root, head["plan"], plan)
        except BaseException:
            self.close()
            raise
        for record in shards:
            self.shards.append(ShardFile.from_dict(record["shard"]))
            self.last = record["last"]

    def add(self, shard: ShardFile, last: str) -> None:
        """Notes a finished shard; killed before this, its file is written again, the same."""
        self.append([{"shard": asdict(shard), "last": last}])
        self.shards.append(shard)
        self.last = last


def _sweep(root: Path) -> None:
    """Takes away what a killed writer left behind."""
    for path in root.glob(".data-*.part"):
        path.unlink()


def _digest(sample: RegionSample) -> str:
    if isinstance(sample.image, np.ndarray):
        fields = repr((sample.image_id, sample.region_id, sample.attribute, sample.text))
    else:
        fields = json.dumps(to_record(sample), sort_keys=True)
    return hashlib.sha256(fields.encode()).hexdigest()[:16]


def _skip(
    samples: Iterator[RegionSample],
    journal: _Journal,
    root: Path,
    done: Callable[[int], None] | None,
) -> Iterator[RegionSample]:
    """Drops the samples of finished shards; the last one must be the one written."""
    count = sum(shard.samples for shard in journal.shards)
    last = None
    for number, sample in enumerate(itertools.islice(samples, count), 1):
        last = sample
        if done is not None and number % 1000 == 0:
            done(number)
    if count and (last is None or _digest(last) != journal.last):
        raise InputError(
            f"{root}: was begun with other data (sample {count:,} is not the one written); "
            "use another folder, or remove this one"
        )
    return samples


def _shards(
    groups: Iterator[list[RegionSample]], embed: bool, images: Path, most: int
) -> Iterator[tuple[Iterator[list[StoredRow]], list[str]]]:
    """Shards, each as its blocks, and a list that then holds its last sample's digest."""
    groups = iter(groups)
    for first in groups:
        last: list[str] = [""]
        yield _blocks(itertools.chain([first], groups), embed, images, most, last), last


def _blocks(
    groups: Iterator[list[RegionSample]], embed: bool, images: Path, most: int, last: list[str]
) -> Iterator[list[StoredRow]]:
    samples = size = 0  # of the shard
    rows: list[StoredRow] = []
    held = weight = 0  # of the block
    for members in groups:
        row = make_row(members, embed=embed, images=images)
        last[0] = _digest(members[-1])
        rows.append(row)
        held += len(members)
        weight += len(row.data or b"") + sum(len(counts or "") for _, counts in row.regions)
        if held >= BLOCK_SAMPLES or weight >= BLOCK_BYTES or samples + held >= most:
            yield rows
            samples, size = samples + held, size + weight
            rows, held, weight = [], 0, 0
            if samples >= most or size >= SHARD_BYTES:
                return
    if rows:
        yield rows
