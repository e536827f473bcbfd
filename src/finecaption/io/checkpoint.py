"""A checkpoint's folder: which are shipped, and a hash over its files that identifies it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

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
