"""A name for weights that does not lie: a hash over a checkpoint's files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_WHOLE_FILE = 1 << 28  # bytes; of a larger file the two ends and the size stand for it
_END = 1 << 22
_IDENTIFYING = ("*.safetensors", "*.json", "*.jinja")
_BESIDE = ("provenance.json",)  # says how the weights came about, and changes nothing


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
