"""Tar shards in the manner of WebDataset: `000000000.json` with a row, and its picture beside it.

Written and read with the standard library; `datasets` reads them as "webdataset".
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

from finecaption.data.store.layout import Block, Shard
from finecaption.data.store.rows import Row
from finecaption.errors import InputError

_PLAIN = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


class TarShard:
    """Writes one shard. `close` gives it its name."""

    suffix = ".tar"

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, path.with_name(f".{path.name}.part")
        self._tar = tarfile.open(self._part, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 # closed by close() and abandon()
        self._count = 0
        self._stem = path.stem.rpartition("-")[2]
        self._blocks: list[Block] = []

    def _add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)  # of time 0: equal data gives equal files
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))

    def write(self, rows: list[Row]) -> None:
        """Adds a block."""
        offset = self._tar.offset
        for row in rows:
            key = f"{self._stem}{self._count:06d}"
            record = {"path": row.path, **row.to_dict()}
            self._add(f"{key}.json", json.dumps(record, ensure_ascii=False).encode())
            if row.data is not None:
                suffix = Path(row.path).suffix.lower()
                self._add(key + (suffix if suffix in _PLAIN else ".img"), row.data)
            self._count += 1
        samples = sum(len(row.questions) for row in rows)
        self._blocks.append(Block(len(rows), samples, offset, self._tar.offset - offset))

    def close(self) -> Shard:
        """Finishes the file."""
        self._tar.close()
        os.replace(self._part, self._path)
        return Shard(self._path.name, self._path.stat().st_size, tuple(self._blocks))

    def abandon(self) -> None:
        """Takes the unfinished file away."""
        self._tar.close()
        self._part.unlink(missing_ok=True)


class TarFile:
    """Reads blocks of one shard; errors name the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise InputError(f"{path}: cannot be opened ({error.strerror})") from error

    def read(self, number: int, block: Block) -> list[Row]:
        """The rows of a block."""
        del number  # a tar's block is found by its offset
        self._file.seek(block.offset)
        rows: list[Row] = []
        record, data = None, None
        try:
            with tarfile.open(fileobj=io.BytesIO(self._file.read(block.size)), mode="r:") as tar:
                for member in tar:
                    content = tar.extractfile(member)
                    if content is None:
                        raise ValueError(f"{member.name} is no file")
                    if member.name.endswith(".json"):
                        if record is not None:
                            rows.append(Row.from_dict(record, record["path"], data))
                        record, data = json.loads(content.read()), None
                    else:
                        data = content.read()
            if record is not None:
                rows.append(Row.from_dict(record, record["path"], data))
            if len(rows) != block.pictures:
                raise ValueError(f"{len(rows)} rows where {block.pictures} belong")
        except (tarfile.TarError, ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(
                f"{self._path}: is broken near byte {block.offset:,} ({error}); copy it again, or "
                "convert again"
            ) from error
        return rows

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):  # opening it may have failed
            self._file.close()
