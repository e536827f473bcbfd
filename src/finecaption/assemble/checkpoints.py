"""Named tensors on disk, read one at a time, without ever running what a file says.

safetensors files by `safe_open`; torch files by `torch.load(weights_only=True, mmap=True)`;
TorchScript archives (OpenAI's CLIP files are such) by `scripted`. Mapped pages count as memory of
the process, so files are opened anew from time to time instead of being kept.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open

from finecaption.errors import InputError
from finecaption.io.checkpoint import check_names

from .scripted import is_scripted, read_scripted

# Bytes that are read from a mapped torch file before it is opened anew, which frees its pages.
_REOPEN = 128 << 20
# Files that hold weights, in the order in which a folder is searched.
WEIGHT_FILES = (
    "model.safetensors",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
)
_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")


Shapes = Mapping[str, tuple[int, ...]]


class Checkpoint(Protocol):
    """Tensors by name."""

    files: tuple[Path, ...]
    shapes: Shapes

    def get(self, name: str) -> torch.Tensor:
        """One tensor, on the CPU, in the file's own dtype."""
        ...


class SafetensorsFile:
    """One `.safetensors` file."""

    def __init__(self, path: Path) -> None:
        self.files: tuple[Path, ...] = (path,)
        try:
            with safe_open(path, framework="pt") as file:
                self.shapes: Shapes = {k: tuple(file.get_slice(k).get_shape()) for k in file.keys()}  # noqa: SIM118 # no mapping
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: is no readable safetensors file ({error})") from error

    def get(self, name: str) -> torch.Tensor:
        # Opened for each tensor: reading the header is cheap, and nothing stays mapped.
        with safe_open(self.files[0], framework="pt") as file:
            return file.get_tensor(name)


class TorchFile:
    """One file of `torch.save`: a state dict, bare or below "state_dict" or "model"."""

    def __init__(self, path: Path) -> None:
        self.files: tuple[Path, ...] = (path,)
        self._state: dict[str, torch.Tensor] | None = None
        self._read = 0
        self.shapes: Shapes = {name: tuple(tensor.shape) for name, tensor in self._load().items()}
        self._state = None

    def get(self, name: str) -> torch.Tensor:
        if self._state is None or self._read > _REOPEN:
            self._state, self._read = None, 0
            self._state = self._load()
        tensor = self._state[name]
        self._read += tensor.numel() * tensor.element_size()
        return tensor

    def _load(self) -> dict[str, torch.Tensor]:
        path = self.files[0]
        try:
            # Files from before torch 1.6 are no zip archives and cannot be mapped.
            content = torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
            # torch's own message advises to allow code to run, which is no way here.
            reason = str(error).split("\n")[0].split(". In PyTorch")[0]
            raise InputError(
                f"{path}: cannot be read as plain weights, and pickled code is never run "
                f"({reason}); save it anew as a state dict or as safetensors"
            ) from error
        return _state_dict(content, path)


class ScriptedFile:
    """One TorchScript archive; each tensor is read out of the zip file when it is asked for."""

    def __init__(self, path: Path) -> None:
        self.files: tuple[Path, ...] = (path,)
        self._entries = read_scripted(path)
        self.shapes: Shapes = {name: entry.shape for name, entry in self._entries.items()}

    def get(self, name: str) -> torch.Tensor:
        return self._entries[name].load(self.files[0])


class Shards:
    """Several files as one."""

    def __init__(self, parts: list[Checkpoint]) -> None:
        self.files = tuple(file for part in parts for file in part.files)
        self._of: dict[str, Checkpoint] = {}
        for part in parts:
            for name in part.shapes:
                if name in self._of:
                    raise InputError(f"{part.files[0]}: {name} is in another shard too")
                self._of[name] = part
        self.shapes: Shapes = {name: part.shapes[name] for name, part in self._of.items()}

    def get(self, name: str) -> torch.Tensor:
        return self._of[name].get(name)


class _Renamed:
    """A checkpoint of a model that was wrapped (DistributedDataParallel): without its prefix."""

    def __init__(self, inner: Checkpoint, prefix: str) -> None:
        self.files, self._inner, self._prefix = inner.files, inner, prefix
        self.shapes: Shapes = {name[len(prefix) :]: shape for name, shape in inner.shapes.items()}

    def get(self, name: str) -> torch.Tensor:
        return self._inner.get(self._prefix + name)


def open_file(path: Path) -> Checkpoint:
    """One weights file of any kind.

    Raises:
        InputError: it cannot be read, or only by running code.
    """
    if path.suffix == ".safetensors":
        opened: Checkpoint = SafetensorsFile(path)
    elif is_scripted(path):
        opened = ScriptedFile(path)
    else:
        opened = TorchFile(path)
    if opened.shapes and all(name.startswith("module.") for name in opened.shapes):
        return _Renamed(opened, "module.")
    return opened


def weight_files(names: list[str], where: str) -> list[str]:
    """Which of a folder's files hold its weights: an index, a usual name, or the only candidate.

    Args:
        names: file names, without folders.
        where: the folder, for messages.

    Returns:
        An index file alone, or one weights file.

    Raises:
        InputError: there is none, or several and no way to tell.
    """
    for name in WEIGHT_FILES:
        for candidate in (f"{name}.index.json", name):
            if candidate in names:
                return [candidate]
    candidates = sorted(name for name in names if name.endswith(_SUFFIXES))
    if len(candidates) == 1:
        return candidates
    if not candidates:
        raise InputError(f"{where}: holds no weights ({', '.join(_SUFFIXES)}); give another source")
    raise InputError(
        f"{where}: holds several weights files ({', '.join(candidates)}); give one of them"
    )


def index_files(index: Path) -> list[str]:
    """The shards that an index file names.

    Raises:
        InputError: the index cannot be read, or names a file that is not beside it.
    """
    try:
        names = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{index}: is no readable index of shards ({error!r})") from error
    check_names(index, names)
    return sorted(names)


def open_folder(folder: Path) -> Checkpoint:
    """The weights of a folder, sharded or not.

    Raises:
        InputError: no weights, a shard that is missing or that the index does not fit.
    """
    (name,) = weight_files([p.name for p in folder.iterdir() if p.is_file()], str(folder))
    if not name.endswith(".index.json"):
        return open_file(folder / name)
    shards = index_files(folder / name)
    for shard in shards:
        if not (folder / shard).is_file():
            raise InputError(f"{folder / name}: names {shard}, which is missing; fetch it again")
    return Shards([open_file(folder / shard) for shard in shards])


def _state_dict(content: Any, path: Path) -> dict[str, torch.Tensor]:
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path}: holds {type(content).__name__}, not a state dict")
    for name, value in content.items():
        if not isinstance(value, torch.Tensor):
            raise InputError(f"{path}: {name} is {type(value).__name__}, not a tensor")
    return dict(content)


__all__ = [
    "WEIGHT_FILES",
    "Checkpoint",
    "Shards",
    "index_files",
    "open_file",
    "open_folder",
    "weight_files",
]
