"""Runs a recipe, stage after stage, into one folder; every step resumes.

Layout of the folder::

    OUT/recipe.json            what was run
    OUT/pool/                  drawn scenes (train.pool)
    OUT/stage0-*/state.safetensors
    OUT/work/STAGE/            checkpoints of the stage that runs, and tensorboard's log
    OUT/stage0/ .. OUT/stage3/ whole models with processor and, at the end, the click segmenter
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import set_seed

from finecaption.errors import InputError
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.processing import FineCaptionProcessor
from finecaption.segmentation.click import save_segmenter
from finecaption.synth import WORLD_VERSION, check_world
from finecaption.train import build
from finecaption.train.clicks import ClickPretraining
from finecaption.train.joint import JointTraining
from finecaption.train.pool import SHARD, Pool, render_pool
from finecaption.train.recipes import CONSTANT, Recipe, Stage
from finecaption.train.trainer import processes, train_stage

Say = Callable[[str], None]
ASSEMBLED = "stage0"


def hardware() -> str:
    """The machine in words, for provenance."""
    if torch.cuda.is_available():
        return f"{processes()} x {torch.cuda.get_device_name()}"
    threads = torch.get_num_threads()
    return f"{os.cpu_count()} CPU cores ({platform.machine()}): {processes()} x {threads} threads"


def _save_model(
    model: FineCaptionForConditionalGeneration, processor: FineCaptionProcessor, folder: Path,
    history: list[dict[str, Any]], heads: torch.nn.Module | None = None,
) -> None:  # fmt: skip
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)
    processor.save_pretrained(temporary)
    if heads is not None:
        build.save_state(heads, temporary / build.HEADS_STATE)
    (temporary / "provenance.json").write_text(json.dumps(history, indent=1) + "\n")
    temporary.rename(folder)


def _history(folder: Path) -> list[dict[str, Any]]:
    path = folder / "provenance.json"
    return json.loads(path.read_text()) if path.exists() else []


def is_first() -> bool:
    """Whether this process is the one that writes (torchrun starts several)."""
    return os.environ.get("RANK", "0") == "0"


def meet() -> None:
    """Waits for the other processes, if there are any."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def wait_until(ready: Callable[[], bool]) -> None:
    """Waits for what another process makes, before Trainer has connected the processes."""
    while True:
        try:
            if ready():
                return
        except InputError:  # nothing there yet
            pass
        time.sleep(0.5)


