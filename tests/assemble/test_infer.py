"""Configurations off shapes: the published sizes, built without memory from upstream's networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import CLIPVisionConfig, ConvNextConfig, SamVisionConfig

from finecaption.assemble import infer
from finecaption.assemble.names import FORMATS, Format
from finecaption.errors import InputError
from finecaption.model import paper_8b

from . import upstream

Shapes = dict[str, tuple[int, ...]]


def form(name: str) -> Format:
    return next(f for f in FORMATS if f.name == name)


def shapes(state: dict[str, torch.Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def sam(**sizes: Any) -> Shapes:
    with torch.device("meta"):
        return shapes(upstream.sam_file(upstream.SamEncoder(**sizes)))


def test_clip_of_the_paper() -> None:
    with torch.device("meta"):
        large = upstream.ClipViT(1024, 24, 16, 14, 336, alpha=True)
    guessed = infer.clip_config(form("Alpha-CLIP"), shapes(large.state_dict()), "file")
    guessed["projection_dim"] = 768  # 16 in this reference
    assert CLIPVisionConfig(**guessed).to_dict() == paper_8b().clip_config.to_dict()


def test_convnext_of_the_paper_and_its_epsilon() -> None:
    timm = form("timm ConvNeXt")
    with torch.device("meta"):
        huge = upstream.ConvNeXt((3, 4, 30, 3), (384, 768, 1536, 3072))
    guessed = infer.convnext_config(timm, shapes(huge.state_dict()), "file")
    expected = paper_8b().convnext_config
    got = ConvNextConfig(**guessed)
    for name in ("depths", "hidden_sizes", "patch_size", "num_stages", "hidden_act"):
        assert getattr(got, name) == getattr(expected, name)
    assert infer.convnext_eps(timm, got.hidden_sizes) == 1e-5 == paper_8b().convnext_norm_eps
    # timm makes only the XXL with 1e-5
    assert infer.convnext_eps(timm, [192, 384, 768, 1536]) == 1e-6
    assert infer.convnext_eps(form("transformers ConvNeXt"), [384, 768, 1536, 3072]) == 1e-6


def test_sam_of_the_paper() -> None:
    found = sam(width=1024, layers=24, heads=16, size=1024, window=14, everywhere=(5, 11, 17, 23),
                out=256)  # fmt: skip
    found["image_encoder.blocks.0.mlp.lin1.weight"] = (4096, 1024)  # 4 x, 2 x in this reference
    guessed = infer.sam_config(form("Meta SAM"), found, "file")
    assert SamVisionConfig(**guessed).to_dict() == paper_8b().sam_config.to_dict()


def test_what_shapes_cannot_tell() -> None:
    with pytest.raises(InputError, match="one window size is expected"):
        infer.sam_config(form("Meta SAM"), sam(everywhere=(0, 1, 2)), "file")
    with torch.device("meta"):
        narrow = upstream.ClipViT(width=96, heads=2)
    with pytest.raises(InputError, match="width 96 is no multiple of 64"):
        infer.clip_config(form("OpenAI CLIP"), shapes(narrow.state_dict()), "file")
    broken = sam()
    del broken["image_encoder.pos_embed"]
    with pytest.raises(InputError, match="missing key image_encoder.pos_embed"):
        infer.sam_config(form("Meta SAM"), broken, "file")
