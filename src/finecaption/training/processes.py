"""The processes that train together, as torchrun starts them."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable

import torch

from finecaption.errors import FineCaptionError, InputError
from finecaption.training.config import StageConfig


class WorldError(FineCaptionError):
    """The processes are not what was asked for."""


def world_size() -> int:
    """How many processes train together; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this process."""
    return int(os.environ.get("RANK", "0"))


def is_main_process() -> bool:
    """Whether this process is the one that writes."""
    return rank() == 0


def local_device() -> torch.device:
    """The device of this process."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def barrier() -> None:
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


def check_world(stage: StageConfig) -> int:
    """How many processes train, after making sure that it is what was meant.

    Raises:
        WorldError: another number than ``expected_world_size``; FSDP2 in one process; several GPUs
            in one.
    """
    world, wanted = world_size(), stage.expected_world_size
    if wanted and world != wanted:
        raise WorldError(
            f"expected_world_size={wanted}, but this is one of {world} processes (WORLD_SIZE): "
            f"start with torchrun --nproc_per_node {wanted} -m finecaption train ..."
        )
    if stage.sharding == "fsdp2" and world == 1:
        raise WorldError(
            "sharding=fsdp2 in one process would shard nothing: start with torchrun "
            "--nproc_per_node N -m finecaption train ..., or set sharding=none"
        )
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if world == 1 and seen > 1:
        raise WorldError(
            f"one process sees {seen} GPUs: start with torchrun --nproc_per_node {seen} "
            "-m finecaption train ..., or let it see one with CUDA_VISIBLE_DEVICES=0"
        )
    return world


def hardware() -> str:
    """The machine in words, for provenance."""
    if torch.cuda.is_available():
        return f"{world_size()} x {torch.cuda.get_device_name()}"
    threads = torch.get_num_threads()
    return f"{os.cpu_count()} CPU cores ({platform.machine()}): {world_size()} x {threads} threads"
