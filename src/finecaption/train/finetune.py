"""Runs one stage of the paper's recipe on a whole model: Trainer, on one card or with DDP.

Layout of the folder::

    OUT/config.json     the whole config, the model it began with, the data
    OUT/work/           checkpoints (what moves, its optimiser) and the reporters' logs
    OUT/moved.safetensors   of an adapter run: what it has changed
    OUT/model/          the finished model with processor and provenance.json

With ``sharding=fsdp2`` the loop is that of `finecaption.train.sharded`; data, optimiser groups,
schedule and folder are the same.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from finecaption.errors import FineCaptionError, InputError
from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.parts import part_of, unused_by_captions
from finecaption.model.processing import FineCaptionProcessor
from finecaption.model.quantisation import check_sizes, keep_gradients, nf4_settings
from finecaption.synth import WORLD_VERSION
from finecaption.train import lora
from finecaption.train.console import ConsoleCallback
from finecaption.train.curve import CurveCallback
from finecaption.train.features import FeatureCache, towers_key
from finecaption.train.monitor import CaptionMonitor
from finecaption.train.paper import HARMLESS, TrainConfig, override
from finecaption.train.run import hardware, is_first, meet
from finecaption.train.samples import Encoder, Packs, first, make_units, mix_whole, picture_key
from finecaption.train.trainer import Clock, StageTrainer, last_checkpoint, processes
from finecaption.types import RegionSample

Say = Callable[[str], None]
_WEIGHTS = "model.safetensors"  # the name under which Trainer looks for a checkpoint's weights


class World(FineCaptionError):
    """The processes are not what was asked for."""


def check_world(config: TrainConfig) -> int:
    """How many processes train, after making sure that it is what was meant.

    Raises:
        World: another number than ``config.world``; FSDP2 in one process; several GPUs in one.
    """
    world = processes()
    if config.world and world != config.world:
        raise World(
            f"world={config.world}, but this is one of {world} processes (WORLD_SIZE): start with "
            f"torchrun --nproc_per_node {config.world} -m finecaption train ..."
        )
    if config.sharding == "fsdp2" and world == 1:
        raise World(
            "sharding=fsdp2 in one process would shard nothing: start with torchrun "
            "--nproc_per_node N -m finecaption train ..., or set sharding=none"
        )
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if world == 1 and seen > 1:
        raise World(
            f"one process sees {seen} GPUs: start with torchrun --nproc_per_node {seen} "
            "-m finecaption train ..., or let it see one with CUDA_VISIBLE_DEVICES=0"
        )
    return world


def in_bf16(config: TrainConfig) -> bool:
    """Whether a run computes in bf16 here."""
    return config.precision == "bf16" or (config.precision == "auto" and torch.cuda.is_available())


def moves(name: str, config: TrainConfig, idle: frozenset[str]) -> bool:
    """Whether a parameter moves in a stage."""
    part = part_of(name)
    if part not in config.trains or name.replace(".base_layer.", ".") in idle:
        return False
    return part not in config.lora_parts or lora.is_lora(name)


def set_moving(model: nn.Module, config: TrainConfig) -> list[str]:
    """Freezes everything else; the names of the parameters that move.

    Raises:
        InputError: nothing would move.
    """
    idle = frozenset(unused_by_captions(model))
    moving = []
    for name, parameter in model.named_parameters():
        wanted = moves(name, config, idle)
        parameter.requires_grad_(wanted)
        if wanted:
            moving.append(name)
    if not moving:
        raise InputError(f"trains={list(config.trains)}: this model has no such part")
    return moving


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """What moves, a group a part, each with its learning rate."""
    groups: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(part_of(name), []).append(parameter)
    return [
        {"params": found, "lr": config.lr * config.rates.get(part, 1.0)}
        for part, found in groups.items()
    ]


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW on what moves."""
    return torch.optim.AdamW(
        parameter_groups(model, config), lr=config.lr,
        betas=(config.betas[0], config.betas[1]), weight_decay=config.weight_decay,
    )  # fmt: skip


