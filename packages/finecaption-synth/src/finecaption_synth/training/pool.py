"""Scenes drawn once and kept as memory-mapped arrays: drawing in the training loop starves it.

A pool is a folder of shards; a shard holds, for its scenes and their regions:

    clip.npy     uint8 (N, s, s, 3)      the image at CLIP's size
    hr.npy       uint8 (N, S, S, 3)      the image at the high resolution
    ids.npy      uint8 (N, 128, 128)     region id a pixel, parts before wholes, 0 the backdrop
    labels.npy   int8 (N + R, heads)     class rows (scenes.labels), a backdrop row before each
                                         scene's regions
    masks.npy    uint8 (R, s, s)         soft masks at CLIP's size
    starts.npy   int64 (N + 1,)          first region of each scene
    truth.jsonl  a scene's truth a line

pool.json beside the shards says what they were drawn with.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finecaption.errors import InputError
from finecaption.model.preparation import prepare_image, prepare_mask
from finecaption_synth import WORLD_VERSION, check_world
from finecaption_synth.compose import render_rgb
from finecaption_synth.dataset import leave_interrupts
from finecaption_synth.observe import Observed, observe
from finecaption_synth.scene import SIZE, sample_scene
from finecaption_synth.training.labels import HEADS, IGNORE, scene_labels
from finecaption_synth.truth import SceneTruth, truth_from_json, truth_to_json

IDS_SIZE = 128
SHARD = 50  # scenes: some ten seconds of one core


def id_map(observed: Observed, size: int = IDS_SIZE) -> np.ndarray:
    """Region id a pixel: uint8 (size, size); where masks nest, the part wins over the whole."""
    full = np.zeros((SIZE, SIZE), dtype=np.uint8)
    for region in observed.truth.regions:  # wholes come before parts
        full[observed.masks[region.region_id]] = region.region_id
    step = SIZE // size
    return full[step // 2 :: step, step // 2 :: step]


def render_shard(
    folder: str | os.PathLike[str], settings: dict[str, Any], number: int, first: int, count: int
) -> int:
    """Renders scenes first .. first + count - 1 into one shard, unless it is there already.

    Args:
        folder: of the pool.
        settings: of the pool, from open_folder.
        number: of the shard, in its name.

    Returns:
        ``number``.
    """
    final = shard_folder(folder, number)
    # A pool that grows had a last shard of fewer scenes.
    if final.exists() and len(np.load(final / "starts.npy")) > count:
        return number
    clip_size, hr_size = settings["clip_size"], settings["hr_size"]
    clip: list[np.ndarray] = []
    hr: list[np.ndarray] = []
    ids: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    starts, lines = [0], []
    for index in range(first, first + count):
        observed = observe(sample_scene(settings["split"], settings["seed"], index))
        # Two scenes in three are rendered at the target size, at a third of the cost; the others
        # go through a resize as users' images do, so that the model knows both kinds of edge.
        picture = Image.fromarray(render_rgb(observed.svg, SIZE if index % 3 == 0 else hr_size))
        small, large = prepare_image(picture, clip_size, hr_size)
        clip.append(small)
        hr.append(large)
        ids.append(id_map(observed))
        regions = [r.region_id for r in observed.truth.regions]
        masks += [prepare_mask(observed.masks[k], clip_size) for k in regions]
        labels.append(scene_labels(observed.truth))
        starts.append(len(masks))
        lines.append(json.dumps(truth_to_json(observed.truth)))
    temporary = final.with_name(f".{final.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    arrays = {
        "clip": np.stack(clip),
        "hr": np.stack(hr),
        "ids": np.stack(ids),
        "masks": np.stack(masks),
        "labels": np.concatenate(labels),
        "starts": np.array(starts),
    }
    for name, array in arrays.items():
        np.save(temporary / f"{name}.npy", array)
    (temporary / "truth.jsonl").write_text("\n".join(lines) + "\n")
    shutil.rmtree(final, ignore_errors=True)
    os.replace(temporary, final)
    return number


def shard_folder(folder: str | os.PathLike[str], number: int) -> Path:
    """Where shard ``number`` of a pool lies."""
    return Path(folder) / f"shard-{number:05d}"


def open_folder(
    folder: str | os.PathLike[str], split: str, seed: int, clip_size: int, hr_size: int
) -> dict[str, Any]:
    """Makes the folder of a pool, or checks that it holds scenes of these settings.

    Returns:
        The settings, as pool.json has them.

    Raises:
        InputError: the folder holds a pool of another split, seed or size, or of another version
            of the world.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    settings = {
        "world": WORLD_VERSION,
        "split": split,
        "seed": seed,
        "clip_size": clip_size,
        "hr_size": hr_size,
        "shard": SHARD,
    }
    note = root / "pool.json"
    if note.exists():
        check_world(note, "use another folder")
    if note.exists() and json.loads(note.read_text()) != settings:
        raise InputError(
            f"{root} holds a pool of {json.loads(note.read_text())}, not of {settings}; "
            "use another folder"
        )
    temporary = root / ".pool.json.part"
    temporary.write_text(json.dumps(settings) + "\n")
    os.replace(temporary, note)
    return settings


