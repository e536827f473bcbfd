"""FSDP2: parameters, gradients and optimizer sharded over the processes, for the full 8B.

Trainer's own FSDP does not shard on a CPU and does not say so, hence this strategy: the model comes
to Trainer sharded, and Trainer leaves it as it is. Nothing is taken on trust: every parameter must
be a DTensor, split over all processes, and the local pieces must add up. What comes out is a plain
safetensors folder.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
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
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from finecaption.errors import InputError
from finecaption.io.checkpoint import check_index
from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.training.config import StageConfig
from finecaption.training.fit import set_trainable
from finecaption.training.models import checkpoint_layers
from finecaption.training.objectives import Objective
from finecaption.training.processes import WorldError, is_main_process
from finecaption.training.strategies import Strategy, computes_in_bf16


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
        WorldError: one is not, by name; or the pieces do not add up.
    """
    here = whole = 0
    for name, parameter in model.named_parameters():
        if not isinstance(parameter, DTensor):
            raise WorldError(f"{name} is a plain {type(parameter).__name__}: it is not sharded")
        if parameter.device_mesh.size() != world or parameter.placements != (Shard(0),):
            raise WorldError(
                f"{name} lies as {parameter.placements} on {parameter.device_mesh.size()} "
                f"processes, not split over {world}"
            )
        local, total = parameter.to_local().numel(), parameter.numel()
        if local > math.ceil(parameter.shape[0] / world) * (total // parameter.shape[0]):
            raise WorldError(f"{name}: {local} of its {total} elements are here, more than a share")
        here, whole = here + local, whole + total
    added = torch.tensor(here, device=next(model.parameters()).device)
    dist.all_reduce(added)
    if int(added) != whole:
        raise WorldError(f"the pieces have {int(added)} elements, the model {whole}")
    return here, whole


def _tensors(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name, file) of every tensor of a model folder, sharded or not."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        check_index(folder)
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
    folder: Path, stage: StageConfig, objective: Objective
) -> tuple[FineCaptionForConditionalGeneration, str]:
    """A folder's model, sharded; no process ever holds more than its share and one tensor.

    Parameters are fp32; buffers (rotary frequencies, positions) are not sharded.

    Raises:
        InputError: the folder lacks a parameter.
    """
    from accelerate import init_empty_weights  # type: ignore[import-untyped] # has no types

    mesh = connect()
    with init_empty_weights(include_buffers=False):
        model = FineCaptionForConditionalGeneration(
            FineCaptionConfig.from_pretrained(folder, local_files_only=True)
        )
    # towers made by Auto classes take the type that config.json names; FSDP2 wants one for all
    model.to(torch.float32)
    model.tie_weights()
    owners: dict[int, list[tuple[nn.Module, str]]] = {}  # tied parameters have several
    for module in model.modules():
        for key, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            owners.setdefault(id(parameter), []).append((module, key))
    tied = [places for places in owners.values() if len(places) > 1]
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    set_trainable(model, stage, objective)
    if stage.gradient_checkpointing:
        checkpoint_layers(model)
    shard(model, mesh, computes_in_bf16(stage))
    model.to_empty(device=mesh.device_type)
    for (module, key), *others in tied:
        for other, name in others:
            setattr(other, name, getattr(module, key))
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])
        _fill(model, folder, mesh)
    here, whole = assert_sharded(model, mesh.size())
    told = f"FSDP2: {here:,} of {whole:,} parameters in each of {mesh.size()} processes"
    return model, told


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


_TRAINABLE = StateDictOptions(ignore_frozen_params=True, strict=False)
_WEIGHTS, _OPTIMIZER = "sharded-weights", "sharded-optimizer"  # folders of a checkpoint


