"""Files and folders that appear as a whole or not at all.

What is written goes to a hidden name beside the target, `.NAME.part`, is brought to the disk, and
takes the target's name. A reader finds the old content or the new; a kill leaves at most the hidden
file, which the next writer replaces.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finecaption.io import strict_json


def hidden(path: Path) -> Path:
    """The name that a file or folder has until it is complete."""
    return path.with_name(f".{path.name}.part")


def sync(path: Path) -> None:
    """Brings a file's content, or a folder's list of names, to the disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders; its renames are durable by themselves
        if path.is_dir():
            return
        raise
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def replacing(
    path: str | os.PathLike[str], *, durable: bool = True, shared: bool = False
) -> Iterator[Path]:
    """A hidden path to write to; when the block ends, it becomes `path`.

    If the block raises, the hidden file is removed and `path` stays as it was.

    Args:
        durable: survives a power failure, not only a kill: two fsync. Switch it off for many small
            files that can be made again.
        shared: several processes may write the same file at once; the hidden name then holds the
            process's number.

    Raises:
        OSError: the disk is full, or the like.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part") if shared else hidden(target)
    try:
        yield part
        publish(part, target, durable=durable)
    finally:
        part.unlink(missing_ok=True)


def publish(part: Path, path: Path, *, durable: bool = True) -> None:
    """Gives a complete file its name, over a file that may have it.

    Args:
        durable: as in `replacing`.
    """
    if durable:
        sync(part)
    os.replace(part, path)
    if durable:
        sync(path.parent)


def write_bytes(path: str | os.PathLike[str], data: bytes, *, durable: bool = True) -> None:
    """Writes a whole file; see `replacing`."""
    with replacing(path, durable=durable) as part:
        part.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str, *, durable: bool = True) -> None:
    """Writes a whole file of UTF-8, with the line ends as they are; see `replacing`."""
    write_bytes(path, text.encode(), durable=durable)


def write_json(path: str | os.PathLike[str], data: Any, *, durable: bool = True) -> None:
    """Writes JSON, indented by one, with a line end; see `replacing`."""
    write_text(path, strict_json.dumps(data, indent=1, ensure_ascii=False) + "\n", durable=durable)


@contextlib.contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """An empty hidden folder to fill; when the block ends, it becomes `path`, and is on the disk.

    If the block raises, the hidden folder is removed and `path` stays as it was.

    Raises:
        OSError: the disk is full, or the like.
    """
    target = Path(path)
    part = hidden(target)
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    part.mkdir(parents=True)
    try:
        yield part
        publish_folder(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def publish_folder(part: Path, path: Path) -> None:
    """Gives a complete folder its name, in place of a folder that may have it.

    A folder cannot be replaced in one step: a kill in the instant between two renames leaves the
    new folder under its hidden name and the old one as `.NAME.old`.
    """
    for folder, _, names in os.walk(part):
        for name in names:
            sync(Path(folder, name))
        sync(Path(folder))
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    part.rename(path)
    sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)
