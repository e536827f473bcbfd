"""Parquet shards in a schema that Hugging Face `datasets` reads: `image` is its Image feature."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from finecaption.data.store.layout import Block, ShardFile
from finecaption.data.store.rows import StoredRow
from finecaption.errors import FineCaptionError, InputError
from finecaption.io.atomic import replacing

# what pyarrow and Python raise for files that somebody has cut, changed or made up
_BROKEN = (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError, MemoryError)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise FineCaptionError(
            'Parquet needs the extra packages of: pip install "finecaption[data]"'
        ) from error
    return pyarrow


_COLUMNS: dict[str, Any] = {  # name -> type, or the fields of a list's elements
    "width": "int32",
    "height": "int32",
    "image_id": "string",
    "split": "string",
    "source": "string",
    "licence": "string",
    "regions": {"region_id": "string", "counts": "string"},
    "questions": {
        "region": "int32",
        "task": "string",
        "attribute": "string",
        "prompt": "string",
        "text": "string",
    },
}


def schema() -> Any:
    """The columns as a `pyarrow.Schema`, with what makes `datasets` read `image` as images.

    Written out here, and compared with `datasets.Features` by a test: importing `datasets` takes
    longer than most conversions.
    """
    arrow = _pyarrow()
    types = {"int32": arrow.int32(), "string": arrow.string()}
    fields = [("image", arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())]))]
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    for name, kind in _COLUMNS.items():
        if isinstance(kind, str):
            fields.append((name, types[kind]))
            features[name] = {"dtype": kind, "_type": "Value"}
        else:
            inner = arrow.struct([(part, types[k]) for part, k in kind.items()])
            fields.append((name, arrow.list_(inner)))
            values = {part: {"dtype": k, "_type": "Value"} for part, k in kind.items()}
            features[name] = {"feature": values, "_type": "List"}
    return arrow.schema(fields, {"huggingface": json.dumps({"info": {"features": features}})})


class ParquetShard:
    """Writes one shard: blocks become row groups.

    When the `with` block ends, the file takes its name; if it raises, nothing is left of it.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._blocks = path, list[Block]()

    def __enter__(self) -> ParquetShard:
        self._arrow, self._schema = _pyarrow(), schema()
        self._open = ExitStack()
        part = self._open.enter_context(replacing(self._path))
        # images are compressed already, and zstd of level 1 notices that fast
        self._writer = self._open.enter_context(
            self._arrow.parquet.ParquetWriter(
                part,
                self._schema,
                compression="zstd",
                compression_level=1,
                write_page_checksum=True,
            )
        )
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def write(self, rows: list[StoredRow]) -> None:
        """Adds a block."""
        records = [
            {**row.to_dict(), "image": {"bytes": row.data, "path": row.path}} for row in rows
        ]
        table = self._arrow.Table.from_pylist(records, schema=self._schema)
        self._writer.write_table(table, row_group_size=len(rows))
        self._blocks.append(Block(len(rows), sum(len(row.questions) for row in rows)))

    def shard(self) -> ShardFile:
        """What is in the finished file."""
        return ShardFile(self._path.name, self._path.stat().st_size, tuple(self._blocks))


class ParquetFile:
    """Reads blocks of one shard; errors name the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        arrow = _pyarrow()
        try:
            # no memory map: its pages would count as this process's memory
            self._file = arrow.parquet.ParquetFile(
                path, memory_map=False, pre_buffer=False, page_checksum_verification=True
            )
        except (*_BROKEN, arrow.ArrowException) as error:
            raise self._broken(error) from error
        self._errors = (*_BROKEN, arrow.ArrowException)

    def _broken(self, error: Exception) -> InputError:
        return InputError(
            f"{self._path}: is broken ({(str(error) or repr(error)).splitlines()[0]}); copy it "
            "again, or convert again"
        )

    def read(self, number: int) -> list[StoredRow]:
        """The rows of a block."""
        try:
            # in this thread: after a fork, as loaders do, a pool of threads may be gone
            records = self._file.read_row_group(number, use_threads=False).to_pylist()
            rows = []
            for record in records:
                image = record["image"]
                rows.append(StoredRow.from_dict(record, image["path"], image["bytes"]))
            return rows
        except self._errors as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
