"""Each tower against transformers' own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from transformers import ConvNextModel, SamVisionModel

from finecaption.model import tiny
from finecaption.model.encoders import ConvNextTower, MaskAwareCLIP, SamTower
from finecaption.model.fusion import Adapter, normalise, resize_grid


def _pictures(side: int, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def clip() -> MaskAwareCLIP:
    torch.manual_seed(0)
    return MaskAwareCLIP(tiny().clip_config, select_layer=-2).eval()


@torch.no_grad()
def test_zero_alpha_is_transformers_clip(clip: MaskAwareCLIP) -> None:
    pictures = _pictures(42)
    alpha = torch.randn(2, 1, 42, 42)
    expected = clip.vision(pictures, output_hidden_states=True)
    got = clip(pictures, alpha)
    assert torch.equal(got.last_hidden_state, expected.last_hidden_state)
    assert torch.equal(got.pooler_output, expected.pooler_output)
    features = clip.features(pictures, alpha)
    assert features.shape == (2, 32, 3, 3)
    assert torch.equal(features.flatten(2).transpose(1, 2), expected.hidden_states[-2][:, 1:])


@torch.no_grad()
def test_alpha_joins_the_patch_embedding_before_everything_else() -> None:
    torch.manual_seed(0)
    clip = MaskAwareCLIP(tiny().clip_config).eval()
    torch.nn.init.normal_(clip.alpha.weight, std=0.5)
    pictures, alpha = _pictures(42), torch.randn(2, 1, 42, 42)
    # The same sum, made outside: a mask as a fourth channel of one convolution.
    patch = clip.vision.embeddings.patch_embedding
    joint = torch.cat([patch.weight, clip.alpha.weight], dim=1)
    expected = F.conv2d(torch.cat([pictures, alpha], dim=1), joint, stride=14)
    seen = []
    hook = clip.vision.pre_layrnorm.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    changed = clip.features(pictures, alpha)
    hook.remove()
    position = clip.vision.embeddings.position_embedding.weight
    torch.testing.assert_close(seen[0][:, 1:], expected.flatten(2).transpose(1, 2) + position[1:])
    assert not torch.allclose(changed, clip.features(pictures, -alpha))


@torch.no_grad()
def test_no_mask_path_ignores_masks() -> None:
    clip = MaskAwareCLIP(tiny().clip_config, mask_path=False).eval()
    assert clip.alpha is None
    pictures = _pictures(42)
    assert torch.equal(
        clip.features(pictures, torch.ones(2, 1, 42, 42)), clip.features(pictures, None)
    )


@torch.no_grad()
@pytest.mark.parametrize("layer", [-1, -3, 1, 3])
def test_select_layer(layer: int) -> None:
    clip = MaskAwareCLIP(tiny().clip_config, select_layer=layer).eval()
    hidden = clip.vision(_pictures(42), output_hidden_states=True).hidden_states[layer]
    got = clip.features(_pictures(42)).flatten(2).transpose(1, 2)
    assert torch.equal(got, hidden[:, 1:])


def test_clip_refuses_another_size(clip: MaskAwareCLIP) -> None:
    with pytest.raises(ValueError, match=r"\(28, 28\), the model takes \(42, 42\)"):
        clip.features(_pictures(28))


@torch.no_grad()
def test_convnext_is_transformers() -> None:
    config = tiny().convnext_config
    tower = ConvNextTower(config, norm_eps=1e-6).eval()
    original = ConvNextModel(config).eval()
    original.load_state_dict(tower.model.state_dict())
    pictures = _pictures(64)
    got = tower(pictures)
    assert got.shape == (2, 24, 2, 2)
    assert torch.equal(got, original(pictures).last_hidden_state)


@torch.no_grad()
def test_convnext_epsilon_counts() -> None:
    config = tiny().convnext_config
    tower = ConvNextTower(config, norm_eps=1e-5).eval()
    other = ConvNextTower(config, norm_eps=1e-1).eval()
    other.load_state_dict(tower.state_dict())
    assert not torch.allclose(tower(_pictures(64)), other(_pictures(64)))


@torch.no_grad()
def test_sam_is_transformers_then_unshuffled() -> None:
    config = tiny().sam_config
    tower = SamTower(config, unshuffle=2).eval()
    for parameter in tower.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    original = SamVisionModel(config).eval()
    original.load_state_dict(tower.model.state_dict())
    pictures = _pictures(64)
    neck = original(pictures).last_hidden_state
    assert torch.equal(tower.image_embeddings(pictures), neck)
    got = tower(pictures)
    assert got.shape == (2, 64, 2, 2)
    # Cell (0, 1) of channel group 5 holds the four neck cells below it, row by row.
    assert torch.equal(got[:, 20:24, 0, 1], neck[:, 5, 0:2, 2:4].flatten(1))
    assert torch.equal(tower.unfold(got), neck)


@torch.no_grad()
def test_adapter_is_linear_gelu_linear_over_all_channels() -> None:
    torch.manual_seed(0)
    adapter = Adapter(5, 7, 11, 3)
    clip, hr = torch.randn(4, 5, 2, 2), torch.randn(2, 7, 2, 2)
    index = torch.tensor([1, 0, 1, 1])
    joint = torch.cat([adapter.clip_in.weight, adapter.hr_in.weight], dim=1)
    stacked = torch.cat([clip, hr[index]], dim=1).flatten(2).transpose(1, 2)
    expected = adapter.out(F.gelu(F.linear(stacked, joint, adapter.clip_in.bias)))
    got = adapter(clip, hr, index)
    assert got.shape == (4, 4, 3)
    torch.testing.assert_close(got, expected)


def test_resize_is_done_in_float32() -> None:
    features = torch.randn(1, 2, 3, 3, dtype=torch.bfloat16)
    expected = F.interpolate(features.float(), size=(4, 4), mode="bilinear", align_corners=False)
    assert torch.equal(resize_grid(features, 4), expected.to(torch.bfloat16))
    assert resize_grid(features, 3) is features


def test_normalise_takes_bytes_and_fractions() -> None:
    raw = torch.tensor([[[0, 255], [51, 102]]], dtype=torch.uint8)
    expected = (torch.tensor([[[0.0, 1.0], [0.2, 0.4]]]) - 0.5) / 0.26
    torch.testing.assert_close(normalise(raw, (0.5,), (0.26,)), expected)
    torch.testing.assert_close(normalise(raw.double() / 255, (0.5,), (0.26,)), expected)
    # Alpha-CLIP's foreground and background.
    assert expected[0, 0].tolist() == pytest.approx([-1.923, 1.923], abs=1e-3)
