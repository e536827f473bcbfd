"""The work that descriptions cannot do without, the machine's ceilings, and its peak memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from finecaption.inference.batch_decoder import Answer
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor


class Task(NamedTuple):
    """What is asked."""

    model: FineCaptionForConditionalGeneration
    processor: FineCaptionProcessor
    inputs: dict[str, torch.Tensor]
    questions: list[str]
    new_tokens: int

    @property
    def regions(self) -> int:
        return len(self.inputs["region_masks"])

    @property
    def device(self) -> torch.device:
        return self.model.device


def timed(function: Callable[[], Any], device: torch.device) -> float:
    """Seconds on the wall."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


class Work(NamedTuple):
    """What a phase must do at least."""

    name: str
    flop: float
    bytes: float


def counted(function: Callable[[], Any]) -> float:
    """FLOP of matrix products and convolutions."""
    # By the math kernel, whose products the counter sees on every device.
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as c:
        function()
    return float(c.get_total_flops())


def weight_bytes(*modules: nn.Module | None) -> float:
    return float(
        sum(p.numel() * p.element_size() for m in modules if m is not None for p in m.parameters())
    )


def necessary(task: Task, found: Sequence[Sequence[Answer]]) -> list[Work]:
    """Phase by phase: nothing twice, no padding, no masked product; weights read once a phase or
    decode step, keys and values once a step, activations not at all."""
    model, inputs, device = task.model, task.inputs, task.device
    text = model.config.text_config
    layers = list(model.language_model.layers)
    linear = sum(m.weight.numel() for layer in layers for m in layer.modules()
                 if isinstance(m, nn.Linear))  # fmt: skip
    size = model.lm_head.weight.element_size()
    heads = text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // heads
    kv = 2 * len(layers) * text.num_key_value_heads * width * size  # bytes a token
    pair = 4 * len(layers) * heads * width  # FLOP of a token looking at another
    head = 2 * model.lm_head.weight.numel()

    pixels = inputs["pixel_values"].to(device)
    clip, masks = inputs["pixel_values_clip"].to(device), inputs["region_masks"].to(device)
    with torch.inference_mode():
        high = model.encode_image(pixels)
        part = model.adapter.high(high)
    towers = counted(lambda: model.adapter.high(model.encode_image(pixels)))
    regions = counted(lambda: model.encode_regions(clip, masks, hr_part=part))
    prefix, rests = task.processor.shared_prefix(task.questions)
    p, r = len(prefix), task.regions
    rest_tokens = r * sum(map(len, rests))
    seen = r * (p * (p + 1) / 2 + sum(n * p + n * (n + 1) / 2 for n in map(len, rests)))
    language = weight_bytes(*layers)
    phases = [
        Work("towers", towers, weight_bytes(model.convnext, model.sam)),
        Work("regions", regions, weight_bytes(model.clip, model.adapter)),
        Work(
            "prompts",
            2 * linear * (r * p + rest_tokens) + pair * seen + head * r * len(rests),
            language + head / 2 * size + kv * (r * p + rest_tokens),
        ),
    ]
    lengths = [[one.tokens for one in row] for row in found]
    for step in range(1, max(map(max, lengths))):
        rows = [
            (region, len(rests[number]) + step)
            for region, row in enumerate(lengths)
            for number, tokens in enumerate(row)
            if tokens > step
        ]
        lines = len({region for region, _ in rows})
        own = sum(tail for _, tail in rows)
        phases.append(
            Work(
                "decode",
                len(rows) * (2 * linear + head + pair * p) + pair * own,
                language + head / 2 * size + kv * (lines * p + own),
            )
        )
    return phases


def ceilings(device: torch.device, dtype: torch.dtype) -> tuple[float, float]:
    """FLOP/s of the best matrix product and bytes/s of a large copy, best of several."""
    best_flops = best_bytes = 0.0
    for side in (1024, 2048) if device.type == "cpu" else (4096, 8192):
        a = torch.randn(side, side, device=device, dtype=dtype)
        b = torch.randn(side, side, device=device, dtype=dtype)
        for _ in range(5):
            seconds = timed(lambda a=a, b=b: a @ b, device)  # type: ignore[misc]  # bound now
            best_flops = max(best_flops, 2 * side**3 / seconds)
    source = torch.zeros((1 << 28) if device.type == "cpu" else (1 << 32), dtype=torch.uint8,
                         device=device)  # fmt: skip
    target = torch.empty_like(source)
    for _ in range(5):
        seconds = timed(lambda: target.copy_(source), device)
        best_bytes = max(best_bytes, 2 * source.numel() / seconds)
    return best_flops, best_bytes


class Peak:
    """The most memory that a way takes on top of what was there, in MB (10^6 bytes)."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.megabytes: float | None = None

    def __enter__(self) -> Peak:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self.before = torch.cuda.memory_allocated(self.device) / 1e6
        else:
            try:
                Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
            except OSError:
                self.before = float("nan")
            else:
                self.before = _status("VmRSS")
        return self

    def __exit__(self, *error: object) -> None:
        if self.device.type == "cuda":
            self.megabytes = torch.cuda.max_memory_allocated(self.device) / 1e6 - self.before
        elif self.before == self.before:
            self.megabytes = _status("VmHWM") - self.before


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")
