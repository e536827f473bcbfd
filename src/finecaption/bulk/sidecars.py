"""A text file or an annotated image for each image, by its own name in a tree of folders.

A file is prepared under a hidden name and brought to the disk, then the record goes into the
journal, then the file gets its name. So a kill or a power cut leaves either nothing that counts, or
a prepared file that `replay` finds; files that are missing all the same are made again from their
records.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from finecaption.bulk.journal import DiskErrors
from finecaption.bulk.listing import ANNOTATED
from finecaption.bulk.manifests import plain_stem
from finecaption.errors import InputError
from finecaption.io.atomic import hidden, publish, sync
from finecaption.io.images import load_image
from finecaption.types import Caption, Region

_ENDINGS = {"txt": ".txt", "png": f"{ANNOTATED}.png"}
_LONGEST = 200  # bytes of a name; file systems end at 255
LAST = 1024
"""Records at the end of a journal whose files may have been left under their hidden names."""


class Sidecars:
    """The .txt and .png files of a run."""

    def __init__(self, root: Path, formats: tuple[str, ...]) -> None:
        """
        Args:
            root: of the tree.
            formats: of txt and png, others do not count.
        """
        self.root = root
        self.mode = "new"
        self.endings = [_ENDINGS[form] for form in _ENDINGS if form in formats]
        self._used: set[int] = set()
        self._folders: set[Path] = set()

    def replay(self, records: Iterable[Mapping[str, Any]], *, mend: bool = False) -> int:
        """Learns the names of a run's records, and gives the last files theirs.

        Args:
            records: in their order.
            mend: whether files that are missing or empty are made again, from their records.

        Returns:
            How many were made again.

        Raises:
            InputError: an image of which one is to be drawn anew cannot be opened.
        """
        last: deque[list[Path]] = deque(maxlen=LAST)
        lost: list[tuple[Mapping[str, Any], str, Path]] = []
        for record in records:
            paths = self._paths(record)
            last.append(paths)
            if mend:
                lost += [
                    (record, ending, path)
                    for ending, path in zip(self.endings, paths, strict=True)
                    if not _is_whole(path)
                ]
        for path in (path for paths in last for path in paths):
            part = hidden(path)
            if part.exists():
                with DiskErrors(path):
                    publish(part, path, durable=False)
        lost = [one for one in lost if not _is_whole(one[2])]
        for record, ending, path in lost:
            self._write(hidden(path), _content(record, ending, None))
            with DiskErrors(path):
                publish(hidden(path), path)
        return len(lost)

    def begin(self, mode: str, anew: bool) -> None:
        """
        Args:
            mode: what becomes of a file that is there: "new" refuses the image, "skip" leaves
                it, "overwrite" replaces it, "append" adds to a text and draws an image anew.
            anew: whether the names that were learned do not count.
        """
        self.mode = mode
        if anew:
            self._used.clear()

    def there(self, job: Any) -> bool:
        """Whether every file of an image is there; used to pass it over."""
        stem = _safe(job.stem or job.id)
        return bool(self.endings) and all(
            (self.root / f"{stem}{ending}").exists() for ending in self.endings
        )

    def prepare(
        self, record: Mapping[str, Any], picture: Image.Image | None
    ) -> list[tuple[Path, Path]]:
        """Writes a record's files under hidden names.

        Args:
            picture: the upright image; None: it is opened again if it is to be drawn on.

        Returns:
            (hidden, final) paths for `publish`.

        Raises:
            InputError: a file is there, and nothing was said of such; the image is gone.
            FineCaptionError: the disk is full, or the like.
        """
        made = []
        for ending, path in zip(self.endings, self._paths(record), strict=True):
            there = path.exists()
            if there and self.mode == "new":
                raise InputError(
                    f"{path}: is there already; give --on-existing skip, overwrite or append"
                )
            if there and self.mode == "skip":
                continue
            data = _content(record, ending, picture)
            if there and self.mode == "append" and ending == ".txt":
                data = path.read_bytes().rstrip(b"\n") + b"\n" + data
            part = hidden(path)
            self._write(part, data)
            made.append((part, path))
        return made

    def sync(self, made: list[tuple[Path, Path]]) -> None:
        """Brings the names of prepared files to the disk; to be called before their records are
        kept."""
        for folder in {part.parent for part, _ in made}:
            with DiskErrors(folder):
                sync(folder)

    def _write(self, part: Path, data: bytes) -> None:
        with DiskErrors(part):
            if part.parent not in self._folders:
                part.parent.mkdir(parents=True, exist_ok=True)
                self._folders.add(part.parent)
            try:
                part.write_bytes(data)
                sync(part)
            except OSError:
                part.unlink(missing_ok=True)
                raise

    def publish(self, made: list[tuple[Path, Path]]) -> None:
        """Gives prepared files their names."""
        for part, path in made:
            with DiskErrors(path):
                publish(part, path, durable=False)

    def _paths(self, record: Mapping[str, Any]) -> list[Path]:
        """The files of a record, each name given once."""
        name = record.get("stem") or plain_stem(str(record["id"]))
        stem, number = _safe(name), 1
        while (key := _hash(stem)) in self._used:
            number += 1
            stem = f"{_safe(name)}.{number}"
        self._used.add(key)
        return [self.root / f"{stem}{ending}" for ending in self.endings]


def _is_whole(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _content(record: Mapping[str, Any], ending: str, picture: Image.Image | None) -> bytes:
    """A record's file with that ending."""
    if ending == ".txt":
        return (to_text(record) + "\n").encode("utf-8", "surrogateescape")
    return _draw(record, picture)


def _hash(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def _safe(name: str) -> str:
    """A path below its root that every file system accepts."""
    parts = []
    for part in re.split(r"[/\\]+", name.replace("\0", "_")):
        if part in ("", "."):
            continue
        part = "_" if part == ".." else part.replace(":", "_")
        if len(os.fsencode(part)) > _LONGEST:
            digest = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()[:12]
            kept = os.fsencode(part)[: _LONGEST - 13].decode("utf-8", "ignore")
            part = f"{kept}-{digest}"
        parts.append(part)
    return "/".join(parts) or "picture"


def to_text(record: Mapping[str, Any]) -> str:
    """The captions as a text file: a single answer alone; several with their names, one per line;
    several regions in sections."""
    sections: list[tuple[str, list[tuple[str, str]]]] = []
    for region in record["regions"]:
        lines = list(region["captions"].items())
        if region["dense"] is not None:
            lines.append(("In detail", region["dense"]))
        box = ",".join(str(side) for side in region["box"])
        sections.append((f"Region {region['id']} (box {box})", lines))
    if record["global"] is not None:
        sections.append(("Whole image", [("In detail", record["global"])]))
    if len(sections) == 1:
        lines = sections[0][1]
        if len(lines) == 1:
            return lines[0][1]
        return "\n".join(f"{name}: {text}" for name, text in lines)
    return "\n\n".join(
        "\n".join([title, *(f"{name}: {text}" for name, text in said)]) for title, said in sections
    )


def _draw(record: Mapping[str, Any], picture: Image.Image | None) -> bytes:
    from finecaption.draw import annotate

    if picture is None:
        if record["image"] is None:
            raise InputError(f"{record['id']}: the image is no file; --format png needs one")
        picture = load_image(record["image"])
    captions = [
        Caption(Region.from_rle(region["mask"]), region["captions"], region["dense"])
        for region in record["regions"]
    ]
    notice = record["notice"]
    drawn = annotate(picture, captions, record["global"], notice and notice["text"])
    stream = io.BytesIO()
    drawn.save(stream, "PNG")
    return stream.getvalue()
