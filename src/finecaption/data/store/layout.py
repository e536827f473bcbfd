"""The folder of a store: its files, and `info.json`, which says what is in them.

    info.json             written last: a folder without it is not finished
    data-00000.parquet    shards, each of a few blocks
    .writing.jsonl        of an unfinished store: where writing goes on

A block is what is read at once: a row group of a Parquet file.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finecaption.errors import InputError

INFO, JOURNAL = "info.json", ".writing.jsonl"
VERSION = 2


@dataclass(frozen=True)
class Block:
    """What is read at once: its numbers of images and samples."""

    pictures: int
    samples: int


@dataclass(frozen=True)
class ShardFile:
    """A file of a store; `size` in bytes, so that a cut copy is noticed."""

    name: str
    size: int
    blocks: tuple[Block, ...]

    @property
    def samples(self) -> int:
        """Samples in the file."""
        return sum(block.samples for block in self.blocks)

    @property
    def pictures(self) -> int:
        """Rows in the file."""
        return sum(block.pictures for block in self.blocks)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> ShardFile:
        """The inverse of `dataclasses.asdict`."""
        return cls(record["name"], record["size"], tuple(Block(**b) for b in record["blocks"]))


@dataclass(frozen=True)
class Info:
    """What `info.json` says.

    Attributes:
        embed: whether the images' files are inside.
        images: of a store without them, the folder that their paths are relative to (relative to
            the store, or absolute).
        shards: the files, in order.
        settings: what the writer was asked for, for people.
    """

    embed: bool
    images: str
    shards: tuple[ShardFile, ...]
    settings: dict[str, Any]

    @property
    def samples(self) -> int:
        """Samples in all shards."""
        return sum(shard.samples for shard in self.shards)

    @property
    def pictures(self) -> int:
        """Rows in all shards; an image whose samples were not neighbors has several."""
        return sum(shard.pictures for shard in self.shards)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        own = asdict(self)
        return {
            "version": VERSION,
            "samples": self.samples,
            "pictures": self.pictures,
            **{name: own[name] for name in ("embed", "images", "settings", "shards")},
        }


def load_info(folder: str | os.PathLike[str]) -> Info:
    """The `info.json` of a store; checks that its files are there in full.

    Raises:
        InputError: no store, not finished, of a newer version, or a file is missing or cut.
    """
    root = Path(folder)
    path = root / INFO
    try:
        record = json.loads(path.read_text("utf-8"))
        if record["version"] != VERSION:
            raise InputError(
                f"{path}: is of version {record['version']}, this release reads {VERSION}; "
                "convert the data again"
            )
        info = Info(
            record["embed"],
            record["images"],
            tuple(ShardFile.from_dict(shard) for shard in record["shards"]),
            record["settings"],
        )
    except FileNotFoundError as error:
        hint = (
            "writing it was interrupted: give the same command again"
            if (root / JOURNAL).exists()
            else "give a folder that `finecaption data convert` wrote"
        )
        raise InputError(f"{root}: is not a stored dataset ({INFO} is missing); {hint}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read ({error}); convert the data again") from error
    for shard in info.shards:
        if Path(shard.name).name != shard.name:
            raise InputError(f"{path}: shards: {shard.name!r} is no name of a file in {root}")
        file = root / shard.name
        if not file.is_file():
            raise InputError(f"{file}: is missing; copy the folder again, or convert again")
        if file.stat().st_size != shard.size:
            raise InputError(
                f"{file}: has {file.stat().st_size:,} bytes where {INFO} says {shard.size:,}; "
                "copy the file again, or convert again"
            )
    return info