def load_model(folder: str | Path, config: TrainConfig) -> FineCaptionForConditionalGeneration:
    """The model of a folder, as a stage needs it: adapters in, frozen parts frozen, types set.

    Raises:
        InputError: no such folder, a package is missing, or QLoRA on a model that NF4 cannot hold.
    """
    if not (Path(folder) / "config.json").is_file():
        raise InputError(f"--model {folder}: no config.json there; give a model folder")
    dtype = torch.bfloat16 if in_bf16(config) else torch.float32
    extra: dict[str, Any] = {}
    if config.adapter == "qlora":
        check_sizes("nf4", FineCaptionConfig.from_pretrained(folder))
        extra["quantization_config"] = nf4_settings(dtype)
    model = FineCaptionForConditionalGeneration.from_pretrained(folder, dtype=dtype, **extra)
    keep_gradients(model)
    if config.adapter != "none":
        lora.add_adapters(model, config)
    set_moving(model, config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if config.gradient_checkpointing:
        checkpoint_layers(model)
    return model


def checkpoint_layers(model: nn.Module) -> None:
    """Each layer of towers and language model keeps its input only, and runs again backwards."""
    # transformers renamed it in 5.2x; before, the new name is not there.
    enable: Any = getattr(model, "activation_checkpointing_enable", None)
    enable = enable or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


class FineTuner(StageTrainer):
    """Trainer whose checkpoints hold what moves, and that takes nothing on trust."""

    def __init__(self, *args: Any, config: TrainConfig, **kwargs: Any) -> None:
        # A config has what StageTrainer asks of a stage: name and rates.
        super().__init__(*args, stage=config, part_of=part_of, **kwargs)  # type: ignore[arg-type] # see above
        self.config = config

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """See `make_optimizer`."""
        if self.optimizer is None:
            self.optimizer = make_optimizer(self.model, self.config)
        return self.optimizer

    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None
    ) -> None:
        # What is frozen lies in the folder that the run began with: 150 MB instead of 19 GB.
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        model = self.accelerator.unwrap_model(self.model)
        save_file(moved_state(model), folder / _WEIGHTS)

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        model = model or self.model
        state = load_file(Path(resume_from_checkpoint) / _WEIGHTS)
        missing = sorted(set(moved_state(model)) - set(state))
        if missing:
            raise InputError(
                f"{resume_from_checkpoint} is of another run: it lacks {missing[0]} and "
                f"{len(missing) - 1} more; delete {self.args.output_dir} to begin anew"
            )
        lora.load_moved(model, state)


def moved_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters that move, by name, once each."""
    return {
        name: p.detach().cpu().contiguous()
        for name, p in model.named_parameters()
        if p.requires_grad
    }


class WorldWatch(TrainerCallback):
    """Makes sure, at the first step, that the processes are connected."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Raises World where torchrun's processes would train apart."""
        world = processes()
        if args.world_size != world or args.n_gpu > 1:
            raise World(
                f"{world} processes were started, but Trainer sees {args.world_size} with "
                f"{args.n_gpu} GPUs each: start with torchrun"
            )
        joined = torch.distributed.is_available() and torch.distributed.is_initialized()
        if world > 1 and (not joined or torch.distributed.get_world_size() != world):
            raise World(f"{world} processes were started, but they are not connected")


@dataclasses.dataclass
class Prepared:
    """What a stage trains on what."""

    model: FineCaptionForConditionalGeneration
    processor: FineCaptionProcessor
    packs: Packs
    shown: list[RegionSample]


def prepare(
    config: TrainConfig, model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor, samples: Sequence[RegionSample], world: int, say: Say,
) -> Prepared:  # fmt: skip
    """Packs the data for a model, with its features on disk if the config has a cache.

    Raises:
        InputError: see `make_units`, `mix_whole`.
    """
    longest = getattr(model.config.text_config, "max_position_embeddings", config.tokens)
    units = make_units(samples, processor, min(config.tokens, longest), config.shared)
    units = mix_whole(units, samples, config.whole)
    features = None
    if config.cache:
        features = FeatureCache(config.cache, towers_key(model))
        one_each = {picture_key(s): s for s in samples}.values()
        if torch.cuda.is_available():
            model.to(torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))))
        rank = int(os.environ.get("RANK", "0"))
        features.fill(model, processor, one_each, rank, world, say)
    packs = Packs(
        units, Encoder(samples, processor, features), seed=config.seed, tokens=config.tokens,
        pictures=config.pictures, batch=config.batch, by_length=config.group_by_length,
        epochs=config.epochs, steps=config.steps, accumulate=config.accumulate, world=world,
    )  # fmt: skip
    say(
        f"{len(samples)} questions in {len(units)} pictures; {packs.steps} steps of {packs.micro} "
        f"packs, {packs.questions:.1f} questions a step on average"
    )
    return Prepared(model, processor, packs, choose_shown(samples, config.show))


