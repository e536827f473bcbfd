"""The parts of the model by name: the one place where training declares what trains."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

PART_NAMES = ("clip", "alpha", "convnext", "sam", "adapter", "llm")

_PREFIXES = {
    "clip": ["model.clip.vision."],
    "alpha": ["model.clip.alpha."],
    "convnext": ["model.convnext."],
    "sam": ["model.sam."],
    "adapter": ["model.adapter."],
    "llm": ["model.language_model.", "lm_head."],
}


def parts(model: nn.Module) -> dict[str, list[str]]:
    """Part name -> prefixes of its parameters' names in `FineCaptionForConditionalGeneration`.

    Every part is present; one that is switched off in the config has an empty list. Each parameter
    of the model belongs to exactly one part.
    """
    names = [name for name, _ in model.named_parameters()]
    return {
        part: [prefix for prefix in prefixes if any(n.startswith(prefix) for n in names)]
        for part, prefixes in _PREFIXES.items()
    }


def part_of(name: str) -> str:
    """The part that a parameter (by its full name) belongs to.

    Raises:
        KeyError: no part has it.
    """
    for part, prefixes in _PREFIXES.items():
        if name.startswith(tuple(prefixes)):
            return part
    raise KeyError(f"parameter {name!r} belongs to no part of {', '.join(PART_NAMES)}.")


def named_part_parameters(model: nn.Module, part: str) -> Iterator[tuple[str, nn.Parameter]]:
    """(name, parameter) of one part.

    Raises:
        KeyError: unknown part name.
    """
    prefixes = tuple(_PREFIXES[part])
    for name, parameter in model.named_parameters():
        if name.startswith(prefixes):
            yield name, parameter


def unused_by_captions(model: nn.Module) -> list[str]:
    """Names of parameters that no caption depends on, so that never get a gradient from one.

    CLIP's layers above the selected one and its pooled norm, and ConvNeXt's pooled norm: kept
    because the pretrained checkpoints have them and contrastive pretraining uses them.
    """
    clip = model.clip
    prefixes = [
        f"model.clip.vision.encoder.layers.{index}."
        for index in range(clip.select_depth, len(clip.vision.encoder.layers))
    ]
    prefixes += ["model.clip.vision.post_layernorm.", "model.convnext.model.layernorm."]
    return [n for n, _ in model.named_parameters() if n.startswith(tuple(prefixes))]


__all__ = ["PART_NAMES", "named_part_parameters", "part_of", "parts", "unused_by_captions"]
