"""The tensors of a TorchScript archive, without loading its program.

OpenAI publishes CLIP as such archives. `torch.load(weights_only=True)` refuses them, and
`torch.jit.load` compiles what is in them and is deprecated. The archive is a zip file: `data.pkl`
describes the modules, `data/N` are raw storages. The unpickler here knows exactly five names, none
of which does anything but keep its arguments; any other name stops it.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from finecaption.errors import InputError

_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


# What unpickling and unzipping raise on broken files.
_BROKEN = (
    zipfile.BadZipFile,
    pickle.UnpicklingError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
)


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies in the archive."""

    entry: str
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def load(self, path: Path) -> torch.Tensor:
        """The tensor, read from the archive; a copy of its own."""
        size = torch.empty((), dtype=self.dtype).element_size()
        extent = 1 + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True))
        if not math.prod(self.shape):
            return torch.empty(self.shape, dtype=self.dtype)
        with zipfile.ZipFile(path) as archive, archive.open(self.entry) as stored:
            stored.seek(self.offset * size)
            raw = bytearray(stored.read(extent * size))
        if len(raw) != extent * size:
            raise InputError(f"{path}: {self.entry} ends too early; fetch the file again")
        flat = torch.frombuffer(raw, dtype=self.dtype)
        return torch.as_strided(flat, self.shape, self.stride)


class _Module:
    """Stands for any class of the archive: keeps its attributes, runs nothing."""

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state if isinstance(state, dict) else {})


def _argument(value: Any = None, *rest: Any) -> Any:
    return value


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, root: str, path: Path) -> None:
        super().__init__(io.BytesIO(data))
        self._root, self._path = root, path

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":  # typed lists
            return _argument
        raise InputError(f"{self._path}: asks for {module}.{name}; nothing but tensors is read")

    def persistent_load(self, pid: Any) -> tuple[str, torch.dtype]:
        _, dtype, key, _, _ = pid
        return f"{self._root}/data/{key}", dtype


def _rebuild(
    storage: tuple[str, torch.dtype], offset: int, shape: Any, stride: Any, *rest: Any
) -> StoredTensor:
    return StoredTensor(storage[0], storage[1], offset, tuple(shape), tuple(stride))


def is_scripted(path: Path) -> bool:
    """Whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_scripted(path: Path) -> dict[str, StoredTensor]:
    """Parameters and buffers of a TorchScript archive by their dotted names.

    Raises:
        InputError: the archive is broken or holds anything else than modules and tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (pickled,) = (n for n in archive.namelist() if n.count("/") == 1 and _is_data(n))
            root = pickled.partition("/")[0]
            top = _Unpickler(archive.read(pickled), root, path).load()
    except _BROKEN as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is a broken TorchScript archive ({error})") from error
    return dict(_tensors(top, ""))


def _is_data(name: str) -> bool:
    return name.endswith("/data.pkl")


def _tensors(module: Any, prefix: str) -> Iterator[tuple[str, StoredTensor]]:
    for name, value in vars(module).items():
        if isinstance(value, StoredTensor):
            yield prefix + name, value
        elif isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.")


__all__ = ["StoredTensor", "is_scripted", "read_scripted"]
