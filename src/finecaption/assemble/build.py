"""From sources to a folder that `from_pretrained` opens: FineCaption at stage 0."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import CLIPVisionConfig, ConvNextConfig, PreTrainedConfig, SamVisionConfig

import finecaption
from finecaption.errors import InputError
from finecaption.model import FineCaptionConfig, FineCaptionProcessor

from . import infer
from .auto_map import add_auto_map
from .plan import AssemblyPlan, count, make_plan
from .presets import Preset
from .sources import WeightSource, find_source
from .text import Language, generation_config, read_language
from .write import DTYPES, new_folder, write_shards

MANIFEST = "manifest.json"
SHARD_BYTES = 5 * 10**9
Say = Callable[[str], None]


def find_sources(preset: Preset, say: Say = lambda text: None) -> dict[str, WeightSource]:
    """All parts' sources on this machine.

    An alpha file with a whole tower stands for CLIP too: Alpha-CLIP trained both together, and
    loads them so. CLIP's source then only tells the configuration.

    Raises:
        InputError: a part has no source, or one that cannot be found.
    """
    sources: dict[str, WeightSource] = {}
    alpha = find_source("alpha", preset.alpha) if preset.alpha else None
    whole = alpha is not None and alpha.format.name == "Alpha-CLIP"
    for part in ("clip", "convnext", "sam", "llm"):
        given = getattr(preset, part)
        if given is None:
            if part == "clip" and whole:
                continue
            raise InputError(f"--{part}: preset {preset.name} names none; give one")
        say(f"{part}: {given}")
        sources[part] = find_source(part, given, weights=not (part == "clip" and whole))
    if alpha is not None:
        say(f"alpha: {preset.alpha}")
        sources["alpha"] = alpha
    return sources


def make_config(
    preset: Preset, sources: dict[str, WeightSource], language: Language, convnext_eps: float | None
) -> FineCaptionConfig:
    """The model's configuration: sizes of the preset, towers of the sources.

    Raises:
        InputError: parts that do not fit together.
    """
    clip = _clip_config(sources)
    clip.image_size = preset.clip_size
    sam = _tower_config(SamVisionConfig, sources["sam"], infer.sam_config)
    sam.image_size = preset.image_size
    convnext = _tower_config(ConvNextConfig, sources["convnext"], infer.convnext_config)
    if convnext_eps is None:
        convnext_eps = infer.convnext_eps(sources["convnext"].format, convnext.hidden_sizes)
    statistics: dict[str, Any] = {}
    for part in ("clip", "convnext", "sam"):
        known = sources[part].statistics if part in sources else None
        if known:
            statistics[f"{part}_image_mean"], statistics[f"{part}_image_std"] = known
    try:
        return FineCaptionConfig(
            clip_config=clip,
            convnext_config=convnext,
            sam_config=sam,
            text_config=language.config,
            image_size=preset.image_size,
            image_stride=convnext.patch_size * 2 ** (len(convnext.hidden_sizes) - 1),
            image_token_id=language.image_token_id,
            convnext_norm_eps=convnext_eps,
            **statistics,
        )
    except ValueError as error:
        raise InputError(f"preset {preset.name}: the parts do not fit together: {error}") from error


def _clip_config(sources: dict[str, WeightSource]) -> PreTrainedConfig:
    clip, alpha = sources.get("clip"), sources.get("alpha")
    if clip is not None and clip.has_transformers_config:
        return _tower_config(CLIPVisionConfig, clip, infer.clip_config)
    if alpha is not None and alpha.format.name == "Alpha-CLIP":
        return _tower_config(CLIPVisionConfig, alpha, infer.clip_config)
    assert clip is not None  # find_sources has seen to it
    return _tower_config(CLIPVisionConfig, clip, infer.clip_config)


def _tower_config(cls: Any, source: WeightSource, guess: Callable[..., dict[str, Any]]) -> Any:
    if source.has_transformers_config:
        return cls.from_pretrained(source.folder, local_files_only=True)
    if source.format.name.startswith("transformers"):
        raise InputError(f"{source.where}: give the folder, with its config.json")
    return cls(**guess(source.format, source.checkpoint.shapes, source.where))


def assemble(
    preset: Preset,
    out: Path,
    *,
    dtype: str | None = None,
    max_shard_bytes: int = SHARD_BYTES,
    convnext_eps: float | None = None,
    seed: int = 0,
    say: Say = lambda text: None,
    **sources: str | None,
) -> Path:
    """Writes a whole model from published parts: FineCaption at stage 0.

    Everything is checked before anything is written; tensors go through memory one at a time.

    Args:
        preset: see `finecaption.assemble.presets`.
        out: the new folder; it appears when it is complete.
        dtype: float32, float16 or bfloat16; the preset's if None.
        max_shard_bytes: of a weights file.
        convnext_eps: epsilon of ConvNeXt's norms; by the kind of checkpoint if None.
        seed: of the adapter, the only part that starts at random.
        say: told about progress.
        sources: clip, alpha, convnext, sam, llm: instead of the preset's; None keeps it.

    Returns:
        `out`.

    Raises:
        InputError: a source that cannot be found or read, a key that is missing, unexpected or of
            another shape, parts that do not fit together, an `out` that exists.
    """
    chosen: dict[str, Any] = {part: given for part, given in sources.items() if given}
    preset = replace(preset, **chosen)
    dtype = dtype or preset.dtype
    if dtype not in DTYPES:
        raise InputError(f"dtype {dtype!r}: expected one of {', '.join(DTYPES)}")
    found = find_sources(preset, say)
    language = read_language(found["llm"])
    config = make_config(preset, found, language, convnext_eps)
    # A CLIP that only told its configuration is no source of weights.
    alpha = found.get("alpha")
    weights = dict(found)
    if alpha is not None and alpha.format.name == "Alpha-CLIP":
        weights.pop("clip", None)
    plan = make_plan(config, weights, language.rows, seed)
    values = count(plan)
    say(f"{values / 1e6:.1f} million parameters in {dtype}")
    size = values * getattr(torch, dtype).itemsize
    with new_folder(out, size) as folder:
        files = write_shards(plan.entries, folder, dtype, max_shard_bytes, say)
        config.save_pretrained(folder)
        generation_config(language).save_pretrained(folder)
        FineCaptionProcessor.for_config(config, language.tokenizer).save_pretrained(folder)
        add_auto_map(folder, dtype)
        say("hashing the sources")
        manifest = _manifest(preset, config, language, weights, plan, dtype, seed)
        manifest["weights"] = files
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
    return out


def _manifest(
    preset: Preset,
    config: FineCaptionConfig,
    language: Language,
    sources: dict[str, WeightSource],
    plan: AssemblyPlan,
    dtype: str,
    seed: int,
) -> dict[str, Any]:
    return {
        "preset": preset.name,
        "finecaption": finecaption.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "dtype": dtype,
        "seed": seed,
        "parameters": count(plan),
        "convnext_norm_eps": config.convnext_norm_eps,
        "language": language.notes,
        "resampled": plan.resampled,
        "new": plan.new,
        "parts": {part: source.describe() for part, source in sources.items()},
    }


__all__ = ["MANIFEST", "SHARD_BYTES", "assemble", "find_sources", "make_config"]