def _render_job(job: tuple[str, dict[str, Any], int, int, int]) -> int:
    return render_shard(*job)


def render_pool(
    folder: str | os.PathLike[str],
    split: str,
    seed: int,
    scenes: int,
    *,
    clip_size: int,
    hr_size: int,
    workers: int | None = None,
) -> Iterator[int]:
    """Renders a pool of ``scenes`` scenes; yields each shard's number as it is done.

    Interrupted, it goes on with the shards that are missing. The arrays do not depend on
    ``workers``, the number of processes (default: one a core).

    Raises:
        InputError: the folder holds a pool of another split, seed or size.
    """
    settings = open_folder(folder, split, seed, clip_size, hr_size)
    jobs = [
        (str(folder), settings, number, first, min(SHARD, scenes - first))
        for number, first in enumerate(range(0, scenes, SHARD))
    ]
    if workers == 1 or len(jobs) == 1:
        yield from map(_render_job, jobs)
        return
    with ProcessPoolExecutor(workers, initializer=leave_interrupts) as pool:
        yield from pool.map(_render_job, jobs)


def regions_by_head(shard: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Of a shard's arrays, for each head, int32 (n, 2): scene and id of regions it applies to."""
    starts = np.asarray(shard["starts"])
    labels = np.asarray(shard["labels"])
    counts = np.diff(starts) + 1  # rows of each scene, the backdrop's among them
    scene = np.repeat(np.arange(len(counts)), counts)
    region = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    out = []
    for head in range(len(HEADS)):
        rows = np.flatnonzero((labels[:, head] != IGNORE) & (region > 0))
        out.append(np.stack((scene[rows], region[rows]), axis=1).astype(np.int32))
    return out


@dataclass(frozen=True)
class PooledScene:
    """One scene of a pool; arrays as in the module's table, regions by region id - 1."""

    clip: np.ndarray
    hr: np.ndarray
    ids: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    truth: SceneTruth


class Pool:
    """Random access to the scenes of a pool, memory-mapped; truth is parsed at access."""

    def __init__(self, folder: str | os.PathLike[str], limit: int | None = None) -> None:
        """Opens the shards that are there; ``limit``: the first so many scenes only.

        Raises:
            InputError: when the folder holds no shard, or another version of the world.
        """
        self.folder = Path(folder)
        if (self.folder / "pool.json").exists():
            check_world(self.folder / "pool.json", "draw the pool again, in another folder")
        shards = sorted(self.folder.glob("shard-*"))
        if not shards:
            raise InputError(f"no shard in {folder}; draw the pool first")
        names = ("clip", "hr", "ids", "masks", "labels", "starts")
        self._shards = [{n: np.load(s / f"{n}.npy", mmap_mode="r") for n in names} for s in shards]
        self._lines = [(s / "truth.jsonl").read_text().splitlines() for s in shards]
        counts = [len(s["hr"]) for s in self._shards]
        self._first = np.concatenate([[0], np.cumsum(counts)])
        self._length = min(int(self._first[-1]), limit or int(self._first[-1]))

    def __len__(self) -> int:
        return self._length

    @cached_property
    def by_head(self) -> list[np.ndarray]:
        """For each head, int32 (n, 2): scene and region id of every region that it applies to."""
        found: list[list[np.ndarray]] = [[] for _ in HEADS]
        for shard, first in zip(self._shards, self._first, strict=False):
            for head, entries in enumerate(regions_by_head(shard)):
                found[head].append(entries + np.array([first, 0], dtype=np.int32))
        joined = [np.concatenate(parts) for parts in found]
        return [entries[entries[:, 0] < self._length] for entries in joined]

    def __getitem__(self, index: int) -> PooledScene:
        if not 0 <= index < self._length:
            raise IndexError(index)
        k = int(np.searchsorted(self._first, index, side="right")) - 1
        i = index - int(self._first[k])
        s = self._shards[k]
        a, b = int(s["starts"][i]), int(s["starts"][i + 1])
        return PooledScene(
            clip=s["clip"][i],
            hr=s["hr"][i],
            ids=s["ids"][i],
            masks=s["masks"][a:b],
            labels=s["labels"][a + i : b + i + 1],
            truth=truth_from_json(json.loads(self._lines[k][i])),
        )
