"""Image files of a folder, a pattern or a list, with the masks beside them.

`x.mask.png` is the region of `x.jpg`; `x.1.mask.png`, `x.2.mask.png` are several. Hidden files,
masks and what a run itself writes (`x.annotated.png`, `x.txt`) are no images. Any other file that
is no image is passed over, and counted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from finecaption.bulk.jobs import Bad, BatchJob, Passed, RegionSpec
from finecaption.errors import InputError
from finecaption.io.images import SUFFIXES

ANNOTATED = ".annotated"
_MASK = ".mask"
_MAGIC = re.compile(r"[*?\[]")


def is_pattern(text: str) -> bool:
    """Whether a path has wildcards."""
    return _MAGIC.search(text) is not None


def is_image(name: str) -> bool:
    """Whether a file name is that of an image to be described."""
    stem, suffix = os.path.splitext(name)
    return (
        suffix.lower() in SUFFIXES
        and not name.startswith(".")
        and not stem.endswith((_MASK, ANNOTATED))
    )


def folder_jobs(folder: str | os.PathLike[str]) -> Iterator[BatchJob | Bad | Passed]:
    """The images of a folder and of all below it, in order of their paths.

    Linked folders are followed, each real folder once, so that loops end.
    """
    for directory, relative, names in walk(folder):
        if isinstance(names, OSError):
            yield Bad(relative, "", f"{directory}: cannot be read ({names.strerror})")
        else:
            yield from _of_folder(directory, relative, names)


def pattern_jobs(pattern: str) -> Iterator[BatchJob | Bad | Passed]:
    """The images that match a pattern: `*` and `?` within a name, `**` for any folders.

    Ids are paths from the pattern's first folder without wildcards.
    """
    parts = Path(pattern).parts
    first = next(at for at, part in enumerate(parts) if is_pattern(part))
    root = os.path.join(*parts[:first]) if first else "."
    wanted = parts[first:]
    depth = None if "**" in wanted else len(wanted) - 1
    for directory, relative, names in walk(root, depth):
        if isinstance(names, OSError):
            continue  # whether it holds a match is not known

        def fits(name: str, above: str = relative) -> bool:
            path = f"{above}/{name}" if above else name
            return _matches(PurePosixPath(path).parts, wanted)

        yield from _of_folder(directory, relative, names, fits)


def list_jobs(files: Sequence[str]) -> Iterator[BatchJob | Bad | Passed]:
    """Images given one by one; ids are paths from the folder that they have in common."""
    parents = [os.path.abspath(os.path.dirname(file) or ".") for file in files]
    root = os.path.commonpath(parents)
    listed: dict[str, tuple[list[str], list[str]]] = {}
    for file, parent in zip(files, parents, strict=True):
        if parent not in listed:
            try:
                there = sorted(os.listdir(parent))
            except OSError:
                there = []
            listed[parent] = there, []
        listed[parent][1].append(os.path.basename(file))
    for parent, (there, chosen) in listed.items():
        relative = "" if parent == root else os.path.relpath(parent, root).replace(os.sep, "/")
        wanted = dict.fromkeys(chosen)
        near = _Near.of(parent, there)
        for name in wanted:
            yield _job(parent, relative, name, near)


def walk(
    root: str | os.PathLike[str], depth: int | None = None
) -> Iterator[tuple[str, str, list[str] | OSError]]:
    """(folder, its path from the root with forward slashes, names of its files) for each folder,
    sorted; an OSError instead of the names where it cannot be read.

    Args:
        depth: how many folders down to go; None: all.
    """
    seen: set[tuple[int, int]] = set()
    stack = [(os.fspath(root), "")]
    while stack:
        directory, relative = stack.pop()
        try:
            status = os.stat(directory)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            names: list[str] = []
            below: list[str] = []
            with os.scandir(directory) as entries:
                for entry in entries:
                    (below if _is_folder(entry) else names).append(entry.name)
        except OSError as error:
            yield directory, relative, error
            continue
        yield directory, relative, sorted(names)
        if depth is not None and (relative.count("/") + 1 if relative else 0) >= depth:
            continue
        for name in sorted(below, reverse=True):
            if not name.startswith("."):
                path = f"{relative}/{name}" if relative else name
                stack.append((os.path.join(directory, name), path))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a loop of links
        return False


@dataclass
class _Near:
    """How the files of a folder relate to one another."""

    masks: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Stem of an image -> (region id, file) of its masks."""
    shared: set[str] = field(default_factory=set)
    """Stems that several images have: `x.jpg` and `x.png`."""
    orphans: list[tuple[str, str]] = field(default_factory=list)
    """Masks without an image, and the stem that it should have."""
    stems: set[str] = field(default_factory=set)
    """Of images, and their whole names."""

    def belongs(self, name: str) -> bool:
        """Whether a file is hidden, or is the mask, text or annotated copy of an image."""
        stem, suffix = os.path.splitext(name)
        if name.startswith(".") or suffix.lower() in SUFFIXES and stem.endswith((_MASK, ANNOTATED)):
            return True
        base, _, number = stem.rpartition(".")
        return suffix.lower() == ".txt" and (
            stem in self.stems or number.isdigit() and base in self.stems
        )

    @classmethod
    def of(cls, directory: str, names: Iterable[str]) -> _Near:
        near = cls()
        stems = near.stems
        given = []
        whole: set[str] = set()  # names of images: a.jpg.txt is the text of a.jpg
        for name in names:
            stem, suffix = os.path.splitext(name)
            if is_image(name):
                (near.shared if stem in stems else stems).add(stem)
                whole.add(name)
            elif stem.endswith(_MASK) and suffix.lower() in SUFFIXES and name[0] != ".":
                given.append((stem.removesuffix(_MASK), name))
        for base, name in given:
            known = "1"
            if base not in stems:  # x.2.mask.png: region 2 of x
                stem, dot, number = base.rpartition(".")
                if not (dot and number.isdigit() and stem in stems):
                    near.orphans.append((name, base))
                    continue
                base, known = stem, number
            near.masks.setdefault(base, []).append((known, os.path.join(directory, name)))
        for found in near.masks.values():
            found.sort(key=lambda pair: (int(pair[0]), pair[1]))
        stems |= whole
        return near


