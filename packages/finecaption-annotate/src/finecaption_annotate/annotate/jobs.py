"""What is to be annotated: pictures with the regions given for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.data.problems import Problems
from finecaption.data.store.rows import group
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.geometry import Size
from finecaption.io.images import SUFFIXES, load_image, open_picture
from finecaption.io.mask_values import opaque_part
from finecaption.types import RegionSample

_MASK = ".mask"


@dataclass(frozen=True)
class AnnotationJob:
    """A picture's file with its regions, (id, COCO RLE) each; `made` says where they are from."""

    image: str
    image_id: str
    size: Size
    regions: tuple[tuple[str, dict[str, Any]], ...]
    made: str
    split: str = ""
    source: str = ""
    licence: str = ""


Everything = Callable[[Any], list[np.ndarray]]
"""Picture (PIL, RGB) -> bool masks (H, W) of the things in it."""


def folder_jobs(
    folder: str | Path,
    everything: Everything | None = None,
    licence: str = "",
    problems: Problems | None = None,
) -> Iterator[AnnotationJob]:
    """The pictures of a folder and those below it, in order of their paths.

    Regions of `x.jpg` are the masks `x.mask.png`, or `x.1.mask.png` and so on, beside it; or else
    what is opaque of a picture with transparency; or else, where it is given, what `everything`
    finds. A picture without regions has no entity.

    Args:
        folder: of the pictures.
        everything: masks of `finecaption.segmentation.automatic.generate_masks`.
        licence: note that the records carry.
        problems: meets what cannot be used; None stops at the first.

    Raises:
        InputError: no picture there; a broken one; a mask of another size.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder of pictures")
    files = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    pictures = [p for p in files if not p.stem.endswith(_MASK)]
    if not pictures:
        raise InputError(f"{root}: holds no picture; check the path")
    meet = Problems() if problems is None else problems
    given = _mask_files(files, {p.with_suffix("") for p in pictures}, meet)
    for path in pictures:
        job = None
        with meet.at(path):
            job = _job(path, root, given.get(path.with_suffix(""), []), everything, licence)
        if job is not None:
            yield job


def _job(
    path: Path,
    root: Path,
    own: list[tuple[str, Path]],
    everything: Everything | None,
    licence: str,
) -> AnnotationJob:
    picture = load_image(path)
    made = "mask files"
    if not own and opaque_part(open_picture(path)) is not None:
        made, own = "transparency", [("1", path)]
    if own:
        names = [name for name, _ in own]
        found = [_load(mask, picture.size) for _, mask in own]
    elif everything is not None:
        made, found = "everything", everything(picture)
        names = [str(k) for k in range(1, len(found) + 1)]
    else:
        made, found, names = "none", [], []
    regions = tuple((name, masks.encode_rle(mask)) for name, mask in zip(names, found, strict=True))
    image_id = path.relative_to(root).with_suffix("").as_posix()
    return AnnotationJob(str(path), image_id, picture.size, regions, made, licence=licence)


def _mask_files(
    files: list[Path], pictures: set[Path], problems: Problems
) -> dict[Path, list[tuple[str, Path]]]:
    """Picture without suffix -> (name, file) of its masks."""
    given: dict[Path, list[tuple[str, Path]]] = {}
    for path in files:
        if path.stem.endswith(_MASK):
            base = path.with_name(path.stem.removesuffix(_MASK))
            name = "1"
            if base not in pictures:  # x.2.mask.png: region 2 of x
                stem, _, name = base.name.rpartition(".")
                base = base.with_name(stem or base.name)
            if base in pictures:
                given.setdefault(base, []).append((name, path))
                continue
            with problems.at(path):
                raise InputError("the picture that this mask belongs to is not there")
    return given


def _load(path: Path, size: Size) -> np.ndarray:
    mask = masks.load_mask(path, size)
    if not mask.any():
        raise InputError(f"{path}: the mask is empty; mark at least one pixel")
    return mask


def sample_jobs(samples: Iterable[RegionSample]) -> Iterator[AnnotationJob]:
    """The pictures and distinct regions of any data set; its texts are not looked at.

    Raises:
        InputError: a picture that is no file.
    """
    for members in group(samples):
        first = members[0]
        if isinstance(first.image, np.ndarray):
            raise InputError(
                f"{first.image_id}: image: is not a file; convert the data to jsonl first"
            )
        regions: dict[tuple[str | None, str], dict[str, Any]] = {}
        for sample in members:
            if sample.mask is not None:
                rle = sample.region().rle
                regions.setdefault((sample.region_id, rle["counts"]), rle)
        yield AnnotationJob(
            str(first.image),
            first.image_id,
            first.size,
            tuple(
                (name or str(number), rle)
                for number, ((name, _), rle) in enumerate(regions.items(), 1)
            ),
            "data set",
            first.split,
            first.source,
            first.licence,
        )
