"""Runs a recipe from scratch, stage after stage, into one folder; every step resumes.

Layout of the folder::

    OUT/recipe.json            what was run
    OUT/pool/                  rendered scenes (finecaption_synth.training.pool)
    OUT/stage0-*/state.safetensors
    OUT/work/STAGE/            see finecaption.training.fit
    OUT/stage0/ .. OUT/stage3/ whole models with processor and, at the end, the click segmenter
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from finecaption.errors import InputError
from finecaption.model.loading import read_weights
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.segmentation.click import save_segmenter
from finecaption.training.checkpoints import locked
from finecaption.training.config import CONSTANT, HARMLESS, Recipe, StageConfig
from finecaption.training.fit import fit, read_provenance
from finecaption.training.models import write_model
from finecaption.training.processes import barrier, is_main_process, wait_until
from finecaption_synth import WORLD_VERSION, check_world
from finecaption_synth.training import texts
from finecaption_synth.training.jobs import (
    HEADS_STATE,
    STATE,
    TrainingJob,
    TrainingJobs,
    fits_decoder,
    save_state,
)
from finecaption_synth.training.objectives.clicks import ClickPretraining
from finecaption_synth.training.objectives.labeled_captions import JointTraining
from finecaption_synth.training.options import SceneCrops
from finecaption_synth.training.pool import SHARD, Pool, render_pool

LogFn = Callable[[str], None]
ASSEMBLED = "stage0"


class ScratchRun:
    """One recipe in one folder; under torchrun, the first process renders and writes."""

    def __init__(self, recipe: Recipe, root: Path, pool: Path | None, say: LogFn) -> None:
        stages = tuple(dataclasses.replace(s, seed=recipe.seed) for s in recipe.stages)
        self.recipe = dataclasses.replace(recipe, stages=stages)
        self.root, self.say = root, say
        self.pool_folder = pool or root / "pool"
        if is_main_process():
            root.mkdir(parents=True, exist_ok=True)
            self._note_recipe()
        config, self.processor = texts.make_processor(recipe.preset)
        self.config = config
        self.jobs = TrainingJobs(self.recipe, root, config, self.processor)

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
                changed = [k for k in stage if _differ(was, stage, k) and k not in free]
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

    def render(self, names: Sequence[str]) -> None:
        """Renders the scenes that are missing, if a stage takes any from the fixed pool."""
        if all(self._renews(self.recipe.stage(name)) for name in names):
            return
        wanted = self.recipe.scenes
        if not is_main_process():
            wait_until(lambda: len(Pool(self.pool_folder)) >= wanted)
            return
        self.say(f"pool of {wanted} scenes in {self.pool_folder}")
        shards = render_pool(
            self.pool_folder,
            "train",
            self.recipe.seed,
            wanted,
            clip_size=self.config.clip_size,
            hr_size=self.config.image_size,
        )
        for shard in shards:
            self.say(f"  {min((shard + 1) * SHARD, wanted)} of {wanted} scenes rendered")

    def _previous(self, stage: StageConfig) -> Path:
        """The model that a caption stage starts from: the whole model before it."""
        order = [ASSEMBLED, *(s.name for s in self.recipe.stages if s.objective == "captions")]
        if stage.objective == "captions":
            return self.root / order[order.index(stage.name) - 1]
        return self.root / order[-1]

    def _model(self, folder: Path) -> FineCaptionForConditionalGeneration:
        if folder.name == ASSEMBLED and not folder.exists():
            if is_main_process():
                self.assemble()
            wait_until(folder.exists)
        if not folder.exists():
            raise InputError(f"{folder} is missing: run {folder.name} first")
        return read_weights(folder)

    def assemble(self) -> None:
        """Puts stage 0's parts together as OUT/stage0."""
        set_seed(self.recipe.seed)
        model = self.jobs.assemble()
        notes: list[dict[str, Any]] = []
        for s in self.recipe.stages:
            if s.objective != "captions" and not fits_decoder(s):
                notes += read_provenance(self.root / s.name)
        write_model(self.root / ASSEMBLED, model.save_pretrained, self.processor, notes)

    def stage(self, name: str) -> None:
        """Runs one stage, unless it is done; from its last checkpoint if it was interrupted."""
        stage = self.recipe.stage(name)
        folder, work = self.root / name, self.root / "work" / name
        if (folder / "provenance.json").exists():
            self.say(f"{name}: done before")
            return
        set_seed(self.recipe.seed)
        trains = ", ".join(stage.trains) or "the click decoder"
        self.say(f"{name}: {stage.steps} steps of {stage.batch}; trains {trains}")
        source = self._previous(stage)
        job = self._job(stage, source)
        snapshots = [Snapshot(folder / STATE)] if _goes_on(stage) else []
        with job.beside if is_main_process() else contextlib.nullcontext():
            fitted = fit(
                stage,
                job.model,
                job.feed,
                job.objective,
                work,
                prepare=job.prepare,
                callbacks=snapshots,
            )
        if is_main_process():
            self._finish(stage, fitted.module, source, {**fitted.note, "world": WORLD_VERSION})
            shutil.rmtree(work / "checkpoints", ignore_errors=True)
        barrier()

    def _job(self, stage: StageConfig, source: Path) -> TrainingJob:
        if stage.objective == "captions":
            model = self._model(source)
            return self.jobs.captions(stage, self.open_pool(), model, source)
        if fits_decoder(stage):
            model = self._model(source)
            return self.jobs.decoder(stage, self.open_pool(), model)
        return self.jobs.pretraining(stage, self.open_pool)

    def open_pool(self) -> Pool:
        """The fixed pool of scenes."""
        return Pool(self.pool_folder, self.recipe.scenes)

    @staticmethod
    def _renews(stage: StageConfig) -> bool:
        """Whether a stage renders scenes of its own while it runs."""
        return isinstance(stage.options, SceneCrops) and stage.options.crop > 0

    def _finish(
        self, stage: StageConfig, module: torch.nn.Module, source: Path, note: dict[str, Any]
    ) -> None:
        """Writes what a stage has made."""
        folder = self.root / stage.name
        if stage.objective == "captions":
            model: Any = module.captioner if isinstance(module, JointTraining) else module

            def write(place: Path) -> None:
                model.save_pretrained(place)
                if isinstance(module, JointTraining):
                    save_state(module.heads, place / HEADS_STATE)

            write_model(folder, write, self.processor, [*read_provenance(source), note])
            return
        folder.mkdir(parents=True, exist_ok=True)
        save_state(module, folder / STATE)
        if fits_decoder(stage):
            assert isinstance(module, ClickPretraining)
            save_segmenter(module.decoder, source)
            _write_json([*read_provenance(source), note], source / "provenance.json")
        _write_json([note], folder / "provenance.json")


