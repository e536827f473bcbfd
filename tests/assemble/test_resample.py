"""Position embeddings at another size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from finecaption.assemble.resample import can_resample, resample

from . import parity, upstream

CLIP = "model.clip.vision.embeddings.position_embedding.weight"
SAM = "model.sam.model.vision_encoder.pos_embed"
RELATIVE = "model.sam.model.vision_encoder.layers.3.attn.rel_pos_h"


def ramp(side: int) -> torch.Tensor:
    """Cell centres of a unit square, (side, side, 2)."""
    at = (torch.arange(side) + 0.5) / side
    return torch.stack(torch.meshgrid(at, at, indexing="ij"), -1)


def test_clip_keeps_its_class_token_and_its_geometry() -> None:
    table = torch.cat([torch.tensor([[7.0, 8.0]]), ramp(16).flatten(0, 1)])
    larger = resample(CLIP, table, (1 + 24 * 24, 2))
    assert torch.equal(larger[0], table[0])
    inner = (larger[1:].unflatten(0, (24, 24)) - ramp(24))[4:-4, 4:-4]
    # row and column not swapped, centres aligned; bicubic itself bends a ramp by 0.003
    assert float(inner.abs().max()) < 0.005


def test_sam_keeps_its_geometry() -> None:
    smaller = resample(SAM, ramp(64)[None], (1, 32, 32, 2))
    assert float((smaller[0] - ramp(32))[3:-3, 3:-3].abs().max()) < 1e-5


def test_relative_positions_are_linear() -> None:
    table = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    wanted = 15
    at = (np.arange(wanted) + 0.5) * 7 / wanted - 0.5  # centres of the old steps at integers
    expected = np.stack([np.interp(at, np.arange(7), column) for column in table.T.numpy()], -1)
    got = resample(RELATIVE, table, (wanted, 3))
    assert np.allclose(got.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "have", "want", "can"),
    [
        (CLIP, (257, 64), (577, 64), True),
        (CLIP, (257, 64), (577, 32), False),
        (CLIP, (258, 64), (577, 64), False),
        (SAM, (1, 64, 64, 8), (1, 4, 4, 8), True),
        (SAM, (1, 64, 64, 8), (1, 4, 4, 9), False),
        (RELATIVE, (127, 64), (63, 64), True),
        (RELATIVE, (127, 64), (63, 80), False),
        ("model.clip.vision.pre_layrnorm.weight", (3,), (4,), False),
        ("model.language_model.embed_tokens.weight", (3, 4), (5, 4), False),
    ],
)
def test_only_position_embeddings_bend(
    name: str, have: tuple[int, ...], want: tuple[int, ...], can: bool
) -> None:
    assert can_resample(name, have, want) is can


@torch.no_grad()
def test_towers_of_other_sizes_are_fitted(tmp_path: Path, files: dict[str, str]) -> None:
    """CLIP of 28 px at 42 px, SAM of 128 px at 64 px, against references fitted here."""
    clip = upstream.fill(upstream.ClipViT(size=28), 5)
    sam = upstream.fill(upstream.SamEncoder(size=128), 6)
    torch.save(upstream.Clip(clip).state_dict(), tmp_path / "clip.pt")
    torch.save(upstream.sam_file(sam), tmp_path / "sam.pth")
    given = {"clip": str(tmp_path / "clip.pt"), "sam": str(tmp_path / "sam.pth"), "alpha": None}
    model = parity.build(tmp_path, {**files, **given})
    fitted = upstream.fill(upstream.ClipViT(size=42), 5)
    state = clip.state_dict()
    cells = state["positional_embedding"][1:].reshape(2, 2, 128).permute(2, 0, 1)[None]
    cells = F.interpolate(cells, (3, 3), mode="bicubic", align_corners=False)[0].flatten(1).T
    state["positional_embedding"] = torch.cat([state["positional_embedding"][:1], cells])
    fitted.load_state_dict(state)
    assert parity.clip_difference(model, fitted, None) < 1e-5
    small = upstream.SamEncoder(size=64).eval()
    state = sam.state_dict()
    state["pos_embed"] = F.interpolate(
        state["pos_embed"].permute(0, 3, 1, 2), (4, 4), mode="bicubic", align_corners=False
    ).permute(0, 2, 3, 1)
    for axis in "hw":
        name = f"blocks.1.attn.rel_pos_{axis}"  # the global block; windows keep their extent
        state[name] = F.interpolate(state[name].T[None], 7, mode="linear")[0].T
    small.load_state_dict(state)
    assert parity.sam_difference(model, small) < 1e-5
    noted = json.loads((tmp_path / "model/manifest.json").read_text())["resampled"]
    assert noted[CLIP] == [[5, 128], [10, 128]]
    assert noted[SAM] == [[1, 8, 8, 32], [1, 4, 4, 32]]
    assert len(noted) == 4
