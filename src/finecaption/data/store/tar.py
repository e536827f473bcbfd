"""Tar shards in the manner of WebDataset: `000000000.json` with a row, and its picture beside it.

Written and read with the standard library; `datasets` reads them as "webdataset".
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import zlib
from pathlib import Path
from typing import Any

from finecaption.data.store.layout import Block, Shard
from finecaption.data.store.rows import Row
from finecaption.errors import InputError

_PLAIN = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


class _Checked:
    """A file that is written from its start on, with the CRC-32 of what was last written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.crc = 0

    def write(self, data: bytes) -> int:
        self.crc = zlib.crc32(data, self.crc)
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


class TarShard:
    """Writes one shard. `close` gives it its name."""

    suffix = ".tar"

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, path.with_name(f".{path.name}.part")
        self._file = _Checked(self._part)
        file: Any = self._file  # as much of a file as writing needs
        self._tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)
        self._count = 0
        self._stem = path.stem.rpartition("-")[2]
        self._blocks: list[Block] = []

    def _add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)  # of time 0: equal data gives equal files
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))

    def write(self, rows: list[Row]) -> None:
        """Adds a block."""
        offset, self._file.crc = self._tar.offset, 0
        for row in rows:
            key = f"{self._stem}{self._count:06d}"
            record = {"path": row.path, **row.to_dict()}
            self._add(f"{key}.json", json.dumps(record, ensure_ascii=False).encode())
            if row.data is not None:
                suffix = Path(row.path).suffix.lower()
                self._add(key + (suffix if suffix in _PLAIN else ".img"), row.data)
            self._count += 1
        samples = sum(len(row.questions) for row in rows)
        size = self._tar.offset - offset
        self._blocks.append(Block(len(rows), samples, offset, size, self._file.crc))

    def close(self) -> Shard:
        """Finishes the file."""
        self._tar.close()
        self._file.close()
        os.replace(self._part, self._path)
        return Shard(self._path.name, self._path.stat().st_size, tuple(self._blocks))

    def abandon(self) -> None:
        """Takes the unfinished file away."""
        self._file.close()
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
            content = self._file.read(block.size)
            if zlib.crc32(content) != block.crc:
                raise ValueError("its checksum is another")
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
                for member in tar:
                    stream = tar.extractfile(member)
                    if stream is None:
                        raise ValueError(f"{member.name} is no file")
                    if member.name.endswith(".json"):
                        if record is not None:
                            rows.append(Row.from_dict(record, record["path"], data))
                        record, data = json.loads(stream.read()), None
                    else:
                        data = stream.read()
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
