"""FSDP2: parameters, gradients and optimiser shared among the processes, for the full 8B.

Trainer's own FSDP does not shard on a CPU and does not say so, hence this loop; its data, groups
and schedule are those of `finetune`. Nothing is taken on trust: every parameter must be a DTensor,
split over all processes, and the local pieces must add up. What comes out is a plain safetensors
folder. A run that is interrupted goes on from its last checkpoint and ends bit-equal to one that
was not.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from safetensors import safe_open
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from torch.utils.data import DataLoader, Subset

from finecaption.errors import FineCaptionError, InputError
from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.processing import FineCaptionProcessor
from finecaption.train.console import spell_time
from finecaption.train.curve import Curve
from finecaption.train.finetune import (
    World,
    checkpoint_layers,
    finish_folder,
    in_bf16,
    make_optimizer,
    prepare,
    set_moving,
)
from finecaption.train.monitor import Board, greedy
from finecaption.train.paper import TrainConfig
from finecaption.train.run import is_first
from finecaption.train.samples import Batch, Packs, first
from finecaption.types import RegionSample

Say = Callable[[str], None]


def connect() -> DeviceMesh:
    """The processes of torchrun as a mesh of one dimension: NCCL on GPUs, gloo on CPUs."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        kind, backend = "cuda", "cpu:gloo,cuda:nccl"
    else:
        kind, backend = "cpu", "gloo"
    if not dist.is_initialized():
        dist.init_process_group(backend)
    return init_device_mesh(kind, (dist.get_world_size(),), mesh_dim_names=("shard",))


def blocks(model: nn.Module) -> list[nn.Module]:
    """The layers that are gathered one at a time: what transformers never splits, in its stacks.

    Embeddings, which it does not split either, are no stack's: they go with the rest, because the
    model reaches into them from outside. Of layers within layers, the inner ones count: ConvNeXt's
    stages are reached into, too.
    """
    names: set[str] = set()
    for module in model.modules():
        names |= set(getattr(module, "_no_split_modules", None) or ())
    found = {
        id(layer): layer
        for stack in model.modules()
        if isinstance(stack, nn.ModuleList)
        for layer in stack
        if type(layer).__name__ in names
    }
    outer = {
        id(layer)
        for layer in found.values()
        if any(id(inner) in found for inner in layer.modules() if inner is not layer)
    }
    return [layer for key, layer in found.items() if key not in outer]


