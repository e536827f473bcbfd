"""Parquet stores that are cut, changed or made by somebody else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .case import Case, Place, command
from .drawing import image
from .jsonl_and_folders import GOOD

KIND = "Parquet stores"
_made: dict[str, bytes] = {}  # the files of a sound store, written once


def _store(damage: Callable[[Path], object], place: Place) -> str:
    image().save("pic.png")
    if not _made:
        Path("d.jsonl").write_text(json.dumps(GOOD))
        command("data", "convert", "d.jsonl", "--to", "parquet", "--embed", "--out", "o")
        _made.update({file.name: file.read_bytes() for file in Path("o").iterdir()})
    else:
        Path("o").mkdir()
        for name, data in _made.items():
            Path("o", name).write_bytes(data)
    damage(Path("o"))
    command("data", "validate", "o", "--from", "store", refuses=1)
    return "sound"


def _shard(folder: Path) -> Path:
    return next(iter(sorted(folder.glob("*.parquet"))))


def _told(folder: Path, **changes: Any) -> None:
    """Changes `info.json`."""
    file = folder / "info.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def _resized(folder: Path) -> None:
    """Makes `info.json` believe that a changed shard is whole."""
    info = json.loads((folder / "info.json").read_text())
    info["shards"][0]["size"] = _shard(folder).stat().st_size
    _told(folder, shards=info["shards"])


def _cut(part: float, folder: Path) -> None:
    os.truncate(_shard(folder), int(_shard(folder).stat().st_size * part))
    _resized(folder)


def _flipped(seed: int, folder: Path) -> None:
    data = bytearray(_shard(folder).read_bytes())
    draw = np.random.default_rng(seed)
    for at in draw.integers(4, len(data) - 8, 24):
        data[at] ^= 0x5A
    _shard(folder).write_bytes(data)


def _replaced(data: bytes, folder: Path) -> None:
    _shard(folder).write_bytes(data)
    _resized(folder)


def _row(name: str, value: Any, folder: Path) -> None:
    """Changes a column of the only row."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(_shard(folder), use_threads=False)
    (row,) = table.to_pylist()
    if name in ("counts", "region_id"):
        row["regions"][0][name] = value
    elif name in ("region", "task", "text"):
        row["questions"][0][name] = value
    elif name == "bytes":
        row["image"]["bytes"] = value
    else:
        row[name] = value
    made = pyarrow.Table.from_pylist([row], schema=table.schema)
    pyarrow.parquet.write_table(made, _shard(folder))
    _resized(folder)


def _other_table(folder: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), _shard(folder))
    _resized(folder)


def cases() -> Iterator[Case]:
    """All of this file."""
    yield Case(KIND, "sound", partial(_store, lambda folder: None), "sound")
    damages: dict[str, tuple[Callable[[Path], object], str]] = {
        "no info": (lambda folder: (folder / "info.json").unlink(), "info.json"),
        "info of half": (lambda folder: os.truncate(folder / "info.json", 40), "info.json"),
        "info a list": (lambda folder: (folder / "info.json").write_text("[]"), "info.json"),
        "info of a newer version": (partial(_told, version=99), "version"),
        "info without shards": (partial(_told, shards=None), "info.json"),
        "info with a shard of text": (partial(_told, shards=["a"]), "info.json"),
        "no shard": (lambda folder: _shard(folder).unlink(), "missing"),
        "a shard that is cut": (lambda folder: os.truncate(_shard(folder), 100), "bytes"),
        "a shard of another table": (_other_table, ""),
        **{f"a shard of {part:.0%}, as told": (partial(_cut, part), "broken")
           for part in (0.0, 0.3, 0.9)},
        **{f"a shard of {name}": (partial(_replaced, data), "broken")
           for name, data in (("zeros", bytes(999)), ("text", b"hello " * 99))},
        "counts that are short": (partial(_row, "counts", "1"), ""),
        "counts null": (partial(_row, "counts", None), ""),
        "no such region": (partial(_row, "region", 9), "region"),
        "region -5": (partial(_row, "region", -5), "region"),
        "unknown task": (partial(_row, "task", "vqa"), "task"),
        "text null": (partial(_row, "text", None), "text"),
        "questions null": (partial(_row, "questions", None), ""),
        "width null": (partial(_row, "width", None), "size"),
        "width -1": (partial(_row, "width", -1), "size"),
        "image no image": (partial(_row, "bytes", b"<html>"), "image"),
        "image null": (partial(_row, "image", None), ""),
    }  # fmt: skip
    for name, (damage, word) in damages.items():
        yield Case(KIND, name, partial(_store, damage), word=word)
    for seed in range(16):
        run = partial(_store, partial(_flipped, seed))
        yield Case(KIND, f"24 bytes changed, {seed}", run, word="broken")
    names = ("../outside/x.parquet", "/etc/passwd", "a\0b")
    for name in names:
        shards = [{"name": name, "size": 1, "blocks": [[1, 1]]}]
        run = partial(_store, partial(_told, shards=shards))
        yield Case(KIND, f"a shard called {name!r}", run, word="")