class Run:
    """One recipe in one folder; under torchrun, the first process draws and writes."""

    def __init__(self, recipe: Recipe, root: Path, pool: Path | None, say: Say) -> None:
        self.recipe, self.root, self.say = recipe, root, say
        self.pool_folder = pool or root / "pool"
        if is_first():
            root.mkdir(parents=True, exist_ok=True)
            self._note_recipe()
        self.config, self.processor = build.make_processor(recipe.preset)

    def _note_recipe(self) -> None:
        """Writes recipe.json; a stage that has begun may not change any more."""
        path = self.root / "recipe.json"
        new = json.loads(json.dumps(dataclasses.asdict(self.recipe)))
        new["world"] = WORLD_VERSION
        if path.exists():
            check_world(path, "use another folder")
            old = json.loads(path.read_text())
            before = {s["name"]: s for s in old["stages"]}
            for stage in new["stages"]:
                name = stage["name"]
                begun = (self.root / name).exists() or (self.root / "work" / name).exists()
                was = before.get(name, stage)
                # At a constant rate the number of steps decides nothing but the end.
                free = {"steps"} if stage["schedule"] == CONSTANT else set()
                changed = [k for k in stage if was.get(k) != stage[k] and k not in free]
                changed += [k for k in ("preset", "seed", "scenes") if old[k] != new[k]]
                if begun and changed:
                    raise InputError(
                        f"{self.root}: {name} was run with another {', '.join(changed)} "
                        f"(see {path}); use another folder, or delete {self.root / name} and "
                        f"{self.root / 'work' / name}"
                    )
        temporary = path.with_name(f".{path.name}.part")
        temporary.write_text(json.dumps(new, indent=1) + "\n")
        temporary.replace(path)

    def draw(self, stages: Sequence[Stage]) -> None:
        """Renders the scenes that are missing, if a stage takes any from the fixed pool."""
        if all(stage.crop for stage in stages):
            return
        wanted = self.recipe.scenes
        if not is_first():
            wait_until(lambda: len(Pool(self.pool_folder)) >= wanted)
            return
        self.say(f"pool of {wanted} scenes in {self.pool_folder}")
        shards = render_pool(
            self.pool_folder, "train", self.recipe.seed, wanted,
            clip_size=self.config.clip_size, hr_size=self.config.image_size,
        )  # fmt: skip
        for shard in shards:
            self.say(f"  {min((shard + 1) * SHARD, wanted)} of {wanted} scenes drawn")

    def _note(self, stage: Stage, metrics: dict[str, float]) -> dict[str, Any]:
        return {
            "stage": stage.name, "recipe": self.recipe.name, "seed": self.recipe.seed,
            "world": WORLD_VERSION, "trains": list(stage.trains), "steps": stage.steps,
            "pictures": stage.steps * stage.batch,
            "lr": stage.lr, "seconds": metrics["seconds"], "hardware": hardware(),
            "train_loss": metrics.get("train_loss"),
            "torch": torch.__version__, "transformers": transformers.__version__,
        }  # fmt: skip

    def _previous(self, stage: Stage) -> Path:
        """The model that a caption stage starts from: the whole model before it."""
        order = [ASSEMBLED, *(s.name for s in self.recipe.stages if s.kind == "captions")]
        if stage.kind == "captions":
            return self.root / order[order.index(stage.name) - 1]
        return self.root / order[-1]

    def _model(self, folder: Path) -> FineCaptionForConditionalGeneration:
        if folder.name == ASSEMBLED and not folder.exists():
            if is_first():
                self.assemble()
            wait_until(folder.exists)
        if not folder.exists():
            raise InputError(f"{folder} is missing: run {folder.name} first")
        return FineCaptionForConditionalGeneration.from_pretrained(folder)

    def assemble(self) -> None:
        """Puts stage 0's parts together as OUT/stage0."""
        set_seed(self.recipe.seed)
        model = build.assemble(self.recipe, self.root, self.config)
        notes: list[dict[str, Any]] = []
        for s in self.recipe.stages:
            if s.kind != "captions" and not s.decoder_only:
                notes += _history(self.root / s.name)
        _save_model(model, self.processor, self.root / ASSEMBLED, notes)

    def open_pool(self) -> Pool:
        """The fixed pool of scenes."""
        return Pool(self.pool_folder, self.recipe.scenes)

    def stage(self, stage: Stage) -> None:
        """Runs one stage, unless it is done; from its last checkpoint if it was interrupted."""
        folder = self.root / stage.name
        if (folder / "provenance.json").exists():
            self.say(f"{stage.name}: done before")
            return
        set_seed(self.recipe.seed)
        source: Path | None = None
        trains = ", ".join(stage.trains) or "the click decoder"
        self.say(f"{stage.name}: {stage.steps} steps of {stage.batch}; trains {trains}")
        if stage.kind == "captions":
            source = self._previous(stage)
            model = self._model(source)
            job = build.caption_job(
                self.recipe, stage, self.open_pool(), model, self.processor, self.root, source
            )
        elif stage.decoder_only:
            source = self._previous(stage)
            model = self._model(source)
            job = build.decoder_job(self.recipe, stage, self.open_pool(), model, self.root)
        else:
            job = build.pretraining_job(
                self.recipe, stage, self.open_pool, self.config, self.processor, self.root
            )
        with job.beside if is_first() else contextlib.nullcontext():
            metrics = train_stage(
                job.module, stage, job.items, job.collate, self.root / "work" / stage.name,
                self.recipe.seed, job.part_of, job.idle, self._snapshot(stage, job.module, folder),
            )  # fmt: skip
        meet()
        if is_first():
            self._finish(stage, job, folder, source, self._note(stage, metrics))
            shutil.rmtree(self.root / "work" / stage.name / "checkpoints", ignore_errors=True)
        meet()

    def _snapshot(
        self, stage: Stage, module: torch.nn.Module, folder: Path
    ) -> Callable[[], None] | None:
        """Writes the state of a stage that may go on for ever, for others to begin from."""
        if stage.schedule != CONSTANT or stage.kind == "captions":
            return None

        def write() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            build.save_state(module, folder / build.STATE)

        return write

    def _finish(
        self, stage: Stage, job: build.Job, folder: Path, source: Path | None, note: dict[str, Any]
    ) -> None:
        """Writes what a stage has made."""
        if stage.kind == "captions":
            model = job.module.captioner if isinstance(job.module, JointTraining) else job.module
            assert isinstance(model, FineCaptionForConditionalGeneration) and source
            heads = job.module.heads if isinstance(job.module, JointTraining) else None
            _save_model(model, self.processor, folder, [*_history(source), note], heads)
            return
        folder.mkdir(parents=True, exist_ok=True)
        build.save_state(job.module, folder / build.STATE)
        if stage.decoder_only:
            assert isinstance(job.module, ClickPretraining) and source
            save_segmenter(job.module.decoder, source)
            (source / "provenance.json").write_text(
                json.dumps([*_history(source), note], indent=1) + "\n"
            )
        (folder / "provenance.json").write_text(json.dumps([note], indent=1) + "\n")


def run_recipe(
    recipe: Recipe,
    out: Path,
    *,
    pool: Path | None = None,
    only: Sequence[str] = (),
    say: Say = print,
) -> Path:
    """Trains a recipe, or the named stages of it.

    Args:
        out: folder of the run; finished stages in it are not run again.
        pool: folder of drawn scenes (default OUT/pool); several runs can share one.
        only: stage names; all if empty.

    Returns:
        The folder of the last whole model.

    Raises:
        InputError: unknown stage, or one whose forerunner has not been run.
    """
    stages = [recipe.stage(name) for name in only] or list(recipe.stages)
    run = Run(recipe, out, pool, say)
    run.draw(stages)
    for stage in stages:
        run.stage(stage)
    return run.root / [s.name for s in recipe.stages if s.kind == "captions"][-1]
