"""The paths of a run's files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finecaption.errors import InputError

FORMATS = ("jsonl", "csv", "coco", "txt", "html", "png")
_SUFFIX = {".jsonl": "jsonl", ".csv": "csv", ".json": "coco", ".html": "html"}
_ENDING = {"jsonl": ".jsonl", "csv": ".csv", "coco": ".coco.json", "html": ".html"}


@dataclass(frozen=True)
class Layout:
    """The files of one run, as `--out` and `--format` define them."""

    folder: Path
    stem: str
    formats: tuple[str, ...]
    out: Path
    """As it was given."""
    sidecars: Path
    """Root of the .txt and .png files."""

    @classmethod
    def of(cls, out: str | os.PathLike[str], formats: Sequence[str] = ()) -> Layout:
        """
        Args:
            out: a .jsonl, .csv, .json (COCO) or .html file; anything else is a folder.
            formats: of FORMATS; if empty, that of the file's suffix, or jsonl.

        Raises:
            InputError: an unknown format; a file and a folder of one name.
        """
        path = Path(out)
        unknown = [name for name in formats if name not in FORMATS]
        if unknown:
            raise InputError(
                f"--format: {unknown[0]!r} is unknown; choose from {','.join(FORMATS)}"
            )
        own = _SUFFIX.get(path.suffix.lower())
        if own is None:
            if path.is_file() or path.suffix.lower() in (".txt", ".png"):
                raise InputError(
                    f"--out {path}: must be a folder, or a file that ends in "
                    f"{', '.join(_SUFFIX)}; .txt and .png files go into a folder"
                )
            return cls(path, "captions", tuple(dict.fromkeys(formats or ("jsonl",))), path, path)
        if path.is_dir():
            raise InputError(f"--out {path}: is a folder; give a file name, or another folder")
        chosen = tuple(dict.fromkeys((own, *formats)))
        return cls(path.parent, path.stem, chosen, path, path.parent / path.stem)

    def file(self, form: str) -> Path:
        """The file of one of the formats jsonl, csv, coco and html."""
        if _SUFFIX.get(self.out.suffix.lower()) == form:
            return self.out
        return self.folder / f"{self.stem}{_ENDING[form]}"

    @property
    def journal(self) -> Path:
        """The records, as they come: the .jsonl file, or a hidden one where it is not asked for."""
        if "jsonl" in self.formats:
            return self.file("jsonl")
        return self.folder / f".{self.stem}.records.jsonl"

    @property
    def run(self) -> Path:
        """The settings that the records were made with."""
        return self.journal.with_name(f".{self.journal.name.lstrip('.')}.run")

    @property
    def errors(self) -> Path:
        """The images that could not be described."""
        return self.folder / "errors.jsonl"

    @property
    def has_sidecars(self) -> bool:
        return "txt" in self.formats or "png" in self.formats
