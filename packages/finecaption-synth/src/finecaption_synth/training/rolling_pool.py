"""A pool of training scenes that is always being renewed.

How many different scenes a model has seen decides how much it learns (docs/log.md), far more than
how often it has seen each. So scenes are rendered while training runs, each is used a few times,
and then it is deleted. Which scenes an item may come from is a function of its number alone: a run
that was interrupted sees the batches that it would have seen, whether the scenes are still on disk
or are rendered again.

The trainer reads; a renderer in a process of its own keeps ahead of it::

    python -m finecaption_synth.training.rolling_pool FOLDER --workers 1

If the renderer falls behind, the trainer waits; without one, it renders what it needs itself.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.pool import AsyncResult
from pathlib import Path

import numpy as np

from finecaption_synth.dataset import leave_interrupts
from finecaption_synth.training.pool import (
    SHARD,
    open_folder,
    regions_by_head,
    render_shard,
    shard_folder,
)

POSITION = "position.json"  # the first shard that is still needed, written by the trainer
LOCK = "renderer.lock"  # held by the process that renders ahead, for as long as it lives
_POLL = 0.5  # seconds between two looks at the position


@dataclass(frozen=True)
class Window:
    """Which shards the item of a number draws on.

    Attributes:
        scenes: how many scenes are in use at once.
        uses: items per scene before the window moves past it; 0 never moves it.
    """

    scenes: int
    uses: float

    @property
    def shard_size(self) -> int:
        """Scenes per shard."""
        return min(SHARD, self.scenes)

    @property
    def shards(self) -> int:
        """How many shards are in use at once."""
        return max(1, round(self.scenes / self.shard_size))

    def first(self, item: int) -> int:
        """Number of the oldest shard that item ``item`` may come from."""
        return int(item / (self.uses * self.shard_size)) if self.uses else 0

    def choose(self, item: int, rng: np.random.Generator) -> int:
        """Number of the shard that item ``item`` comes from."""
        return self.first(item) + int(rng.integers(self.shards))


@dataclass(frozen=True)
class PoolShard:
    """Memory-mapped arrays of some scenes, see finecaption_synth.training.pool."""

    arrays: dict[str, np.ndarray]

    @classmethod
    def load(cls, folder: Path) -> PoolShard:
        """Opens the shard in a folder."""
        names = ("clip", "hr", "ids", "masks", "labels", "starts")
        return cls({n: np.load(folder / f"{n}.npy", mmap_mode="r") for n in names})

    def labels(self, scene: int) -> np.ndarray:
        """int8 (1 + regions, heads): class rows of a scene, the backdrop's first."""
        start, stop = (int(v) for v in self.arrays["starts"][scene : scene + 2])
        return np.array(self.arrays["labels"][start + scene : stop + scene + 1])

    @cached_property
    def by_head(self) -> list[np.ndarray]:
        """For each head, int32 (n, 2): scene and region id of every region that it applies to."""
        return regions_by_head(self.arrays)


