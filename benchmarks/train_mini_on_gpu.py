"""Trains the shipped model on one GPU within minutes, beside renderers on all cores.

The recipe is `mini`, as `finecaption train` runs it; what differs is the order on the clock. Scenes
are rendered all the time into one pool. ConvNeXt learns from a window that moves over the newest
ones; SAM, CLIP and the language model begin, side by side on the same GPU, when there are enough
scenes; then the caption stages follow one another. Every stage ends by the clock
(`StageConfig.minutes`), so that the whole takes as long as it was given:

    python benchmarks/train_mini_on_gpu.py --out runs/gpu --minutes 11.5

`--recipe smoke --minutes 1` tries the sequence without a GPU. Times and results: docs/log.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from finecaption.training.recipes import find_recipe
from finecaption_synth.training import texts
from finecaption_synth.training.pool import SHARD, open_folder

# stage -> fraction of the whole time, batch, peak learning rate, loader processes, other settings
STAGES: dict[str, tuple[float, int, float, int, dict[str, Any]]] = {
    "stage0-convnext": (0.38, 256, 3e-3, 4, {"warmup": 300, "window": 1500, "uses": 96}),
    "stage0-convnext-decay": (0.088, 96, 2.5e-3, 4, {"warmup": 50, "crop": 0}),
    "stage0-sam": (0.14, 32, 1.5e-3, 2, {}),
    "stage0-sam-2": (0.08, 64, 1.5e-3, 3, {}),
    "stage0-clip": (0.15, 96, 1e-3, 2, {}),
    "stage0-llm": (0.12, 64, 2e-3, 2, {}),
    "stage1": (0.02, 64, 2e-3, 4, {}),
    "stage2": (0.028, 48, 3e-3, 8, {}),
    "stage3-regions": (0.09, 64, 1.5e-3, 6, {}),
    "stage3": (0.24, 48, 1.5e-3, 11, {}),
    "stage3-clicks": (0.05, 64, 1e-3, 6, {}),
}
BEGIN = 0.19  # of the whole time: when the other towers begin, with the scenes that are there
CAPTIONS = ("stage1", "stage2", "stage3-regions", "stage3")
MOST_STEPS = 1_000_000


class Driver:
    """Starts stages as processes of their own and puts their results into one folder."""

    def __init__(self, out: Path, pool: Path, recipe: str, seconds: float, small: bool) -> None:
        self.out, self.pool, self.recipe = out, pool, recipe
        self.seconds, self.small, self.began = seconds, small, time.monotonic()
        out.mkdir(parents=True, exist_ok=True)

    def say(self, text: str) -> None:
        """Prints a line with the seconds since the start, and the scenes that there are."""
        print(
            f"[{time.monotonic() - self.began:6.1f} s, {self.scenes()} scenes] {text}", flush=True
        )

    def scenes(self) -> int:
        """How many scenes without a gap are rendered."""
        number = 0
        while (self.pool / f"shard-{number:05d}").exists():
            number += 1
        return number * SHARD

    def settings(self, scenes: int) -> list[str]:
        """``--set`` options of all stages; the same for every stage of one folder."""
        found = [f"scenes={scenes}"]
        for name, (fraction, batch, lr, workers, more) in STAGES.items():
            values = {
                "minutes": round(fraction * self.seconds / 60, 3), "steps": MOST_STEPS,
                "batch": batch, "lr": lr, "workers": workers, "save_every": 2000, **more,
            }  # fmt: skip
            if self.small:
                values |= {"batch": 4, "workers": 1}
                values |= {"window": 50} if "window" in more else {}
            found += [f"{name}.{key}={value}" for key, value in values.items()]
        return [part for value in found for part in ("--set", value)]

    def start(self, folder: str, scenes: int, *names: str) -> subprocess.Popen[bytes]:
        """Stages one after another in a process, in a folder of their own."""
        out = self.out / folder
        out.mkdir(exist_ok=True)
        only = [part for name in names for part in ("--only", name)]
        command = [
            sys.executable, "-m", "finecaption", "train", "--recipe", self.recipe,
            "--out", str(out), "--pool", str(self.pool), *only, *self.settings(scenes),
        ]  # fmt: skip
        log = (self.out / f"{folder}.log").open("ab")
        self.say(f"starts {', '.join(names)} on {scenes} scenes")
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def finish(self, process: subprocess.Popen[bytes], folder: str) -> None:
        """Waits for a process that `start` has started; the end of its log if it failed."""
        if process.wait():
            tail = (self.out / f"{folder}.log").read_text(errors="replace")[-4000:]
            raise SystemExit(f"{folder} failed:\n{tail}")
        last = (self.out / f"{folder}.log").read_text(errors="replace").strip().splitlines()[-3:]
        self.say(f"finished {folder}: " + " | ".join(last))

    def copy(self, source: str, target: str, *names: str) -> None:
        """Takes finished stages over into another folder."""
        for name in names:
            shutil.copytree(self.out / source / name, self.out / target / name, dirs_exist_ok=True)

    def wait(self, seconds: float = 0.0, scenes: int = 0) -> None:
        """Until so many seconds since the start are over and so many scenes are there."""
        while time.monotonic() - self.began < seconds or self.scenes() < scenes:
            time.sleep(0.2)


def run(driver: Driver, workers: int) -> None:
    """The whole sequence."""
    recipe = find_recipe(driver.recipe)
    config, _ = texts.make_processor(recipe.preset)
    sizes = {"clip_size": config.clip_size, "hr_size": config.image_size}
    open_folder(driver.pool, "train", recipe.seed, **sizes)
    command = [
        sys.executable, "-m", "finecaption_synth.training.rolling_pool", str(driver.pool),
        "--size", str(SHARD), "--ahead", "100000", "--workers", str(workers), "--keep",
    ]  # fmt: skip
    renderer = subprocess.Popen(command, preexec_fn=lambda: os.nice(5))
    try:
        first = driver.out / "convnext"
        first.mkdir(exist_ok=True)
        (first / "pool-stage0-convnext").symlink_to(driver.pool.resolve())
        driver.wait(scenes=50 if driver.small else 1000)
        convnext = driver.start("convnext", 0, "stage0-convnext")
        driver.wait(BEGIN * driver.seconds)
        some = driver.scenes()
        towers = {
            "sam": driver.start("sam", some, "stage0-sam", "stage0-sam-2"),
            "clip": driver.start("clip", some, "stage0-clip"),
            "llm": driver.start("llm", some, "stage0-llm"),
        }
        driver.finish(convnext, "convnext")
        driver.copy("convnext", "decay", "stage0-convnext")
        decay = driver.start("decay", driver.scenes(), "stage0-convnext-decay")
        for name, process in towers.items():
            driver.finish(process, name)
        driver.finish(decay, "decay")
    finally:
        renderer.terminate()
        renderer.wait()
    driver.copy("decay", "whole", "stage0-convnext", "stage0-convnext-decay")
    driver.copy("sam", "whole", "stage0-sam", "stage0-sam-2")
    driver.copy("clip", "whole", "stage0-clip")
    driver.copy("llm", "whole", "stage0-llm")
    scenes = driver.scenes()
    driver.finish(driver.start("whole", scenes, *CAPTIONS), "whole")
    driver.finish(driver.start("whole", scenes, "stage3-clicks"), "whole")
    driver.say("done")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="Folder for stages and logs.")
    parser.add_argument("--pool", type=Path, help="Folder for scenes (default: in --out).")
    parser.add_argument("--recipe", default="mini", help="mini, or smoke to try the sequence.")
    parser.add_argument("--minutes", type=float, default=11.5, help="For everything.")
    parser.add_argument("--renderers", type=int, default=max(1, (os.cpu_count() or 1) - 3))
    given = parser.parse_args()
    pool = given.pool or given.out / "pool"
    small = given.recipe == "smoke"
    run(Driver(given.out, pool, given.recipe, 60 * given.minutes, small), given.renderers)


if __name__ == "__main__":
    main()
