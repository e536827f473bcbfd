"""A checkpoint's folder: which are shipped, and a hash over its files that identifies it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from finecaption.errors import InputError

_WHOLE_FILE = 1 << 28  # bytes; of a larger file the two ends and the size stand for it
_END = 1 << 22
_IDENTIFYING = ("*.safetensors", "*.json", "*.jinja")
_BESIDE = ("provenance.json",)  # says how the weights came about, and changes nothing


SHIPPED = Path(__file__).parents[1] / "pretrained"
"""The folder of the models that come with the package."""


def shipped_folder(name: str) -> Path | None:
    """The folder of a model that comes with the package; None if none has this name."""
    plain = name not in ("", ".", "..") and Path(name).name == name
    folder = SHIPPED / name
    return folder if plain and (folder / "config.json").is_file() else None


def resolve_model(name_or_folder: str | os.PathLike[str]) -> Path:
    """The folder of a model: a shipped one by its name, or the folder itself.

    Raises:
        InputError: there is none.
    """
    text = os.fspath(name_or_folder)
    try:
        folder = shipped_folder(text) or Path(text)
        if (folder / "config.json").is_file():
            return folder
    except (OSError, ValueError) as error:  # a name that is too long, or with a NUL byte
        raise InputError(f"model {text[:80]!r}: is no name of a folder ({error})") from error
    names = sorted(entry.parent.name for entry in SHIPPED.glob("*/config.json"))
    known = f"shipped models: {', '.join(names)}" if names else "no model is shipped"
    what = "holds no config.json" if folder.is_dir() else "no such model or folder"
    raise InputError(f"model {text!r}: {what}; give a folder written by save_pretrained ({known})")


def check_index(folder: str | os.PathLike[str]) -> None:
    """Checks that the files which a checkpoint's index files name lie in its folder.

    Raises:
        InputError: one leads out of it, or an index file cannot be read.
    """
    for path in sorted(Path(folder).glob("*.index.json")):
        try:
            names = set(json.loads(path.read_text("utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{path}: is no index of weights ({error}); copy the folder again"
            ) from error
        check_names(path, names)


def check_names(index: Path, names: Iterable[object]) -> None:
    """
    Raises:
        InputError: an index file's names are not all of files beside it.
    """
    for name in sorted(names, key=str):
        plain = isinstance(name, str) and Path(name).name == name and "\\" not in name
        if not plain or name in ("", ".", ".."):
            raise InputError(
                f"{index}: weight_map: {name!r} is no file of this folder; copy the published "
                "index again"
            )


def own_folder(name_or_folder: str | os.PathLike[str]) -> Path | None:
    """The folder of a model, as `resolve_model`; None if it is no checkpoint of finecaption."""
    try:
        folder = resolve_model(name_or_folder)
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (InputError, OSError, ValueError):
        return None
    return folder if config.get("model_type") == "finecaption" else None


def fingerprint(folder: str | os.PathLike[str]) -> str:
    """SHA-256 (hex) over the names and contents of a checkpoint's weights and settings."""
    digest = hashlib.sha256()
    root = Path(folder)
    files = {p for pattern in _IDENTIFYING for p in root.glob(pattern) if p.name not in _BESIDE}
    for path in sorted(files):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            if path.stat().st_size <= _WHOLE_FILE:
                while chunk := stream.read(_END):
                    digest.update(chunk)
            else:
                digest.update(stream.read(_END))
                stream.seek(-_END, os.SEEK_END)
                digest.update(stream.read(_END))
    return digest.hexdigest()


def model_identity(
    name: str, folder: Path | None, max_new_tokens: int | None = None
) -> dict[str, Any]:
    """`finecaption.protocol.Captioner.identity` of one of our checkpoints, without loading it."""
    return {
        "name": name,
        "kind": "finecaption",
        "sha256": None if folder is None else fingerprint(folder),
        "region": "mask",
        "settings": {"max_new_tokens": max_new_tokens, "temperature": 0},
    }
