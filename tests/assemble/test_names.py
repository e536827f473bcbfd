"""Strictness: every key counts, and a mistake stops with the key's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from finecaption.assemble import build, text
from finecaption.assemble.names import FORMATS, detect, foreign_name, rename
from finecaption.assemble.plan import AssemblyPlan, make_plan
from finecaption.assemble.presets import tiny
from finecaption.errors import InputError

from . import upstream

State = dict[str, torch.Tensor]


def states() -> dict[str, State]:
    """A state dict of each of upstream's original formats, by format."""
    meta = torch.device("meta")
    with meta:
        clip = upstream.Clip(upstream.ClipViT()).state_dict()
        alpha = upstream.ClipViT(alpha=True).state_dict()
        trunk, sam = upstream.ConvNeXt(), upstream.SamEncoder()
    return {
        "OpenAI CLIP": clip,
        "Alpha-CLIP": alpha,
        "timm ConvNeXt": trunk.state_dict(),
        "open_clip ConvNeXt": upstream.open_clip_file(trunk),
        "Meta SAM": upstream.sam_file(sam),
    }


@pytest.mark.parametrize("name", states())
def test_formats_are_told_by_their_names_and_map_there_and_back(name: str) -> None:
    names = list(states()[name])
    part = next(form.part for form in FORMATS if form.name == name)
    form = detect(part, names, "file")
    assert form.name == name
    taken = rename(form, names, "file")
    assert len(taken) > 20
    for target, where_from in taken.items():
        assert foreign_name(form, target, names) == where_from.source


def test_fused_attention_is_three_thirds() -> None:
    taken = rename(detect("clip", states()["OpenAI CLIP"], ""), states()["OpenAI CLIP"], "")
    start = "model.clip.vision.encoder.layers.1.self_attn."
    fused = [taken[f"{start}{part}_proj.weight"] for part in "qkv"]
    assert {f.source for f in fused} == {"visual.transformer.resblocks.1.attn.in_proj_weight"}
    assert [(f.index, f.of) for f in fused] == [(0, 3), (1, 3), (2, 3)]


@pytest.mark.parametrize(
    ("part", "given", "message"),
    [
        ("clip", "Meta SAM", r"no checkpoint for --clip \(OpenAI CLIP, .*looks like Meta SAM"),
        ("clip", "Alpha-CLIP", None),
        ("sam", "timm ConvNeXt", "it looks like timm ConvNeXt"),
        ("convnext", "OpenAI CLIP", "it looks like .*CLIP"),
        ("llm", "Alpha-CLIP", "it looks like Alpha-CLIP"),
    ],
)
def test_files_in_the_wrong_place(part: str, given: str, message: str | None) -> None:
    names = list(states()[given])
    if message is None:  # the tower is there, the extra convolution is not CLIP's
        with pytest.raises(InputError, match="unexpected key conv1_alpha.weight"):
            rename(detect(part, names, "f"), names, "f")
        return
    with pytest.raises(InputError, match=message):
        detect(part, names, "f")


def test_unknown_files_show_what_they_hold() -> None:
    with pytest.raises(InputError, match="it has names like backbone.w, x, y"):
        detect("sam", ["backbone.w", "x", "y", "z"], "file")


# through a whole plan


def plan(files: dict[str, str | None]) -> AssemblyPlan:
    preset = replace(tiny(), **files)
    sources = build.find_sources(preset)
    language = text.read_language(sources["llm"])
    config = build.make_config(preset, sources, language, None)
    if "alpha" in sources:
        sources.pop("clip", None)
    return make_plan(config, sources, language.rows)


def _drop(key: str) -> Callable[[State], object]:
    return lambda state: state.pop(key)


def _add(key: str) -> Callable[[State], object]:
    return lambda state: state.update({key: torch.zeros(2)})


def _cut(key: str) -> Callable[[State], object]:
    return lambda state: state.update({key: state[key][..., :-1].contiguous()})


CHANGES: list[tuple[str, Callable[[State], object], str]] = []
for _part, _key in (
    ("alpha", "transformer.resblocks.1.attn.in_proj.bias"),
    ("alpha", "transformer.resblocks.2.mlp.c_proj.weight"),
    ("alpha", "conv1_alpha.weight"),
    ("alpha", "ln_post.bias"),
    ("convnext", "stages.2.blocks.1.gamma"),
    ("convnext", "stages.1.downsample.1.weight"),
    ("convnext", "head.norm.weight"),
    ("sam", "image_encoder.blocks.2.attn.qkv.weight"),
    ("sam", "image_encoder.neck.3.bias"),
    ("llm", "model.layers.1.mlp.up_proj.weight"),
    ("llm", "model.norm.weight"),
    ("llm", "lm_head.weight"),
):
    CHANGES.append((_part, _drop(_key), f"missing key {_key}"))
    CHANGES.append((_part, _cut(_key), f"{_key} is"))
for _part, _key in (
    ("alpha", "transformer.resblocks.1.attn.in_proj.lora_A"),
    ("alpha", "transformer.resblocks.3.ln_1.weight"),
    ("convnext", "stages.0.blocks.0.mlp.grn.weight"),
    ("sam", "image_encoder.blocks.0.attn.extra"),
    ("sam", "somewhere.else"),
    ("llm", "model.layers.0.self_attn.q_proj.bias"),
    ("llm", "score.weight"),
):
    CHANGES.append((_part, _add(_key), f"{_key}"))


@pytest.mark.parametrize(
    ("part", "change", "message"), CHANGES, ids=[f"{p}: {m}" for p, _, m in CHANGES]
)
def test_a_wrong_key_stops_with_its_name(
    part: str, change: Callable[[State], object], message: str, tmp_path: Path,
    files: dict[str, str],
) -> None:  # fmt: skip
    original = Path(files[part])
    weights = original / "model.safetensors" if original.is_dir() else original
    safe = weights.suffix == ".safetensors"
    state = load_file(weights) if safe else torch.load(weights, weights_only=True)
    change(state)
    if original.is_dir():
        changed = tmp_path / "llm"
        changed.mkdir()
        for path in original.iterdir():
            (changed / path.name).write_bytes(path.read_bytes())
        save_file(state, changed / "model.safetensors", {"format": "pt"})
    else:
        changed = tmp_path / weights.name
        (save_file if safe else torch.save)(state, changed)
    with pytest.raises(InputError, match=message):
        plan({**files, part: str(changed)})


def test_an_untouched_set_of_files_has_every_tensor_once(files: dict[str, str]) -> None:
    made = plan({**files})
    names = [entry.name for entry in made.entries]
    assert len(set(names)) == len(names)
    assert all(name.startswith("model.adapter.") for name in made.new) and len(made.new) == 5
    assert not made.resampled
    without = plan({**files, "alpha": None})
    assert "model.clip.alpha.weight" in without.new
    assert float(
        next(e for e in without.entries if e.name == "model.clip.alpha.weight").load().abs().max()
    ) == 0  # fmt: skip
