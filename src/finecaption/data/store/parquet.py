"""Parquet shards in a schema that Hugging Face `datasets` reads: `image` is its Image feature."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from finecaption.data.store.layout import Block, Shard
from finecaption.data.store.rows import Row
from finecaption.errors import FineCaptionError, InputError


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise FineCaptionError(
            'Parquet needs the extra packages of: pip install "finecaption[data]"'
        ) from error
    return pyarrow


@lru_cache(maxsize=1)
def features() -> Any:
    """The columns as `datasets.Features`."""
    try:
        from datasets import Features, Image, Value
    except ImportError as error:
        raise FineCaptionError(
            'Parquet needs the extra packages of: pip install "finecaption[data]"'
        ) from error
    text = Value("string")
    return Features(
        {
            "image": Image(),
            "width": Value("int32"),
            "height": Value("int32"),
            "image_id": text,
            "split": text,
            "source": text,
            "licence": text,
            "regions": [{"region_id": text, "counts": text}],
            "questions": [
                {
                    "region": Value("int32"),
                    "task": text,
                    "attribute": text,
                    "prompt": text,
                    "text": text,
                }
            ],
        }
    )


class ParquetShard:
    """Writes one shard: blocks become row groups. `close` gives it its name."""

    suffix = ".parquet"

    def __init__(self, path: Path) -> None:
        arrow = _pyarrow()
        self._arrow = arrow
        self._schema = features().arrow_schema
        self._path, self._part = path, path.with_name(f".{path.name}.part")
        # pictures are compressed already, and zstd of level 1 notices that fast
        self._writer = arrow.parquet.ParquetWriter(
            self._part, self._schema, compression="zstd", compression_level=1
        )
        self._blocks: list[Block] = []

    def write(self, rows: list[Row]) -> None:
        """Adds a block."""
        records = [
            {**row.to_dict(), "image": {"bytes": row.data, "path": row.path}} for row in rows
        ]
        table = self._arrow.Table.from_pylist(records, schema=self._schema)
        self._writer.write_table(table, row_group_size=len(rows))
        self._blocks.append(Block(len(rows), sum(len(row.questions) for row in rows)))

    def close(self) -> Shard:
        """Finishes the file."""
        self._writer.close()
        os.replace(self._part, self._path)
        return Shard(self._path.name, self._path.stat().st_size, tuple(self._blocks))

    def abandon(self) -> None:
        """Takes the unfinished file away."""
        self._writer.close()
        self._part.unlink(missing_ok=True)


class ParquetFile:
    """Reads blocks of one shard; errors name the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        arrow = _pyarrow()
        try:
            # no memory map: its pages would count as this process's memory
            self._file = arrow.parquet.ParquetFile(path, memory_map=False, pre_buffer=False)
        except (OSError, arrow.ArrowException) as error:
            raise self._broken(error) from error
        self._errors = (OSError, arrow.ArrowException)

    def _broken(self, error: Exception) -> InputError:
        return InputError(
            f"{self._path}: is broken ({str(error).splitlines()[0]}); copy it again, or convert "
            "again"
        )

    def read(self, number: int, block: Block) -> list[Row]:
        """The rows of a block."""
        try:
            # in this thread: after a fork, as loaders do, a pool of threads may be gone
            records = self._file.read_row_group(number, use_threads=False).to_pylist()
        except self._errors as error:
            raise self._broken(error) from error
        rows = []
        for record in records:
            image = record["image"]
            rows.append(Row.from_dict(record, image["path"], image["bytes"]))
        return rows

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def huggingface_metadata(path: Path) -> dict[str, Any]:
    """What `datasets` reads of a shard's schema: its features, as JSON."""
    schema = _pyarrow().parquet.read_schema(path)
    found: dict[str, Any] = json.loads(schema.metadata[b"huggingface"])
    return found
