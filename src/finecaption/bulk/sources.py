"""The images to describe: from a folder, pattern, manifest, COCO file or dataset."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from finecaption.bulk.jobs import Bad, BatchJob, Passed, RegionSpec
from finecaption.bulk.listing import (
    check_folder,
    folder_jobs,
    is_pattern,
    list_jobs,
    pattern_jobs,
)
from finecaption.bulk.manifests import CocoImages, manifest_jobs, plain_stem
from finecaption.data.opening import FORMATS, STORE, guess_format, open_data
from finecaption.errors import InputError
from finecaption.types import RegionSample

_NAMED = 3  # of each kind of what is passed over
_PASSED_OVER = " passed over"  # end of the names of a reader's counts of such


@dataclass(frozen=True)
class Jobs:
    """A source that can be iterated several times, always in the same order."""

    name: str
    """What it is, for the settings: kind and full path."""
    start: Callable[[], Iterator[BatchJob | Bad | Passed]]
    """Iterates over all that is found, with what is passed over."""
    count: Callable[[], int | None]
    """How many there are; None where finding out takes as long as reading them."""

    def __iter__(self) -> Iterator[BatchJob | Bad]:
        return (job for job in self.start() if not isinstance(job, Passed))


def stands_for_many(given: Sequence[str]) -> bool:
    """Whether what was given on the command line is more than one image file."""
    if len(given) != 1:
        return True
    text = given[0]
    if _dataset(text) is not None or os.path.isdir(text):
        return True
    if os.path.exists(text):
        return Path(text).suffix.lower() in (".jsonl", ".json")
    return is_pattern(text) or Path(text).suffix.lower() in (".jsonl", ".json")


def open_jobs(given: Sequence[str], images: str | os.PathLike[str] | None = None) -> Jobs:
    """The images that were given.

    Args:
        given: one of a folder, a pattern with `*`, a manifest (.jsonl), a COCO file (.json) and a
            dataset (`FORMAT:PATH`, see `finecaption.data.opening`); or image files.
        images: folder of the images of a manifest, COCO file or dataset, if they are elsewhere.

    Raises:
        InputError: there is no such thing, or nothing in it.
    """
    place = None if images is None else Path(images)
    if place is not None and not place.is_dir():
        raise InputError(f"--images {place}: is not a folder; give the folder of the images")
    jobs = _open(list(given), place)
    passed = PassedOver()
    for job in jobs.start():
        if not isinstance(job, Passed):
            return jobs
        passed.add(job)
    told = "; ".join(passed.lines())
    raise InputError(
        f"{given[0]}: there is no image{' to describe' if told else ''}; {told or 'check the path'}"
    )


@dataclass
class PassedOver:
    """What a run passes over, counted by kind, the first few of each by name."""

    names: dict[str, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, passed: Passed) -> None:
        """Counts one."""
        self.counts[passed.what] += 1
        named = self.names.setdefault(passed.what, [])
        if len(named) < _NAMED:
            named.append(passed.name)

    def lines(self) -> list[str]:
        """`2 crowd annotations are passed over (annotations[3], annotations[8])`, one for a
        kind."""
        said = []
        for what, number in sorted(self.counts.items()):
            names = ", ".join(self.names[what]) + (", ..." if number > _NAMED else "")
            said.append(f"{number:,} {what} passed over ({names})")
        return said


def _open(given: list[str], images: Path | None) -> Jobs:
    if not given:
        raise InputError("nothing is given: give a folder, a pattern, a manifest or a dataset")
    if len(given) > 1:
        for text in given:
            if not os.path.isfile(text):
                raise InputError(
                    f"{text}: no such file; several images can be given, but only one folder, "
                    "manifest or dataset"
                )
        return Jobs(_name("files", *given), lambda: list_jobs(given), lambda: len(set(given)))
    text = given[0]
    dataset = _dataset(text)
    if dataset is not None:
        return _data_jobs(*dataset, images)
    path = Path(text)
    if path.is_dir():
        form = _form_of(path)
        if form is not None:
            return _data_jobs(form, path, images)
        check_folder(text)
        return _counted(_name("folder", text), lambda: folder_jobs(text))
    if path.suffix.lower() == ".jsonl" and path.is_file():
        return _counted(_name("manifest", text, images), lambda: manifest_jobs(path, images))
    if path.suffix.lower() == ".json" and path.is_file():
        coco = CocoImages(path, images)
        return Jobs(_name("coco", text, images), lambda: iter(coco), lambda: len(coco))
    if path.is_file():
        return Jobs(_name("files", text), lambda: list_jobs([text]), lambda: 1)
    if is_pattern(text):
        return _counted(_name("pattern", text), lambda: pattern_jobs(text))
    raise InputError(f"{text}: no such file or folder; check the path")


def _name(kind: str, *paths: object) -> str:
    return " ".join([kind, *(os.path.abspath(str(path)) for path in paths if path is not None)])


def _counted(name: str, start: Callable[[], Iterator[BatchJob | Bad | Passed]]) -> Jobs:
    return Jobs(name, start, lambda: sum(not isinstance(job, Passed) for job in start()))


def _dataset(text: str) -> tuple[str, Path] | None:
    """(format, path) of `FORMAT:PATH`."""
    form, colon, path = text.partition(":")
    return (form, Path(path)) if colon and form in FORMATS and path else None


def _form_of(folder: Path) -> str | None:
    """The format of a folder that is one of our own datasets, not a folder of images."""
    try:
        form = guess_format(folder)
    except InputError:
        return None
    return form if form in (STORE, "synth") else None


def _data_jobs(form: str, path: Path, images: Path | None) -> Jobs:
    source = open_data(path, form, images=images, problems="skip")

    def start() -> Iterator[BatchJob | Bad | Passed]:
        told = 0
        for picture, members in itertools.groupby(source, key=_SourceImage):
            yield _data_job(list(members), picture)
            for problem in source.problems[told:]:
                yield Bad(problem.record or problem.file, "", str(problem))
            told = len(source.problems)
        for problem in source.problems[told:]:
            yield Bad(problem.record or problem.file, "", str(problem))
        for what, number in source.counts.items():
            if what.endswith(_PASSED_OVER):
                kind = what.removesuffix(_PASSED_OVER)
                yield from (Passed(kind, str(path)) for _ in range(number))

    return Jobs(_name(form, path, images), start, lambda: None)


class _SourceImage:
    """Compares equal for neighboring samples of one image."""

    def __init__(self, sample: RegionSample) -> None:
        self.image, self.image_id = sample.image, sample.image_id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _SourceImage) or self.image_id != other.image_id:
            return False
        if isinstance(self.image, np.ndarray) or isinstance(other.image, np.ndarray):
            if self.image is other.image:
                return True
            both = isinstance(self.image, np.ndarray) and isinstance(other.image, np.ndarray)
            return both and np.array_equal(np.asarray(self.image), np.asarray(other.image))
        return str(self.image) == str(other.image)

    __hash__ = None  # type: ignore[assignment]  # groupby compares neighbors only


def _data_job(members: list[RegionSample], picture: _SourceImage) -> BatchJob:
    regions: dict[tuple[str | None, str], RegionSpec] = {}
    for sample in members:
        if sample.mask is not None:
            rle = sample.mask if isinstance(sample.mask, dict) else sample.region().rle
            counts = rle["counts"]
            if isinstance(counts, bytes):
                counts = counts.decode("ascii", "replace")
            key = (sample.region_id, str(counts))
            if key not in regions:
                name = sample.region_id or str(len(regions) + 1)
                value = {"size": list(rle["size"]), "counts": counts}
                regions[key] = RegionSpec(name, value)
    image = picture.image if isinstance(picture.image, np.ndarray) else str(picture.image)
    if picture.image_id:
        name = picture.image_id
    elif isinstance(image, str):
        name = os.path.basename(image)
    else:
        name = hashlib.sha256(image.tobytes()).hexdigest()[:16]
    # the same image can come again later, with other regions
    said = repr((image if isinstance(image, str) else "", sorted(map(repr, regions))))
    place = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return BatchJob(name, image, tuple(regions.values()), place, plain_stem(name))