class Fsdp2(Strategy):
    """Each process holds its pieces of everything; layers are gathered one at a time."""

    freezes = False  # before it is sharded, see load_sharded
    places_model = False
    autocasts = False  # FSDP2's own mixed precision
    decodes_alone = False  # the others hold pieces of every layer

    def adopt(self, accelerator: Any) -> None:
        """Keeps Trainer from wrapping the model in DDP."""
        prepare = accelerator.prepare_model

        def as_it_is(model: nn.Module, **_: Any) -> Any:
            return prepare(model, device_placement=False, evaluation_mode=True)

        accelerator.prepare_model = as_it_is

    def whole(self, norm: torch.Tensor) -> torch.Tensor:
        """A sharded norm, added up."""
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    def settle(self, module: nn.Module) -> None:
        """Lets go of the outermost parameters, which a forward without its backward leaves here."""
        for layer in module.modules():
            if isinstance(layer, FSDPModule):
                layer.reshard()

    def gather(self, model: Any, bf16: bool) -> Any:
        """The whole model on the CPU, in the first process; None in the others.

        Raises:
            WorldError: the model is not sharded any more.
        """
        assert_sharded(model, dist.get_world_size())
        state = get_model_state_dict(
            model, options=StateDictOptions(full_state_dict=True, cpu_offload=True)
        )
        if not is_main_process():
            return None
        dtype = torch.bfloat16 if bf16 else torch.float32
        with torch.device("meta"):
            plain = FineCaptionForConditionalGeneration(model.config)
        plain.tie_weights()
        # Gathered, tied weights are two tensors: only the first name is kept, as ever.
        once = {n for n, _ in plain.named_parameters()} | {n for n, _ in plain.named_buffers()}
        kept = {name: value.to(dtype) for name, value in state.items() if name in once}
        return Gathered(plain.to(dtype), kept)

    def save_weights(self, module: nn.Module, folder: Path) -> None:
        """Each process writes its own pieces."""
        weights = get_model_state_dict(module, options=_TRAINABLE)
        dcp.save(weights, checkpoint_id=str(folder / _WEIGHTS))

    def load_weights(self, module: nn.Module, folder: Path) -> None:
        """Each process reads its own pieces.

        Raises:
            InputError: the checkpoint was not sharded.
        """
        if not (folder / _WEIGHTS).is_dir():
            raise InputError(f"{folder} is of a run without sharding; delete {folder.parent}")
        weights = get_model_state_dict(module, options=_TRAINABLE)
        dcp.load(weights, checkpoint_id=str(folder / _WEIGHTS))
        set_model_state_dict(module, weights, options=_TRAINABLE)

    def save_optimizer(self, module: nn.Module, optimizer: Any, folder: Path) -> bool:
        """As `save_weights`."""
        moments = get_optimizer_state_dict(module, _inner(optimizer), options=_TRAINABLE)
        dcp.save(moments, checkpoint_id=str(folder / _OPTIMIZER))
        return True

    def load_optimizer(self, module: nn.Module, optimizer: Any, folder: Path) -> bool:
        """As `load_weights`."""
        plain = _inner(optimizer)
        moments = get_optimizer_state_dict(module, plain, options=_TRAINABLE)
        dcp.load(moments, checkpoint_id=str(folder / _OPTIMIZER))
        set_optimizer_state_dict(module, plain, moments, options=_TRAINABLE)
        return True


def _inner(optimizer: Any) -> torch.optim.Optimizer:
    """What accelerate has wrapped."""
    found: torch.optim.Optimizer = getattr(optimizer, "optimizer", optimizer)
    return found


class Gathered:
    """A model that is only good for being written."""

    def __init__(
        self, empty: FineCaptionForConditionalGeneration, state: dict[str, torch.Tensor]
    ) -> None:
        """
        Args:
            empty: on the meta device.
            state: its tensors, on the CPU.
        """
        self.empty, self.state = empty, state

    def save_pretrained(self, folder: Path) -> None:
        """Writes plain safetensors that `from_pretrained` reads."""
        self.empty.save_pretrained(folder, state_dict=self.state)