def _of_folder(
    directory: str,
    relative: str,
    names: Sequence[str],
    wanted: Callable[[str], bool] = lambda name: True,
) -> Iterator[BatchJob | Bad | Passed]:
    near = _Near.of(directory, names)
    for name in names:
        if not wanted(name):
            continue
        if is_image(name):
            yield _job(directory, relative, name, near)
        elif not near.belongs(name):
            suffix = os.path.splitext(name)[1].lower()
            path = f"{relative}/{name}" if relative else name
            yield Passed(f"{suffix} files" if suffix else "files without a suffix", path)
    for name, base in near.orphans:
        if wanted(name):
            path = f"{relative}/{name}" if relative else name
            what = f"{os.path.join(directory, name)}: is a mask, but there is no image {base}.*"
            yield Bad(path, "", what)


def _job(directory: str, relative: str, name: str, near: _Near) -> BatchJob | Bad:
    path = f"{relative}/{name}" if relative else name
    stem = os.path.splitext(name)[0]
    given = [known for known, _ in near.masks.get(stem, ())]
    if len(set(given)) < len(given):
        files = ", ".join(os.path.basename(file) for _, file in near.masks[stem])
        what = f"{os.path.join(directory, name)}: has two masks of one region ({files}); keep one"
        return Bad(path, "", what)
    regions = tuple(RegionSpec(known, file) for known, file in near.masks.get(stem, ()))
    plain = path if stem in near.shared else path[: len(path) - len(name) + len(stem)]
    return BatchJob(path, os.path.join(directory, name), regions, stem=plain, alpha=True)


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path matches, folder by folder."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[at:], pattern[1:]) for at in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def check_folder(folder: str) -> None:
    """
    Raises:
        InputError: it cannot be listed.
    """
    try:
        with os.scandir(folder):
            return
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); check the path") from error