class RollingPool:
    """Shards by number, rendered when they are missing; only the latest stay open."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        split: str,
        seed: int,
        window: Window,
        *,
        clip_size: int,
        hr_size: int,
    ) -> None:
        """
        Args:
            folder: of the shards; made if missing.
            split, seed: of the scenes (synth.scene.sample_scene).
            window: which shards an item may come from.
            clip_size, hr_size: sides of the two squares in pixels.

        Raises:
            InputError: the folder holds a pool of other settings.
        """
        self.folder, self.window = Path(folder), window
        self.settings = open_folder(self.folder, split, seed, clip_size, hr_size)
        self._open: dict[int, PoolShard] = {}
        self._first = -1

    def shard(self, number: int) -> PoolShard:
        """A shard; waits for the renderer, or renders it here where there is none."""
        if number not in self._open:
            path = shard_folder(self.folder, number)
            while not path.exists() and is_rendering(self.folder):
                time.sleep(_POLL)
            if not path.exists():
                size = self.window.shard_size
                render_shard(self.folder, self.settings, number, number * size, size)
            self._open[number] = PoolShard.load(path)
        return self._open[number]

    def advance(self, item: int) -> None:
        """Notes where the run is: older shards are closed, and the renderer may delete them."""
        first = self.window.first(item)
        if first == self._first:
            return
        self._first = first
        for number in [n for n in self._open if n < first]:
            del self._open[number]
        write_position(self.folder, first)


def write_position(folder: Path, first: int) -> None:
    """Notes the oldest shard that a run still needs."""
    temporary = folder / f".{POSITION}.{os.getpid()}.part"
    temporary.write_text(json.dumps({"first": first}) + "\n")
    os.replace(temporary, folder / POSITION)


def read_position(folder: Path) -> int:
    """The oldest shard that a run still needs; 0 before it has said anything."""
    path = folder / POSITION
    return int(json.loads(path.read_text())["first"]) if path.exists() else 0


def is_rendering(folder: Path) -> bool:
    """Whether a renderer is at work on a pool; its lock ends with it, however it ends."""
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def keep_rendering(
    folder: Path, size: int, ahead: int, workers: int, parent: int, keep: bool = False
) -> None:
    """Renders shards ahead of the trainer and deletes those behind it, until the parent exits.

    Args:
        folder: of a pool that a RollingPool has opened.
        size: scenes per shard.
        ahead: shards to have ready from the oldest one that is needed on.
        workers: processes.
        parent: process id of the trainer that started this process.
        keep: leave the shards behind the trainer in place, for other stages to train on.
    """
    settings = json.loads((folder / "pool.json").read_text())
    waiting: dict[int, AsyncResult[int]] = {}
    # SIGTERM leaves the block, which ends the workers; by itself it would leave them behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with multiprocessing.Pool(workers, initializer=_start_worker) as pool:
        while os.getppid() == parent:
            first = read_position(folder)
            for path in folder.glob("shard-*"):
                if not keep and int(path.name.partition("-")[2]) < first:
                    shutil.rmtree(path, ignore_errors=True)
            for number in [n for n, job in waiting.items() if job.ready()]:
                waiting.pop(number).get()  # raises what went wrong there
            for number in range(first, first + ahead):
                if len(waiting) >= 2 * workers:  # the next one waits until a worker is free
                    break
                if number not in waiting and not shard_folder(folder, number).exists():
                    job = (folder, settings, number, number * size, size)
                    waiting[number] = pool.apply_async(render_shard, job)
            time.sleep(_POLL)


def _start_worker() -> None:
    leave_interrupts()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def rendering_ahead(pool: RollingPool, workers: int) -> Iterator[None]:
    """Keeps a renderer at work beside this process; it ends with the block, or with the process.

    One that another process has started serves as well, and is left alone.
    """
    if is_rendering(pool.folder):
        yield
        return
    ahead = pool.window.shards + 1 + workers
    command = [sys.executable, "-m", __name__]
    numbers = {"size": pool.window.shard_size, "ahead": ahead, "workers": workers}
    options = [text for name, value in numbers.items() for text in (f"--{name}", str(value))]
    process = subprocess.Popen([*command, str(pool.folder), *options])
    try:
        while not is_rendering(pool.folder) and process.poll() is None:
            time.sleep(_POLL / 10)  # until then the trainer would render for itself
        yield
    finally:
        process.terminate()
        process.wait()


def main(argv: Sequence[str] | None = None) -> int:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description="Render scenes ahead of a training run.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=SHARD, help="Scenes per shard.")
    parser.add_argument("--ahead", type=int, default=10, help="Shards to have ready.")
    parser.add_argument("--workers", type=int, default=1, help="Processes.")
    parser.add_argument("--keep", action="store_true", help="Delete no shard.")
    given = parser.parse_args(argv)
    parent = os.getppid()
    with (given.folder / LOCK).open("a") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)  # if another renderer holds it, after that one
        keep_rendering(given.folder, given.size, given.ahead, given.workers, parent, given.keep)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
