"""`finecaption train --plan`: the memory that a stage will take, before anything is loaded.

The stage's own step (a pack at the token budget, forward, backward, under its checkpointing and
types) is run on *fake* tensors, which have shapes and types but no storage, at full size, on the
CPU, in a minute or two. Every tensor that would be allocated is counted from its birth to its end:
the peak over the step is the plan. Gradients and AdamW's two moments are counted as they lie.

What this leaves out is what an allocator and a driver add: fragments, CUDA's context, work space of
kernels. `RESERVE` stands for it and is a guess; no GPU was there to measure it.
"""

from __future__ import annotations

import contextlib
import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from finecaption.errors import InputError
from finecaption.io.checkpoint import resolve_model
from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.modeling import FineCaptionForConditionalGeneration
from finecaption.model.parts import part_of
from finecaption.model.presets import PRESETS
from finecaption.training import lora
from finecaption.training.config import StageConfig
from finecaption.training.fit import set_trainable
from finecaption.training.models import checkpoint_layers
from finecaption.training.objectives.captions import Captions
from finecaption.training.strategies import computes_in_bf16

CARDS = (24, 80)  # GB as vendors count them: 2 ** 30 bytes each
GIB = 2**30
RESERVE = 1.06  # allocator's fragments and kernels' work space, and a context of
CONTEXT = 0.8 * GIB  # ... CUDA's own
QUESTIONS, ANSWER = 13, 40  # CompositionCap's questions per region; tokens of one and its answer


class Watch(TorchDispatchMode):
    """Adds up the storages that live under it; works on real and on fake tensors.

    Attributes:
        live, peak: bytes now, and the most so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_iter(out):
            if isinstance(leaf, torch.Tensor):
                self.see(leaf)
        return out

    def see(self, tensor: torch.Tensor) -> None:
        """Counts a tensor's storage until it is freed, once however many views there are."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        size = storage.nbytes()
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes of one process.

    Attributes:
        weights: parameters and buffers.
        gradients, optimizer: of what moves.
        activations: the most beside these at any time of a step; also what AdamW takes meanwhile.
        peak: the most of all together.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    peak: int
    parameters: int
    moving: int

    def on_card(self) -> float:
        """What a card must have: the peak, with what allocator and driver add."""
        return self.peak * RESERVE + CONTEXT


