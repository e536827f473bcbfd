"""The data of an evaluation: images, region masks and ground truth, in order.

``synth:SPLIT[:SEED]`` is drawn as it is needed, in other processes, ahead of the model; a folder
is what ``finecaption synth render`` wrote; any other dataset has references instead of truth.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import os
import random
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from finecaption.data.opening import FORMATS
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.geometry import box_iou
from finecaption.io.images import load_image
from finecaption.synth import WORLD_VERSION
from finecaption.synth.compose import render_rgb
from finecaption.synth.dataset import captions, scene_name
from finecaption.synth.observe import observe
from finecaption.synth.scene import SPLITS, Scene, sample_scene
from finecaption.synth.truth import Facets

TWIN_IOU = 0.6  # two wholes whose boxes overlap so much are twins: a box does not tell which
_LIKELY = 0.4  # ... of the unhidden boxes, below which a scene is not drawn in search of twins

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class EvalRegion:
    """A region to be asked about.

    Attributes:
        region_id: its number in the image.
        category: its true category or part name.
        part_of: region id of the whole, for a part.
        unseen: whether its combination was kept from training.
        mask: bool (H, W).
        truth: attribute -> facet -> accepted values.
        references: attribute -> sentences that are right.
        dense: paragraphs that are right.
    """

    region_id: int
    category: str
    part_of: int | None
    unseen: bool
    mask: np.ndarray
    truth: dict[str, Facets]
    references: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dense: tuple[str, ...] = ()

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The mask's xyxy box, x1 and y1 exclusive."""
        return masks.box_from_mask(self.mask)


@dataclass(frozen=True)
class EvalImage:
    """An image: its place in the source's order, its name, uint8 (H, W, 3) RGB, its regions.

    `whole` are paragraphs on all of it that are right; `path` is its file, if it has one.
    """

    index: int
    name: str
    image: np.ndarray
    regions: tuple[EvalRegion, ...]
    whole: tuple[str, ...] = ()
    path: str | None = None


def twin_pairs(picture: EvalImage) -> list[tuple[EvalRegion, EvalRegion, float]]:
    """Pairs of whole objects whose boxes have an IoU of TWIN_IOU or more, with that IoU.

    Pairs of one category and one color are left out: no caption tells these apart.
    """
    wholes = [r for r in picture.regions if r.part_of is None]
    out = []
    for a, b in itertools.combinations(wholes, 2):
        overlap = box_iou(a.box, b.box)
        told = any(a.truth.get(n) != b.truth.get(n) for n in ("Category Name", "Color"))
        if overlap >= TWIN_IOU and told:
            out.append((a, b, overlap))
    return out


def _only_twins(picture: EvalImage) -> EvalImage:
    """The image with those regions alone that have a twin."""
    kept = {r.region_id for a, b, _ in twin_pairs(picture) for r in (a, b)}
    return replace(picture, regions=tuple(r for r in picture.regions if r.region_id in kept))


class Source(Protocol):
    """Images in a fixed order.

    Attributes:
        identity: what makes two sources the same data, as plain JSON values, and "name" for
            reports.
        unseen_only: whether regions of combinations that training showed are left out.
        drawn: whether the truth is known in values, as that of the synthetic world is.
    """

    @property
    def identity(self) -> dict[str, Any]: ...

    @property
    def unseen_only(self) -> bool: ...

    @property
    def drawn(self) -> bool: ...

    def pictures(self, start: int = 0) -> Iterator[EvalImage]:
        """Images with at least one region, from this index on."""
        ...

    def twins(self, start: int = 0) -> Iterator[EvalImage]:
        """Images with twins, from this index on, with those regions alone."""
        ...