def _differ(was: dict[str, Any], stage: dict[str, Any], key: str) -> bool:
    """Whether a field decides what the stage computes and has changed.

    A recipe.json of before StageConfig ("kind") lacks fields, and holds options beside the others.
    """
    if key in HARMLESS or ("kind" in was and (key not in was or key == "options")):
        return False
    return bool(was.get(key) != stage[key])


def _goes_on(stage: StageConfig) -> bool:
    """Whether a stage may go on for ever, and others begin from where it stands."""
    return stage.schedule == CONSTANT and stage.objective != "captions"


class Snapshot(TrainerCallback):
    """Writes the module's state at each checkpoint, so that other stages can begin from it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Writes, in the first process."""
        if state.is_world_process_zero:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_state(kwargs["model"], self.path)


def _write_json(value: Any, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(json.dumps(value, indent=1) + "\n")
    temporary.replace(path)


def train_from_scratch(
    recipe: Recipe,
    out: Path,
    *,
    pool: Path | None = None,
    only: Sequence[str] = (),
    say: LogFn = print,
) -> Path:
    """Trains a recipe, or the named stages of it.

    Args:
        out: folder of the run; finished stages in it are not run again.
        pool: folder of rendered scenes (default OUT/pool); several runs can share one.
        only: stage names; all if empty.

    Returns:
        The folder of the last whole model.

    Raises:
        InputError: unknown stage, one whose forerunner has not been run, or a run that is under
            way in the folder.
    """
    names = [recipe.stage(name).name for name in only] or [s.name for s in recipe.stages]
    run = ScratchRun(recipe, out, pool, say)
    last = out / [s.name for s in recipe.stages if s.objective == "captions"][-1]
    if not is_main_process():
        return _all(run, names, last)
    with locked(out):
        return _all(run, names, last)


def _all(run: ScratchRun, names: Sequence[str], last: Path) -> Path:
    run.render(names)
    for name in names:
        run.stage(name)
    return last
