"""Every format, through a whole assembled model, against an independent implementation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from . import parity, upstream

LIMIT = 1e-5  # float32


@pytest.mark.parametrize("name", parity.CASES)
def test_assembled_towers_agree_with_upstream(
    name: str, tmp_path: Path, files: dict[str, str]
) -> None:
    assert parity.CASES[name][1](tmp_path, files) < LIMIT


def test_the_epsilon_of_convnext_counts(tmp_path: Path, files: dict[str, str]) -> None:
    reference = upstream.fill(upstream.ConvNeXt(eps=1e-5), 3)
    model = parity.build(tmp_path / "right", files)
    assert model.config.convnext_norm_eps == 1e-5
    assert parity.convnext_difference(model, reference, scale=0.01) < LIMIT
    wrong = parity.build(tmp_path / "wrong", files, eps=1e-6)
    assert wrong.config.convnext_norm_eps == 1e-6
    assert parity.convnext_difference(wrong, reference, scale=0.01) > 10 * LIMIT


@torch.no_grad()
def test_masks_count_and_only_through_the_alpha_weights(
    tmp_path: Path, files: dict[str, str]
) -> None:
    model = parity.build(tmp_path / "alpha", files)
    pixels, mask = parity.noise(2, 3, 42, 42), parity.alpha_mask()
    assert (
        model.clip.features(pixels, mask) - model.clip.features(pixels, -mask)
    ).abs().max() > 0.1
    plain = parity.build(tmp_path / "plain", {**files, "alpha": None})
    assert torch.equal(plain.clip.features(pixels, mask), plain.clip.features(pixels, -mask))
