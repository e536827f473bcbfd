"""Tensors to safetensors shards, one tensor in memory at a time; a folder that appears as one.

The format is a header (8 bytes of length, little endian, then JSON: name -> dtype, shape, offsets)
and the raw values. All shapes are known beforehand, so the header can be written first and each
tensor behind it as it is read. safetensors' own `save_file` wants a whole shard in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch

from finecaption.errors import InputError
from finecaption.io.atomic import replacing_folder

from .plan import Entry

DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
INDEX = "model.safetensors.index.json"
_CHUNK = 16 << 20  # values converted at once
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_size(text: str) -> int:
    """ "5GB" -> bytes; KB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024.

    Raises:
        InputError: no such size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]i?B)", text.strip(), re.IGNORECASE)
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if size <= 0:
        raise InputError(f"size {text!r}: expected a number and a unit, for example 5GB or 500MB")
    return size


def split_shards(entries: Sequence[Entry], width: int, limit: int) -> list[list[Entry]]:
    """Entries in order, in groups of at most `limit` bytes; a larger tensor has its own group.

    Args:
        entries: all tensors.
        width: bytes of a value.
        limit: bytes of a shard.
    """
    shards: list[list[Entry]] = []
    filled = 0
    for entry in entries:
        size = math.prod(entry.shape) * width
        if not shards or filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(entry)
        filled += size
    return shards


def write_shards(
    entries: Sequence[Entry],
    folder: Path,
    dtype: str,
    limit: int,
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Writes all tensors into `folder`, with an index if there is more than one shard.

    Args:
        entries: what to write.
        folder: exists.
        dtype: float32, float16 or bfloat16, of every tensor.
        limit: bytes of a shard.
        say: told about each shard.

    Returns:
        {"name", "bytes", "sha256"} of each shard.
    """
    torch_dtype: torch.dtype = getattr(torch, dtype)
    shards = split_shards(entries, torch_dtype.itemsize, limit)
    files: list[dict[str, Any]] = []
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        name = name if len(shards) > 1 else "model.safetensors"
        files.append({"name": name, **_write_shard(shard, folder / name, torch_dtype, dtype)})
        weight_map.update(dict.fromkeys((entry.name for entry in shard), name))
        say(f"{name}: {files[-1]['bytes'] / 1e9:.2f} GB, {len(shard)} tensors")
    if len(shards) > 1:
        values = sum(math.prod(entry.shape) for entry in entries)
        metadata = {"total_parameters": values, "total_size": values * torch_dtype.itemsize}
        index = {"metadata": metadata, "weight_map": weight_map}
        (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", "utf-8")
    return files


def _write_shard(
    shard: Sequence[Entry], path: Path, dtype: torch.dtype, name: str
) -> dict[str, Any]:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for entry in shard:
        end = offset + math.prod(entry.shape) * dtype.itemsize
        header[entry.name] = {
            "dtype": DTYPES[name],
            "shape": list(entry.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # values start aligned
    with path.open("wb") as file:
        out = _Hashed(file)
        out.write(len(text).to_bytes(8, "little"))
        out.write(text)
        for entry in shard:
            for block in _blocks(entry, dtype):
                out.write(memoryview(block.view(torch.uint8).numpy()))
    return {"bytes": out.count, "sha256": out.digest.hexdigest()}


def _blocks(entry: Entry, dtype: torch.dtype) -> Iterator[torch.Tensor]:
    """A tensor's values in order, converted piece by piece."""
    values = entry.load()
    if tuple(values.shape) != entry.shape:
        raise InputError(f"{entry.name}: read as {tuple(values.shape)}, expected {entry.shape}")
    if not values.is_floating_point():
        raise InputError(f"{entry.name}: is {values.dtype}, expected floating-point values")
    for block in values.contiguous().reshape(-1).split(_CHUNK):
        yield block.to(dtype).contiguous()


class _Hashed:
    """A file that is hashed as it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest, self.count = file, hashlib.sha256(), 0

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self.digest.update(data)
        self.count += len(data)


@contextlib.contextmanager
def new_folder(out: Path, size: int) -> Iterator[Path]:
    """A folder to fill that becomes `out` at the end, or vanishes if anything goes wrong.

    Args:
        out: must not exist, or be empty.
        size: bytes that will be written.

    Raises:
        InputError: `out` is in use; the disk is too small.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out {out}: exists; give another folder or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out.parent).free
    if free < size:
        raise InputError(f"--out {out}: needs {size / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
    with replacing_folder(out) as part:
        yield part


__all__ = ["DTYPES", "INDEX", "new_folder", "parse_size", "split_shards", "write_shards"]