def ahead(function: Callable[[Job], Result], jobs: Iterable[Job], workers: int) -> Iterator[Result]:
    """`map` in other processes, a few jobs ahead of the reader, in order.

    Args:
        workers: processes; 0 computes here, on demand.
    """
    if workers < 1:
        yield from map(function, jobs)
        return
    # spawn: a fork of a process in which torch runs threads may hang
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_follow_the_reader)
    queue: deque[Future[Result]] = deque()
    remaining = iter(jobs)
    try:
        while True:
            queue.extend(
                pool.submit(function, job)
                for job in itertools.islice(remaining, 4 * workers + 4 - len(queue))
            )
            if not queue:
                return
            yield queue.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _follow_the_reader() -> None:
    """In a worker: leaves interrupts to the reader, and ends when it is killed.

    Of itself a worker would wait for its next job for ever, since it holds the queue's other end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reader = multiprocessing.parent_process()
    if reader is not None:
        threading.Thread(target=_end_with, args=(reader,), daemon=True).start()


def _end_with(process: Any) -> None:
    process.join()
    os._exit(1)


# --- drawn on the way -----------------------------------------------------------------------


def _observe(scene: Scene, unseen_only: bool, twins: bool) -> EvalImage | None:
    """The scene as an image, or None when it has no region to ask about."""
    seen = observe(scene)
    # as synth.dataset.records draws them, so that a rendered folder has the same
    rng = random.Random(f"captions/{scene.split}/{scene.seed}/{scene.index}")
    told = captions(seen, rng)
    regions = tuple(
        EvalRegion(
            t.region_id, t.category, t.part_of, t.region_id in seen.unseen,
            seen.masks[t.region_id], t.attributes,
            _references(told[t.region_id]), (told[t.region_id]["rdc"],),
        )
        for t in seen.truth.regions
    )  # fmt: skip
    name = f"{scene.split}-{scene.seed}-{scene_name(scene.index)}"
    empty = np.zeros((0, 0, 3), np.uint8)
    picture = EvalImage(scene.index, name, empty, regions, (told[0]["cgic"],))
    picture = _choose(picture, unseen_only, twins)
    return replace(picture, image=render_rgb(seen.svg)) if picture.regions else None


def _texts(text: str | None) -> tuple[str, ...]:
    return (text,) if text else ()


def _references(told: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(sentences) for name, sentences in told.get("aarc", {}).items()}


def _choose(picture: EvalImage, unseen_only: bool, twins: bool) -> EvalImage:
    if twins:
        return _only_twins(picture)
    if unseen_only:
        return replace(picture, regions=tuple(r for r in picture.regions if r.unseen))
    return picture


def _draw(job: tuple[str, int, int, bool, bool]) -> EvalImage | None:
    split, seed, index, unseen_only, twins = job
    scene = sample_scene(split, seed, index)
    if twins:
        boxes = [f.box for f in scene.figures]
        if all(box_iou(a, b) < _LIKELY for a, b in itertools.combinations(boxes, 2)):
            return None
    return _observe(scene, unseen_only, twins)


@dataclass(frozen=True)
class SynthSource:
    """Scenes 0, 1, 2, ... of a split and seed of the synthetic world, without end."""

    split: str
    seed: int = 0
    workers: int = 1

    @property
    def identity(self) -> dict[str, Any]:
        name = f"synth:{self.split}" + (f":{self.seed}" if self.seed else "")
        return {
            "name": name,
            "split": self.split,
            "seed": self.seed,
            "world": WORLD_VERSION,
        }

    @property
    def unseen_only(self) -> bool:
        return self.split == "test-unseen"

    @property
    def drawn(self) -> bool:
        return True

    def _stream(self, start: int, twins: bool) -> Iterator[EvalImage]:
        jobs = ((self.split, self.seed, i, self.unseen_only, twins) for i in itertools.count(start))
        yield from (p for p in ahead(_draw, jobs, self.workers) if p is not None)

    def pictures(self, start: int = 0) -> Iterator[EvalImage]:
        """See Source."""
        return self._stream(start, twins=False)

    def twins(self, start: int = 0) -> Iterator[EvalImage]:
        """See Source."""
        return self._stream(start, twins=True)


# --- a rendered folder ------------------------------------------------------------------------


class FolderSource:
    """A folder that ``finecaption synth render`` wrote.

    Raises:
        InputError: no annotations.jsonl, or a record in it that cannot be used (with its line).
    """

    def __init__(self, root: str | os.PathLike[str], workers: int = 1) -> None:
        self.root = Path(root)
        self.workers = workers
        path = self.root / "annotations.jsonl"
        if not path.is_file():
            raise InputError(
                f"{self.root}: holds no annotations.jsonl; give a folder written by "
                "`finecaption synth render`, or synth:test, synth:test-unseen"
            )
        text = path.read_bytes()
        self._digest = hashlib.sha256(text).hexdigest()
        self._splits: set[str] = set()
        self._groups: dict[str, list[dict[str, Any]]] = {}
        self._wholes: dict[str, tuple[str, ...]] = {}
        for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
            if line.strip():
                self._add(line, f"{path}, line {number}")

    def _add(self, line: str, where: str) -> None:
        needed = ("image", "region_id", "category", "mask", "truth")
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{where}: is not JSON ({error}); render the folder again") from error
        missing = [k for k in needed if not isinstance(record, dict) or k not in record]
        if missing:
            raise InputError(f"{where}: lacks {', '.join(missing)}; render the folder again")
        if record["region_id"] == 0:
            self._wholes[record["image"]] = _texts(record.get("captions", {}).get("cgic"))
            return
        self._splits.add(str(record.get("split")))
        keep = (*needed, "part_of", "unseen", "split", "seed", "scene", "captions")
        self._groups.setdefault(record["image"], []).append(
            {k: record[k] for k in keep if k in record}
        )

    @property
    def identity(self) -> dict[str, Any]:
        index = self.root / "index.json"
        world = json.loads(index.read_text("utf-8")).get("world", 1) if index.is_file() else None
        return {
            "name": self.root.resolve().name,
            "annotations_sha256": self._digest,
            "world": world,
        }

    @property
    def unseen_only(self) -> bool:
        return self._splits == {"test-unseen"}

    @property
    def drawn(self) -> bool:
        return True

    def _stream(self, start: int, twins: bool) -> Iterator[EvalImage]:
        groups = list(self._groups.items())
        jobs = (
            (str(self.root), i, group, self._wholes.get(image, ()), self.unseen_only, twins)
            for i, (image, group) in enumerate(groups[start:], start)
        )
        yield from (p for p in ahead(_load, jobs, self.workers) if p is not None)

    def pictures(self, start: int = 0) -> Iterator[EvalImage]:
        """See Source."""
        return self._stream(start, twins=False)

    def twins(self, start: int = 0) -> Iterator[EvalImage]:
        """See Source."""
        return self._stream(start, twins=True)


def _load(job: tuple[str, int, list[dict[str, Any]], Any, bool, bool]) -> EvalImage | None:
    root, index, group, whole, unseen_only, twins = job
    first = group[0]
    name = str(first["image"])
    if {"split", "seed", "scene"} <= set(first):
        name = f"{first['split']}-{first['seed']}-{scene_name(first['scene'])}"
    regions = tuple(
        EvalRegion(
            r["region_id"],
            r["category"],
            r.get("part_of"),
            bool(r.get("unseen", False)),
            masks.decode_rle(r["mask"], field=f"{name}, region {r['region_id']}: mask"),
            {n: {f: tuple(v) for f, v in d.items()} for n, d in r["truth"].items()},
            _references(r.get("captions", {})),
            _texts(r.get("captions", {}).get("rdc")),
        )
        for r in group
    )
    path = str((Path(root) / first["image"]).resolve())
    empty = EvalImage(index, name, np.zeros((0, 0, 3), np.uint8), regions, whole, path)
    picture = _choose(empty, unseen_only, twins)
    if not picture.regions:
        return None
    return replace(picture, image=np.asarray(load_image(Path(root) / first["image"])))


def open_source(text: str, workers: int = 1) -> Source:
    """The source that ``--data`` names.

    ``synth:SPLIT[:SEED]``, a folder that `finecaption synth render` wrote, or any dataset as
    ``FORMAT:PATH`` (finecaption.data.opening.FORMATS).

    Raises:
        InputError: unknown split or format, seed not an integer, or a path that cannot be used.
    """
    form, _, rest = text.partition(":")
    if form in FORMATS and rest and (form != "synth" or Path(rest).exists()):
        if form == "synth":
            return FolderSource(rest, workers)
        from finecaption.eval.datasets import DatasetSource  # which needs this module

        return DatasetSource(rest, form, workers)
    if form != "synth":
        return FolderSource(text, workers)
    split, _, seed = rest.partition(":")
    if split not in SPLITS:
        raise InputError(
            f'data: "{text}" names no split; give synth:SPLIT or synth:SPLIT:SEED with SPLIT one '
            f"of {', '.join(SPLITS)}"
        )
    try:
        number = int(seed or "0")
    except ValueError as error:
        raise InputError(f'data: "{seed}" in "{text}" must be an integer seed') from error
    return SynthSource(split, number, workers)
