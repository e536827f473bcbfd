"""Scenes of the synthetic world as data of an evaluation, with ground truth in values.

SynthSource renders scenes as they are needed, in other processes, ahead of the model; FolderSource
reads what `finecaption synth render` wrote.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.errors import InputError
from finecaption.eval.data import EvalImage, EvalRegion, ahead, only_twins
from finecaption.io import masks
from finecaption.io.geometry import box_iou
from finecaption.io.images import load_image
from finecaption_synth import WORLD_VERSION
from finecaption_synth.compose import render_rgb
from finecaption_synth.dataset import captions, scene_name
from finecaption_synth.observe import observe
from finecaption_synth.scene import Scene, sample_scene

# Two whole objects whose unhidden boxes overlap less than this are no twins: their scene is not
# rendered in search of some.
_LIKELY = 0.4


def _observe(scene: Scene, unseen_only: bool, twins: bool) -> EvalImage | None:
    """The scene as an image, or None when it has no region to ask about."""
    seen = observe(scene)
    # as synth.dataset.records draws them, so that a rendered folder has the same
    rng = random.Random(f"captions/{scene.split}/{scene.seed}/{scene.index}")
    told = captions(seen, rng)
    regions = tuple(
        EvalRegion(
            t.region_id,
            t.category,
            t.part_of,
            t.region_id in seen.unseen,
            seen.masks[t.region_id],
            t.attributes,
            _references(told[t.region_id]),
            (told[t.region_id]["rdc"],),
        )
        for t in seen.truth.regions
    )
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
        return only_twins(picture)
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