def shard(model: nn.Module, mesh: DeviceMesh, bf16: bool) -> None:
    """Shards a model in place: each layer on its own, and the rest together.

    Args:
        bf16: compute in bf16, on fp32 parameters, gradients added up in fp32.
    """
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if bf16 else None,
        reduce_dtype=torch.float32 if bf16 else None,
    )
    for layer in blocks(model):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def assert_sharded(model: nn.Module, world: int) -> tuple[int, int]:
    """Makes sure that every parameter is split over all processes.

    Returns:
        Numbers of elements held here, and in all.

    Raises:
        World: one is not, by name; or the pieces do not add up.
    """
    here = whole = 0
    for name, parameter in model.named_parameters():
        if not isinstance(parameter, DTensor):
            raise World(f"{name} is a plain {type(parameter).__name__}: it is not sharded")
        if parameter.device_mesh.size() != world or parameter.placements != (Shard(0),):
            raise World(
                f"{name} lies as {parameter.placements} on {parameter.device_mesh.size()} "
                f"processes, not split over {world}"
            )
        local, total = parameter.to_local().numel(), parameter.numel()
        if local > math.ceil(parameter.shape[0] / world) * (total // parameter.shape[0]):
            raise World(f"{name}: {local} of its {total} elements are here, more than a share")
        here, whole = here + local, whole + total
    added = torch.tensor(here, device=next(model.parameters()).device)
    dist.all_reduce(added)
    if int(added) != whole:
        raise World(f"the pieces have {int(added)} elements, the model {whole}")
    return here, whole


def _tensors(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name, file) of every tensor of a model folder, sharded or not."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        for name, file in json.loads(index.read_text())["weight_map"].items():
            yield name, folder / file
        return
    path = folder / "model.safetensors"
    if not path.exists():
        raise InputError(f"--model {folder}: has no model.safetensors; give a model folder")
    with safe_open(path, "pt") as file:
        names = list(file.keys())
    for name in names:
        yield name, path


def load_sharded(
    folder: str | Path, config: TrainConfig, mesh: DeviceMesh
) -> FineCaptionForConditionalGeneration:
    """A folder's model, sharded; no process ever holds more than its share and one tensor.

    Parameters are fp32; buffers (rotary frequencies, positions) are not sharded.

    Raises:
        InputError: the folder lacks a parameter.
    """
    from accelerate import init_empty_weights  # type: ignore[import-untyped] # has no types

    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise InputError(f"--model {folder}: no config.json there; give a model folder")
    with init_empty_weights(include_buffers=False):
        model = FineCaptionForConditionalGeneration(FineCaptionConfig.from_pretrained(folder))
    # towers made by Auto classes take the type that config.json names; FSDP2 wants one for all
    model.to(torch.float32)
    model.tie_weights()
    owners: dict[int, list[tuple[nn.Module, str]]] = {}  # tied parameters have several
    for module in model.modules():
        for key, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            owners.setdefault(id(parameter), []).append((module, key))
    tied = [places for places in owners.values() if len(places) > 1]
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    set_moving(model, config)
    if config.gradient_checkpointing:
        checkpoint_layers(model)
    shard(model, mesh, in_bf16(config))
    model.to_empty(device=mesh.device_type)
    for (module, key), *others in tied:
        for other, name in others:
            setattr(other, name, getattr(module, key))
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])
        _fill(model, folder, mesh)
    return model


def _fill(model: nn.Module, folder: Path, mesh: DeviceMesh) -> None:
    wanted: dict[str, list[str]] = {}
    names: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        wanted.setdefault(names.setdefault(id(parameter), name), []).append(name)
    first_of = {alias: name for name, aliases in wanted.items() for alias in aliases}
    parameters = dict(model.named_parameters())
    missing = set(parameters)
    for name, path in sorted(_tensors(folder)):
        if name not in first_of or first_of[name] not in missing:
            continue  # a buffer, or the second name of a tied tensor
        parameter = parameters[first_of[name]]
        with safe_open(path, "pt") as file:
            tensor = file.get_tensor(name)
        if tensor.shape != parameter.shape:
            raise InputError(f"{path}: {name} is {tuple(tensor.shape)}, not {parameter.shape}")
        piece = distribute_tensor(
            tensor.to(parameter.device, parameter.dtype), mesh, [Shard(0)], src_data_rank=None
        )
        parameter.copy_(piece)
        missing.discard(first_of[name])
    if missing:
        raise InputError(f"{folder} lacks {len(missing)} tensors, {sorted(missing)[0]} among them")


def rate(config: TrainConfig, step: int, steps: int) -> float:
    """Factor on the learning rate of a step (from 0), as transformers' schedules give it."""
    warmup = max(1, round(config.warmup * steps))
    if step < warmup:
        return step / warmup
    if config.schedule == "constant_with_warmup":
        return 1.0
    done = (step - warmup) / max(1, steps - warmup)
    if config.schedule == "linear":
        return 1 - done
    return 0.5 * (1 + math.cos(math.pi * done))


_STATE = StateDictOptions(ignore_frozen_params=True, strict=False)


def save_checkpoint(
    model: nn.Module, optimizer: torch.optim.Optimizer, folder: Path, step: int, keep: int
) -> None:
    """Writes what moves and its optimiser, each process its own pieces; older ones go."""
    target, temporary = folder / f"step-{step}", folder / f".step-{step}.part"
    if is_first():
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    dist.barrier()
    weights, moments = get_state_dict(model, optimizer, options=_STATE)
    dcp.save({"model": weights, "optimizer": moments}, checkpoint_id=str(temporary))
    dist.barrier()
    if is_first():
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
        for old in sorted(_steps(folder))[:-keep]:
            shutil.rmtree(folder / f"step-{old}")
    dist.barrier()