def choose_shown(samples: Sequence[RegionSample], most: int) -> list[RegionSample]:
    """Samples of different pictures, spread over the data."""
    one_each = list({picture_key(s): s for s in samples}.values())
    stride = max(1, len(one_each) // max(1, most))
    return one_each[::stride][:most]


def arguments(config: TrainConfig, packs: Packs, work: Path) -> TrainingArguments:
    """Trainer's settings for a config."""
    cuda = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(work / "checkpoints"),
        max_steps=packs.steps,
        per_device_train_batch_size=1,  # a pack
        gradient_accumulation_steps=packs.accumulate,
        average_tokens_across_devices=True,
        learning_rate=config.lr,
        lr_scheduler_type=config.schedule,
        warmup_steps=max(1, round(config.warmup * packs.steps)),
        max_grad_norm=config.max_grad_norm,
        bf16=in_bf16(config),
        use_cpu=not cuda,
        ddp_find_unused_parameters=False,
        logging_steps=config.log_every,
        logging_first_step=True,
        save_steps=config.save_every,
        save_total_limit=config.keep,
        seed=config.seed,
        dataloader_num_workers=config.workers,
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,
        report_to=list(config.report_to),
        disable_tqdm=True,  # ConsoleCallback instead
    )


def _same_run(config: TrainConfig, model: Path, data: Sequence[str], out: Path) -> None:
    """Writes OUT/config.json, or makes sure that it is of this run."""
    told = {"config": dataclasses.asdict(config), "model": str(model), "data": list(data)}
    path = out / "config.json"
    if path.exists():
        known = json.loads(path.read_text())
        now = json.loads(json.dumps(told))
        old = {k: v for k, v in known["config"].items() if k not in HARMLESS}
        new = {k: v for k, v in now["config"].items() if k not in HARMLESS}
        changed = sorted(k for k in {*old, *new} if old.get(k) != new.get(k))
        changed += [k for k in ("model", "data") if known[k] != now[k]]
        if changed:
            raise InputError(
                f"{out} holds another run: {', '.join(changed)} differ from {path}; give another "
                "--out, or delete it"
            )
    if is_first():
        out.mkdir(parents=True, exist_ok=True)
        # In one go, because the other processes look for it.
        temporary = path.with_name(f".{path.name}.part")
        temporary.write_text(json.dumps(told, indent=1) + "\n")
        temporary.replace(path)


def finetune(
    config: TrainConfig, model: str | Path, data: Sequence[str], out: str | Path, *,
    samples: Sequence[RegionSample] | None = None, say: Say = print,
    callbacks: Iterable[TrainerCallback] = (),
) -> Path:  # fmt: skip
    """Trains one stage, going on from OUT's last checkpoint if there is one.

    Args:
        model: folder of the model to begin with.
        data: see `samples.read_data`.
        samples: instead of reading ``data``.
        callbacks: transformers' own kind, beside those of the run.

    Returns:
        The folder of the finished model; of an adapter run without ``merge``, OUT.

    Raises:
        InputError: unusable config, model or data; OUT holds another run.
        World: the processes are not what the config says.
    """
    from finecaption.train.samples import read_data

    out, base = Path(out), Path(model)
    world = check_world(config)
    result = out / "model" if config.adapter == "none" or config.merge else out
    if (out / "provenance.json").exists():
        say(f"{out}: done before")
        return result
    _same_run(config, base, data, out)
    set_seed(config.seed)
    found = list(samples) if samples is not None else read_data(data, config.limit)
    processor = FineCaptionProcessor.from_pretrained(base)
    if config.sharding == "fsdp2":
        from finecaption.train.sharded import train_sharded

        note = train_sharded(config, base, processor, found, out, say)
    else:
        ready = prepare(config, load_model(base, config), processor, found, world, say)
        note = _train(config, ready, out, callbacks)
        meet()
        if is_first():
            _write(config, base, ready, out)
    if is_first():
        _note(config, base, data, out, result, note)
        shutil.rmtree(out / "work" / "checkpoints", ignore_errors=True)
    meet()
    return result


