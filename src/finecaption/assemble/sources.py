"""A source argument -> files on this machine: a hub id, a folder, or a weights file."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from finecaption.errors import InputError

from .checkpoints import Checkpoint, index_files, open_file, open_folder, weight_files
from .names import Format, detect

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
# Beside the weights: configurations, tokenizers, templates.
_SMALL = (".json", ".txt", ".model", ".jinja")
_BLOCK = 8 << 20


@dataclass(frozen=True)
class WeightSource:
    """One part's source on this machine.

    Attributes:
        part: clip, alpha, convnext, sam or llm.
        given: what the user or the preset wrote.
        path: a folder or a file.
        revision: the commit, if it came from the hub.
    """

    part: str
    given: str
    path: Path
    revision: str | None = None

    @property
    def folder(self) -> Path | None:
        """The folder, None if the source is a file."""
        return self.path if self.path.is_dir() else None

    @property
    def where(self) -> str:
        """For messages."""
        return f"--{self.part} {self.given}"

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """Its weights."""
        return open_file(self.path) if self.folder is None else open_folder(self.folder)

    @cached_property
    def format(self) -> Format:
        """How it names them."""
        return detect(self.part, self.checkpoint.shapes, self.where)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its config.json, empty if it has none."""
        return self._json("config.json")

    @property
    def has_transformers_config(self) -> bool:
        """Whether its config.json is of transformers (timm's and open_clip's are not)."""
        return "model_type" in self.config

    @cached_property
    def statistics(self) -> tuple[list[float], list[float]] | None:
        """(mean, std) of pixel values in [0, 1], RGB, that its folder tells; None if it does not.

        transformers writes them into preprocessor_config.json, timm into config.json.
        """
        processor = self._json("preprocessor_config.json")
        timm = self.config.get("pretrained_cfg", {})
        for mean, std in (
            (processor.get("image_mean"), processor.get("image_std")),
            (timm.get("mean"), timm.get("std")),
        ):
            if mean and std:
                return list(map(float, mean)), list(map(float, std))
        return None

    def _json(self, name: str) -> dict[str, Any]:
        if self.folder is None or not (self.folder / name).is_file():
            return {}
        try:
            return dict(json.loads((self.folder / name).read_text("utf-8")))
        except ValueError as error:
            raise InputError(f"{self.folder / name}: is no JSON ({error})") from error

    def describe(self) -> dict[str, Any]:
        """For the manifest: origin without this machine's folders, files with their hashes."""
        return {
            "source": self.given if self.revision else self.path.name,
            "revision": self.revision,
            "format": self.format.name,
            "files": [describe_file(file) for file in self.checkpoint.files],
        }


def find_source(part: str, given: str, weights: bool = True) -> WeightSource:
    """Looks at the disk first; what is not there and reads like a hub id is fetched.

    Args:
        part: clip, alpha, convnext, sam or llm.
        given: path or hub id.
        weights: False fetches configuration only.

    Raises:
        InputError: no such path; or the hub does not give it.
    """
    path = Path(given).expanduser()
    if path.exists():
        return WeightSource(part, given, path)
    if not _HUB_ID.fullmatch(given) or path.suffix in _WEIGHTS:
        raise InputError(f"--{part} {given}: no such file or folder; give one, or a hub id")
    folder = _fetch(part, given, weights)
    return WeightSource(part, given, folder, revision=folder.name)


def _fetch(part: str, given: str, weights: bool) -> Path:
    """Only what is needed: many repositories hold the same weights several times."""
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    try:
        names = [name for name in HfApi().list_repo_files(given) if "/" not in name]
        wanted = [n for n in names if n.endswith(_SMALL) and not n.endswith(".index.json")]
        if weights:
            (name,) = weight_files(names, f"--{part} {given}")
            wanted.append(name)
            if name.endswith(".index.json"):
                wanted += index_files(Path(hf_hub_download(given, name)))
        return Path(snapshot_download(given, allow_patterns=wanted))
    except InputError:
        raise
    # the hub's client raises errors of several libraries; without a network the cache may do
    except Exception as error:
        try:
            return Path(snapshot_download(given, local_files_only=True))
        except Exception:
            raise InputError(
                f"--{part} {given}: is no file or folder here, and the hub does not give it "
                f"({str(error).splitlines()[0]}); check the name, the network and your access "
                "(hf auth login), or give a local path"
            ) from error


def describe_file(path: Path) -> dict[str, Any]:
    """{"name", "bytes", "sha256"} of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest.hexdigest()}


__all__ = ["WeightSource", "describe_file", "find_source"]
