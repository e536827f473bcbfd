"""Checkpoints of a stage: what is trainable, sealed when whole, verified before they are used."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from finecaption.errors import InputError

WEIGHTS = "model.safetensors"  # the name under which Trainer looks for a checkpoint's weights
SEAL = "whole.json"  # sizes and checksums of a checkpoint's files, written when all are there
_SAMPLED = 256 << 20  # bytes: of larger files, blocks are checked instead of everything
_BLOCK = 1 << 20


def trainable_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The trainable parameters by name, on the CPU; a tied one has its first name only."""
    return {
        name: p.detach().cpu().contiguous()
        for name, p in model.named_parameters()
        if p.requires_grad
    }


def save_weights(model: nn.Module, folder: Path) -> None:
    """Writes the trainable parameters: what is frozen lies where the run began."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(trainable_state(model), folder / WEIGHTS, metadata={"format": "pt"})


def load_weights(model: nn.Module, folder: Path) -> None:
    """Puts back what `save_weights` wrote.

    Raises:
        InputError: the checkpoint is of another model.
    """
    state, wanted = load_file(folder / WEIGHTS), set(trainable_state(model))
    missing = sorted(wanted - set(state))
    if missing:
        raise InputError(
            f"{folder} is of another run: it lacks {missing[0]} and {len(missing) - 1} more; "
            f"delete {folder.parent} to begin the stage anew"
        )
    # Checkpoints of before there were seals hold what is frozen, too.
    load_parameters(model, {name: value for name, value in state.items() if name in wanted})


def load_parameters(model: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Puts parameters into a model, in the model's own types.

    Raises:
        InputError: the model has no parameter of a name, or of another shape.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name, tensor in state.items():
        if name not in parameters or parameters[name].shape != tensor.shape:
            raise InputError(f"{name}: the model has no parameter of that name and shape")
        parameters[name].data.copy_(tensor)


# --- whole or not ---------------------------------------------------------------------------------


def _checksum(path: Path) -> int:
    size, value = path.stat().st_size, 0
    step = _BLOCK if size <= _SAMPLED else (size - _BLOCK) // (_SAMPLED // _BLOCK)
    with path.open("rb") as file:
        for start in range(0, max(size, 1), step):
            file.seek(start)
            value = zlib.crc32(file.read(_BLOCK), value)
        file.seek(max(0, size - _BLOCK))
        return zlib.crc32(file.read(_BLOCK), value)


def _files(folder: Path) -> dict[str, list[int]]:
    return {
        str(path.relative_to(folder)): [path.stat().st_size, _checksum(path)]
        for path in sorted(folder.rglob("*"))
        if path.is_file() and SEAL not in path.name
    }


def seal(folder: Path) -> None:
    """Says that a checkpoint is whole; its files are on disk before the seal is."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    files = _files(folder)
    temporary = folder / f".{SEAL}.part"
    with temporary.open("w") as file:
        json.dump(files, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / SEAL)


def is_whole(folder: Path) -> bool:
    """Whether a checkpoint is sealed and its files are as they were then."""
    try:
        sealed = json.loads((folder / SEAL).read_text())
        return all(
            (folder / name).stat().st_size == size and _checksum(folder / name) == checksum
            for name, (size, checksum) in sealed.items()
        )
    except (OSError, ValueError):
        return False


def _by_step(folder: Path) -> list[Path]:
    found = {int(p.name.rpartition("-")[2]): p for p in folder.glob("checkpoint-*")}
    return [path for _, path in sorted(found.items())]


def last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint in a folder; None where there is none.

    One that a kill cut short, or a disk spoiled, stays where it is: the run comes by again and
    writes it anew. Where none is sealed, the run is of before there were seals: Trainer writes
    trainer_state.json last, so a checkpoint that has it is taken for whole.
    """
    found = _by_step(folder)
    sealed = any((path / SEAL).exists() for path in found)
    whole = is_whole if sealed else _has_state
    return next((str(path) for path in reversed(found) if whole(path)), None)


def _has_state(folder: Path) -> bool:
    try:
        json.loads((folder / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return False
    return True


def rotate(folder: Path, kept: int) -> None:
    """Deletes all but the newest sealed checkpoints."""
    sealed = [path for path in _by_step(folder) if (path / SEAL).exists()]
    for path in sealed[:-kept]:
        shutil.rmtree(path)


# --- one run a folder -----------------------------------------------------------------------------


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[IO[str]]:
    """Holds an output folder for this process; the lock ends with it, however it ends.

    Raises:
        InputError: another process trains into the folder.
    """
    with (folder / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise InputError(
                f"{folder}: process {file.read().strip() or '?'} is training into it; wait for it, "
                "or give another --out"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield file