def _train(
    config: TrainConfig, ready: Prepared, out: Path, callbacks: Iterable[TrainerCallback]
) -> dict[str, Any]:
    work = out / "work"
    if is_first():
        (work / "log").mkdir(parents=True, exist_ok=True)
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(work / "log")
    trainer = FineTuner(
        model=ready.model, args=arguments(config, ready.packs, work), train_dataset=ready.packs,
        data_collator=first, config=config,
    )  # fmt: skip
    console, clock = ConsoleCallback(f"stage {config.stage}"), Clock(work / "seconds.json")
    trainer.remove_callback(PrinterCallback)
    curve = CurveCallback(work / "log.jsonl")
    for callback in (WorldWatch(), clock, console, curve, *callbacks):
        trainer.add_callback(callback)
    if config.show and config.show_every:
        trainer.add_callback(
            CaptionMonitor(ready.shown, ready.processor, config.show_every, work / "log")
        )
    try:
        metrics = trainer.train(resume_from_checkpoint=last_checkpoint(work / "checkpoints"))
    finally:
        console.close()
    return {
        "steps": ready.packs.steps, "packs_a_step": ready.packs.micro,
        "questions_a_step": round(ready.packs.questions, 1), "seconds": clock.seconds(),
        "train_loss": metrics.metrics.get("train_loss"),
    }  # fmt: skip


def _write(config: TrainConfig, base: Path, ready: Prepared, out: Path) -> None:
    """The finished model, by way of a temporary name."""
    model = ready.model
    target, temporary = out / "model", out / ".model.part"
    shutil.rmtree(temporary, ignore_errors=True)
    if config.adapter != "none":
        save_file(moved_state(model), out / lora.MOVED)
        if not config.merge:
            return
        lora.merge(base, out / lora.MOVED, config, temporary)
    else:
        if in_bf16(config):
            model.to(torch.bfloat16)
        model.save_pretrained(temporary)
    finish_folder(ready.processor, temporary, target)


def finish_folder(processor: FineCaptionProcessor, temporary: Path, target: Path) -> None:
    """Adds the processor and gives a model folder its name."""
    processor.save_pretrained(temporary)
    shutil.rmtree(target, ignore_errors=True)  # of a run that was cut short after this
    temporary.rename(target)


def _is_drawn(data: str) -> bool:
    """Whether data is a folder of the drawn world; its reader refuses other versions."""
    return all((Path(data) / name).is_file() for name in ("annotations.jsonl", "index.json"))


def _note(
    config: TrainConfig, base: Path, data: Sequence[str], out: Path, result: Path,
    note: dict[str, Any],
) -> None:  # fmt: skip
    """provenance.json: of OUT, and in the model's folder that of all stages that led to it."""
    told = {
        "stage": f"stage{config.stage}", "recipe": config.name, "seed": config.seed,
        "trains": list(config.trains), "lr": config.lr, "data": list(data),
        **({"world": WORLD_VERSION} if any(map(_is_drawn, data)) else {}), **note,
        "hardware": hardware(), "processes": processes(), "torch": torch.__version__,
        "transformers": transformers.__version__, "finished": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    if result != out:
        before = base / "provenance.json"
        history = json.loads(before.read_text()) if before.exists() else []
        whole = [*history, told] if isinstance(history, list) else [history, told]
        (result / "provenance.json").write_text(json.dumps(whole, indent=1) + "\n")
    (out / "provenance.json").write_text(json.dumps(told, indent=1) + "\n")


def configure(
    recipe: Callable[[int], TrainConfig], stage: int, *changes: dict[str, Any]
) -> TrainConfig:
    """A recipe's config of a stage with changes, the later ones last."""
    config = recipe(stage)
    for change in changes:
        config = override(config, change)
    return config