def _steps(folder: Path) -> list[int]:
    return [int(p.name.removeprefix("step-")) for p in folder.glob("step-*")]


def load_checkpoint(model: nn.Module, optimizer: torch.optim.Optimizer, folder: Path) -> int:
    """Goes back to the newest checkpoint; the step it is of, 0 where there is none."""
    found = _steps(folder)
    if not found:
        return 0
    step = max(found)
    weights, moments = get_state_dict(model, optimizer, options=_STATE)
    state = {"model": weights, "optimizer": moments}
    dcp.load(state, checkpoint_id=str(folder / f"step-{step}"))
    set_state_dict(
        model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"],
        options=_STATE,
    )  # fmt: skip
    return step


def save_plain(
    model: FineCaptionForConditionalGeneration, processor: FineCaptionProcessor, folder: Path,
    bf16: bool,
) -> None:  # fmt: skip
    """Writes the model as plain safetensors that `from_pretrained` reads, with its processor."""
    state = get_model_state_dict(
        model, options=StateDictOptions(full_state_dict=True, cpu_offload=True)
    )
    if is_first():
        dtype = torch.bfloat16 if bf16 else torch.float32
        temporary = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(temporary, ignore_errors=True)
        with torch.device("meta"):
            plain = FineCaptionForConditionalGeneration(model.config)
        plain.tie_weights()
        # Gathered, tied weights are two tensors: only the first name is written, as ever.
        once = {n for n, _ in plain.named_parameters()} | {n for n, _ in plain.named_buffers()}
        kept = {name: value.to(dtype) for name, value in state.items() if name in once}
        plain.to(dtype).save_pretrained(temporary, state_dict=kept)
        finish_folder(processor, temporary, folder)
    dist.barrier()