class FourBit(nn.Module):
    """A linear layer in NF4, for planning: its bytes, and the bf16 copy that each use makes.

    bitsandbytes: half a byte a weight, and with double quantization a byte a 64 and 4 bytes a
    16,384 weights; forward and backward each undo it into a temporary of the compute type.
    """

    def __init__(self, layer: nn.Linear, compute: torch.dtype) -> None:
        super().__init__()
        count = layer.weight.numel()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.register_buffer("packed", torch.empty(count // 2, dtype=torch.uint8))
        self.register_buffer("scales", torch.empty(count // 64, dtype=torch.uint8))
        self.register_buffer("scales_of_scales", torch.empty(max(1, count // 16384)))
        self.bias, self.compute = layer.bias, compute

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)."""
        out: torch.Tensor = _FourBitProduct.apply(x.to(self.compute), self)
        return out if self.bias is None else out + self.bias


class _FourBitProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layer: FourBit) -> torch.Tensor:
        ctx.layer = layer
        weight = torch.empty(layer.out_features, layer.in_features, dtype=layer.compute)
        return x @ weight.t()

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        layer = ctx.layer
        weight = torch.empty(layer.out_features, layer.in_features, dtype=layer.compute)
        return grads[0] @ weight, None


class _Adapted(nn.Module):
    """A frozen linear layer with LoRA beside it, as peft computes it."""

    def __init__(self, base: nn.Module, shape: tuple[int, int], stage: StageConfig) -> None:
        super().__init__()
        inside, outside = shape
        self.base = base
        self.lora_A = nn.Linear(inside, stage.lora_rank, bias=False)
        self.lora_B = nn.Linear(stage.lora_rank, outside, bias=False)
        self.drop = nn.Dropout(stage.lora_dropout) if stage.lora_dropout else nn.Identity()
        self.scale = stage.lora_alpha / stage.lora_rank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)."""
        out: torch.Tensor = self.base(x)
        own = self.drop(x.to(self.lora_A.weight.dtype))
        return out + (self.lora_B(self.lora_A(own)) * self.scale).to(out.dtype)


def stage_model(
    stage: StageConfig, model_config: FineCaptionConfig
) -> FineCaptionForConditionalGeneration:
    """The model of a stage with its types, adapters and checkpointing, of new weights."""
    dtype = torch.bfloat16 if computes_in_bf16(stage) else torch.float32
    # Sharded runs keep fp32 parameters and gather them in bf16.
    held = torch.float32 if stage.sharding == "fsdp2" else dtype
    model = _empty_model(model_config, held)
    set_trainable(model, _without_adapters(stage), Captions(0))
    if stage.adapter != "none":
        for name in lora.target_layers(model, stage.lora_parts):
            layer = model.get_submodule(name)
            assert isinstance(layer, nn.Linear)
            for parameter in layer.parameters():
                parameter.requires_grad_(False)
            four = stage.adapter == "qlora" and name.startswith("model.language_model.")
            base = FourBit(layer, dtype) if four else layer
            shape = (layer.in_features, layer.out_features)
            model.set_submodule(name, _Adapted(base, shape, stage))
        for name, parameter in model.named_parameters():
            if part_of(name) in stage.lora_parts and ".lora_" not in name:
                parameter.requires_grad_(False)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if stage.gradient_checkpointing:
        checkpoint_layers(model)
    return model.train()


def _empty_model(
    config: FineCaptionConfig, dtype: torch.dtype
) -> FineCaptionForConditionalGeneration:
    """A model whose parameters nobody has set: building it takes values of no parameter."""
    from accelerate import init_empty_weights  # type: ignore[import-untyped] # has no types

    with contextlib.ExitStack() as outside:
        # The configs of some towers compute with small tensors while they are built.
        outside.enter_context(unset_fake_temporarily())
        with init_empty_weights(include_buffers=False):
            model = FineCaptionForConditionalGeneration(config)
        model.tie_weights()
    made: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            if id(parameter) not in made:
                made[id(parameter)] = nn.Parameter(torch.zeros(parameter.shape, dtype=dtype))
            setattr(module, name, made[id(parameter)])
        for name, buffer in module.named_buffers(recurse=False):
            # New ones, because fake and real tensors do not mix.
            module.register_buffer(name, torch.zeros(buffer.shape, dtype=buffer.dtype))
    return model


def _without_adapters(stage: StageConfig) -> StageConfig:
    return replace(stage, adapter="none", lora_parts=())


def pack_inputs(
    stage: StageConfig, model_config: FineCaptionConfig, rows: int, length: int, pictures: int
) -> dict[str, torch.Tensor]:
    """A pack of a size as the model's parts take it; values do not matter."""
    high, low = model_config.image_size, model_config.clip_size
    return {
        "pixel_values": torch.zeros(pictures, 3, high, high, dtype=torch.uint8),
        "pixel_values_clip": torch.zeros(pictures, 3, low, low, dtype=torch.uint8),
        "region_masks": torch.zeros(rows, low, low, dtype=torch.uint8),
        "image_index": torch.zeros(rows, dtype=torch.long),
        "input_ids": torch.zeros(rows, length, dtype=torch.long),
        "position_ids": torch.arange(length).expand(rows, length).contiguous(),
        "attention_mask": torch.ones(rows, 1, length, length, dtype=torch.bool),
        "labels": torch.zeros(rows, length, dtype=torch.long),
    }


def pack_shape(stage: StageConfig, model_config: FineCaptionConfig) -> tuple[int, int, int]:
    """(rows, length, images) of a pack that fills the budget at CompositionCap's shape."""
    prefix = model_config.image_seq_length + 16
    longest = getattr(model_config.text_config, "max_position_embeddings", stage.max_tokens)
    budget = min(stage.max_tokens, longest)
    questions = QUESTIONS if stage.shared and stage.name != "stage1" else 1
    length = min(prefix + questions * ANSWER, budget)
    rows = max(1, stage.max_tokens // length)
    return rows, length, min(stage.max_images, rows)


def one_step(
    model: FineCaptionForConditionalGeneration,
    inputs: dict[str, torch.Tensor],
    bf16: bool,
    cached: torch.Tensor | None = None,
) -> None:
    """Forward and backward of a pack, part by part: no values are asked for on the way."""
    inner = model.model
    seen = {k: inputs[k] for k in ("pixel_values_clip", "region_masks", "image_index")}
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        features = cached if cached is not None else model.encode_image(inputs["pixel_values"])
        tokens = inner.encode_regions(
            seen["pixel_values_clip"], seen["region_masks"], features, seen["image_index"]
        )
        text = inner.get_input_embeddings()(inputs["input_ids"])
        count = tokens.shape[1]
        embeds = torch.cat([tokens.to(text.dtype), text[:, count:]], dim=1)
        hidden = inner.language_model(
            inputs_embeds=embeds,
            attention_mask=inputs["attention_mask"],
            position_ids=inputs["position_ids"],
            use_cache=False,
        ).last_hidden_state[:, count:]
        logits = model.lm_head(hidden).float()
        labels = inputs["labels"][:, count:]
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    del features, tokens, text, embeds, hidden, logits
    loss.backward()


def measure(
    stage: StageConfig,
    model_config: FineCaptionConfig,
    *,
    fake: bool = True,
    shape: tuple[int, int, int] | None = None,
) -> TrainingMemory:
    """Memory of a stage's step, by running it on fake tensors (or on real ones, to compare).

    Args:
        shape: (rows, length, images) of the pack; None takes `pack_shape`.

    Returns:
        Of one process; FSDP2 is not divided here, see `shared_among`.
    """
    rows, length, pictures = shape or pack_shape(stage, model_config)
    mode: contextlib.AbstractContextManager[Any] = (
        FakeTensorMode() if fake else contextlib.nullcontext()
    )
    with mode:
        model = stage_model(stage, model_config)
        inputs = pack_inputs(stage, model_config, rows, length, pictures)
        grid = model_config.image_grid
        dtype = next(model.parameters()).dtype
        cached = (
            torch.zeros(pictures, model_config.hr_channels, grid, grid, dtype=dtype)
            if stage.cache
            else None
        )
        stored = {id(t): t for t in [*model.parameters(), *model.buffers()]}.values()
        weights = sum(t.numel() * t.element_size() for t in stored)
        moving = [p for p in model.parameters() if p.requires_grad]
        gradients = sum(p.numel() * p.element_size() for p in moving)
        watch = Watch()
        for tensor in (*stored, *inputs.values()):
            watch.see(tensor)
        with watch:
            one_step(model, inputs, computes_in_bf16(stage), cached)
        moments = 2 * gradients
        # The step's peak has no moments yet; from the second step on they are there throughout.
        # AdamW, which on a GPU takes all tensors at once, needs as much as they are again.
        peak = max(watch.peak + moments, weights + 2 * gradients + moments)
        total = sum(p.numel() for p in model.parameters())
    return TrainingMemory(
        weights,
        gradients,
        moments,
        peak - weights - gradients - moments,
        peak,
        total,
        sum(p.numel() for p in moving),
    )


def shared_among(memory: TrainingMemory, world: int) -> TrainingMemory:
    """The same with weights, gradients and optimizer split over processes (FSDP2).

    Beside its share a process holds the layers that are gathered at the moment; with the embedding
    and the head, which are gathered throughout, in bf16: bounded by a tenth of the weights.
    """
    if world < 2:
        return memory
    weights, gradients, moments = (
        -(-size // world) for size in (memory.weights, memory.gradients, memory.optimizer)
    )
    gathered = memory.weights // 10
    activations = memory.activations + gathered
    return TrainingMemory(
        weights,
        gradients,
        moments,
        activations,
        weights + gradients + moments + activations,
        memory.parameters,
        memory.moving,
    )


def model_config_of(model: str | Path) -> FineCaptionConfig:
    """The config of a model folder, of a shipped model or of a preset by its name.

    Raises:
        InputError: none of them.
    """
    if (Path(model) / "config.json").is_file():
        return FineCaptionConfig.from_pretrained(model, local_files_only=True)
    if str(model) == "mini":
        return PRESETS["mini"](vocab_size=2000)
    if str(model) in PRESETS:
        return PRESETS[str(model)]()
    try:
        return FineCaptionConfig.from_pretrained(resolve_model(model), local_files_only=True)
    except InputError as error:
        presets = ", ".join(PRESETS)
        raise InputError(f"{error}; and no preset of that name: presets are {presets}") from None


def plan_table(stage: StageConfig, model: str | Path) -> str:
    """What ``--plan`` prints.

    Args:
        model: a model folder, of which only config.json is read, or a preset's name.
    """
    model_config = model_config_of(model)
    # A plan is for a GPU, wherever it is made.
    planned = stage if stage.precision != "auto" else replace(stage, precision="bf16")
    rows, length, pictures = pack_shape(planned, model_config)
    memory = measure(planned, model_config)
    lines = [
        f"{stage.recipe}, {stage.name}: {memory.parameters / 1e6:,.1f} M parameters, "
        f"{memory.moving / 1e6:,.1f} M trainable; a pack is {rows} regions of {length} tokens on "
        f"{pictures} images, {'bf16' if computes_in_bf16(planned) else 'fp32'}"
    ]
    worlds = (1,) if stage.sharding == "none" else (2, 4, 8, 16)
    if stage.sharding != "none" and stage.expected_world_size:
        worlds = (stage.expected_world_size,)
    lines.append(
        f"{'processes':>9} {'weights':>9} {'gradients':>9} {'optimizer':>9} {'activations':>11} "
        f"{'peak':>9} {'on a GPU':>9}  fits"
    )
    for world in worlds:
        part = shared_among(memory, world)
        needed = part.on_card()
        fits = ", ".join(f"{card} GB" for card in CARDS if needed <= card * GIB) or "neither"
        columns = (part.weights, part.gradients, part.optimizer, part.activations, part.peak)
        shown = [_size(size) for size in columns]
        lines.append(
            f"{world:>9} {shown[0]:>9} {shown[1]:>9} {shown[2]:>9} {shown[3]:>11} {shown[4]:>9} "
            f"{_size(needed):>9}  {fits}"
        )
    lines.append(
        f"on a GPU: the peak x {RESERVE} + {CONTEXT / GIB:.1f} GiB, an estimate of what allocator "
        "and driver add"
    )
    return "\n".join(lines)


def _size(count: float) -> str:
    return f"{count / GIB:.2f} GiB" if count >= 0.1 * GIB else f"{count / 2**20:.1f} MiB"
