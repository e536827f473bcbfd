"""What the model will consist of: one entry a tensor, with shape and the way to read it.

Nothing is read here but names and shapes, so every mistake shows before a byte is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from finecaption.errors import InputError
from finecaption.model import FineCaptionConfig, FineCaptionForConditionalGeneration

from .names import LM_HEAD, Taken, foreign_name, rename
from .resample import can_resample, resample
from .sources import WeightSource

Shape = tuple[int, ...]

_ALPHA = "model.clip.alpha."
_ADAPTER = "model.adapter."
_EMBEDDING = "model.language_model.embed_tokens.weight"
_BLOCK_ROWS = 8192


@dataclass(frozen=True)
class Entry:
    """One tensor of the model: our name, its shape, and how it is read (any floating dtype)."""

    name: str
    shape: Shape
    load: Callable[[], torch.Tensor]


@dataclass
class AssemblyPlan:
    """All tensors in the order of the model, and what had to be changed, for the manifest."""

    entries: list[Entry] = field(default_factory=list)
    resampled: dict[str, list[list[int]]] = field(default_factory=dict)
    new: list[str] = field(default_factory=list)


def expected_shapes(config: FineCaptionConfig) -> dict[str, Shape]:
    """Every tensor that a checkpoint of this model holds; built without memory."""
    with torch.device("meta"):
        model = FineCaptionForConditionalGeneration(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        del shapes[LM_HEAD]  # stored once, as the embedding
    return shapes


def make_plan(
    config: FineCaptionConfig, sources: dict[str, WeightSource], rows: int, seed: int = 0
) -> AssemblyPlan:
    """Finds each tensor's source.

    Args:
        config: of the model.
        sources: by part; "clip" or an "alpha" with a whole tower, "convnext", "sam", "llm".
        rows: rows of the language model's embedding in its checkpoint.
        seed: of the adapter's random weights.

    Raises:
        InputError: a key that is missing, unexpected or of another shape; with its name.
    """
    shapes = expected_shapes(config)
    loaders: dict[str, Callable[[], torch.Tensor]] = {}
    plan = AssemblyPlan()
    for source in sources.values():
        taken = rename(source.format, source.checkpoint.shapes, source.where)
        if config.tie_word_embeddings:
            taken.pop(LM_HEAD, None)  # some write the tied matrix twice
        for name, where_from in taken.items():
            if name not in shapes or name in loaders:
                raise InputError(
                    f"{source.where}: unexpected key {where_from.source}; a model of this "
                    f"configuration has no place for it ({name})"
                )
            loaders[name] = _loader(source, name, where_from, shapes[name], rows, plan)
        _check_complete(source, taken, shapes)
    for number, (name, shape) in enumerate(shapes.items()):
        if name not in loaders:
            if not name.startswith((_ADAPTER, _ALPHA)):
                raise InputError(f"no source holds {name}")
            plan.new.append(name)
            std = config.initializer_range if name.startswith(_ADAPTER) else 0.0
            loaders[name] = _new(shape, std, seed + number)
        plan.entries.append(Entry(name, shape, loaders[name]))
    return plan


def _loader(
    source: WeightSource, name: str, taken: Taken, want: Shape, rows: int, plan: AssemblyPlan
) -> Callable[[], torch.Tensor]:
    checkpoint = source.checkpoint
    have = checkpoint.shapes[taken.source]
    if have and taken.of > 1:
        if have[0] % taken.of:
            raise InputError(f"{source.where}: {taken.source} is {have}; {taken.of} parts of it")
        have = (have[0] // taken.of, *have[1:])

    def read() -> torch.Tensor:
        values = checkpoint.get(taken.source)
        return values.chunk(taken.of)[taken.index] if taken.of > 1 else values

    if have == want:
        return read
    if can_resample(name, have, want):
        plan.resampled[name] = [list(have), list(want)]
        return lambda: resample(name, read(), want)
    if name in (_EMBEDDING, LM_HEAD) and have == (rows, *want[1:]) and want[0] > rows:
        return lambda: _with_rows(read(), want[0])
    raise InputError(
        f"{source.where}: {taken.source} is {checkpoint.shapes[taken.source]}; the model's {name} "
        f"is {want}"
    )


def _check_complete(
    source: WeightSource, taken: dict[str, Taken], shapes: dict[str, Shape]
) -> None:
    """Whether a source holds all of its part."""
    form = source.format
    if form.part == "llm":
        owned: Any = ("model.language_model.", LM_HEAD)
    elif all(name.startswith(_ALPHA) for name in taken):
        owned = _ALPHA
    elif form.part == "clip":
        owned = "model.clip.vision."
    else:
        owned = form.target
    missing = [name for name in shapes if name.startswith(owned) and name not in taken]
    if missing:
        foreign = foreign_name(form, missing[0], source.checkpoint.shapes)
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{source.where}: missing key {foreign} ({missing[0]}{more})")


def _new(shape: Shape, std: float, seed: int) -> Callable[[], torch.Tensor]:
    def make() -> torch.Tensor:
        if not std or len(shape) < 2:
            return torch.zeros(shape)
        generator = torch.Generator().manual_seed(seed)
        return torch.empty(shape).normal_(0.0, std, generator=generator)

    return make


def _with_rows(values: torch.Tensor, rows: int) -> torch.Tensor:
    """More rows, each the mean of all: the usual start for new tokens, never a likely answer."""
    total = sum(block.float().sum(0) for block in values.split(_BLOCK_ROWS))
    mean = (total / values.shape[0]).to(values.dtype)
    return torch.cat([values, mean.expand(rows - values.shape[0], -1)])


def count(plan: AssemblyPlan) -> int:
    """Parameters of the whole model."""
    return sum(math.prod(entry.shape) for entry in plan.entries)


__all__ = ["Entry", "AssemblyPlan", "count", "expected_shapes", "make_plan"]