class Loop:
    """The training loop of one stage."""

    def __init__(
        self, model: FineCaptionForConditionalGeneration, config: TrainConfig, packs: Packs,
        work: Path, device: torch.device,
    ) -> None:  # fmt: skip
        self.model, self.config, self.packs, self.work = model, config, packs, work
        self.device = device
        self.optimizer = make_optimizer(model, config)
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self.checkpoints = work / "checkpoints"
        self.curve = Curve(work / "log.jsonl")

    def batches(self, start: int) -> Iterator[list[Batch]]:
        """This process's packs, a list a step, from a step on."""
        mine = range(start * self.packs.micro + self.rank, len(self.packs), self.world)
        loader = DataLoader(
            Subset(self.packs, mine), batch_size=1, collate_fn=first,
            num_workers=self.config.workers,
        )  # fmt: skip
        held: list[Batch] = []
        for batch in loader:
            held.append(batch)
            if len(held) == self.packs.accumulate:
                yield held
                held = []

    def step(self, number: int, batches: Sequence[Batch]) -> dict[str, float]:
        """One optimiser step; loss is the mean over the answer tokens of all processes."""
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * rate(self.config, number, self.packs.steps)
        counts = torch.tensor(
            float(sum(int((b["labels"][:, 1:] != -100).sum()) for b in batches)),
            device=self.device,
        )
        dist.all_reduce(counts)
        total = torch.zeros((), device=self.device)
        for batch in batches:
            moved = {
                k: v.to(self.device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()
            }
            loss = self.model(**moved, use_cache=False, num_items_in_batch=counts).loss
            # FSDP takes the mean over processes, and this is a share of a sum.
            (loss * self.world).backward()
            total += loss.detach()
        norm = nn.utils.clip_grad_norm_(
            [p for p in self.model.parameters() if p.requires_grad], self.config.max_grad_norm
        )
        self.optimizer.step()
        self.optimizer.zero_grad()
        dist.all_reduce(total)
        full = norm.full_tensor() if isinstance(norm, DTensor) else norm
        return {
            "loss": float(total), "grad_norm": float(full),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }  # fmt: skip

    def run(self, shown: Sequence[RegionSample], processor: FineCaptionProcessor, say: Say) -> None:
        """All steps that are left.

        Raises:
            FineCaptionError: the loss is no number.
        """
        start = load_checkpoint(self.model, self.optimizer, self.checkpoints)
        if is_first():
            self.curve.go_on(start)
        board = Board(self.work / "log", processor)
        began, config, steps = time.monotonic(), self.config, self.packs.steps
        losses: list[float] = []
        self.model.train()
        for number, batches in enumerate(self.batches(start), start):
            told = self.step(number, batches)
            losses.append(told["loss"])
            done = number + 1
            if not math.isfinite(told["loss"]):
                raise FineCaptionError(f"step {done}: the loss is {told['loss']}; lower lr")
            if done % config.log_every == 0 or done in (1, steps):
                told["loss"] = sum(losses) / len(losses)
                losses = []
                left = (time.monotonic() - began) / (done - start) * (steps - done)
                self._tell(done, told, spell_time(left), say)
            if (
                config.show
                and config.show_every
                and (done % config.show_every == 0 or done == steps)
            ):
                texts = [greedy(self.model, processor, s) for s in shown]
                # A forward without its backward leaves the outermost parameters gathered.
                for module in self.model.modules():
                    if isinstance(module, FSDPModule):
                        module.reshard()
                if is_first() and "tensorboard" in config.report_to:
                    board.write(shown, texts, done)
            if done % config.save_every == 0 and done < steps:
                save_checkpoint(self.model, self.optimizer, self.checkpoints, done, config.keep)

    def _tell(self, step: int, told: dict[str, float], left: str, say: Say) -> None:
        if not is_first():
            return
        self.curve.add(step, **told)
        say(
            f"stage {self.config.stage}  {step}/{self.packs.steps}  loss {told['loss']:.4f}  "
            f"lr {told['learning_rate']:.1e}  {left} left"
        )
        if "tensorboard" in self.config.report_to:
            from torch.utils.tensorboard import SummaryWriter

            with SummaryWriter(str(self.work / "log")) as writer:
                for key, value in told.items():
                    writer.add_scalar(f"train/{key}", value, step)


def train_sharded(
    config: TrainConfig, base: Path, processor: FineCaptionProcessor,
    samples: Sequence[RegionSample], out: Path, say: Say,
) -> dict[str, Any]:  # fmt: skip
    """One stage with FSDP2; see `finetune.finetune`, which calls it. Writes OUT/model.

    Raises:
        InputError: a reporter other than tensorboard, a cache, or unusable data.
        World: the parameters are not sharded.
    """
    foreign = set(config.report_to) - {"tensorboard", "none"}
    if foreign:
        raise InputError(f"report_to={sorted(foreign)}: FSDP2 runs report to tensorboard only")
    if config.cache:
        raise InputError("cache: fill it with sharding=none first; FSDP2 runs do not read it")
    mesh = connect()
    model = load_sharded(base, config, mesh)
    here, whole = assert_sharded(model, mesh.size())
    quiet: Say = say if is_first() else lambda text: None
    quiet(f"FSDP2: {here:,} of {whole:,} parameters in each of {mesh.size()} processes")
    ready = prepare(config, model, processor, samples, mesh.size(), quiet)
    device = next(model.parameters()).device
    began = time.monotonic()
    loop = Loop(model, config, ready.packs, out / "work", device)
    loop.run(ready.shown, processor, quiet)
    assert_sharded(model, mesh.size())
    save_plain(model, processor, out / "model", in_bf16(config))
    return {
        "steps": ready.packs.steps, "packs_a_step": ready.packs.micro,
        "questions_a_step": round(ready.packs.questions, 1), "sharding": "fsdp2",
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
