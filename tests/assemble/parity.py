"""Each source format against an independent implementation, through a whole assembled model.

A case writes a checkpoint in a foreign format, assembles a model with it, loads that with
`from_pretrained`, and returns the largest difference between the outputs of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    CLIPConfig,
    CLIPModel,
    ConvNextConfig,
    ConvNextForImageClassification,
    ConvNextModel,
    SamConfig,
    SamModel,
)

from finecaption.assemble.build import assemble
from finecaption.assemble.presets import tiny
from finecaption.model import FineCaptionForConditionalGeneration

from . import upstream

Case = Callable[[Path, dict[str, str]], float]
CASES: dict[str, tuple[str, Case]] = {}
"""Name of the format -> (what it is compared with, the case)."""

OURS = "written for the test"
THEIRS = "transformers"


def _case(name: str, against: str) -> Callable[[Case], Case]:
    def add(case: Case) -> Case:
        CASES[name] = (against, case)
        return case

    return add


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    """Standard normal values."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def alpha_mask() -> torch.Tensor:
    """Two normalised masks, (2, 1, 42, 42): a corner, and soft values."""
    mask = torch.zeros(2, 1, 42, 42)
    mask[0, :, :20, 10:] = 1
    mask[1] = torch.linspace(0, 1, 42)
    return (mask - 0.5) / 0.26


def build(
    folder: Path, files: dict[str, str | None], eps: float | None = None
) -> FineCaptionForConditionalGeneration:
    """Assembles with the tiny preset and loads the result."""
    out = assemble(tiny(), folder / "model", convnext_eps=eps, **files)
    return FineCaptionForConditionalGeneration.from_pretrained(out).eval()


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest, of equal shapes."""
    assert ours.shape == theirs.shape and float(theirs.abs().max()) > 0.1
    return float((ours - theirs).abs().max())


@torch.no_grad()
def clip_difference(
    model: FineCaptionForConditionalGeneration,
    reference: upstream.ClipViT,
    alpha: torch.Tensor | None,
) -> float:
    """Of the pooled output and of the hidden state that the model reads."""
    pixels, mask = noise(2, 3, 42, 42), alpha_mask()
    theirs = reference.hidden(pixels, alpha, 2)[:, 1:].mT.unflatten(2, (3, 3))
    return max(
        difference(model.clip(pixels, mask).pooler_output, reference(pixels, alpha)),
        difference(model.clip.features(pixels, mask), theirs),
    )


@_case("OpenAI CLIP, .pt archive", OURS)
def _openai(folder: Path, files: dict[str, str]) -> float:
    reference = upstream.fill(upstream.ClipViT(), 11)
    upstream.script(upstream.Clip(reference), torch.zeros(1, 3, 42, 42), folder / "clip.pt")
    model = build(folder, {**files, "clip": str(folder / "clip.pt"), "alpha": None})
    return clip_difference(model, reference, None)


@_case("OpenAI CLIP, state dict", OURS)
def _openai_state(folder: Path, files: dict[str, str]) -> float:
    reference = upstream.fill(upstream.ClipViT(), 12)
    torch.save(upstream.Clip(reference).state_dict(), folder / "clip.pt")
    model = build(folder, {**files, "clip": str(folder / "clip.pt"), "alpha": None})
    return clip_difference(model, reference, None)


@_case("transformers CLIP folder", THEIRS)
@torch.no_grad()
def _transformers_clip(folder: Path, files: dict[str, str]) -> float:
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
              "num_attention_heads": 4, "image_size": 42, "patch_size": 14,
              "initializer_factor": 5.0, "hidden_act": "quick_gelu"}  # fmt: skip
    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "vocab_size": 99,
            "num_attention_heads": 2, "eos_token_id": 1, "bos_token_id": 0}  # fmt: skip
    reference = CLIPModel(CLIPConfig(vision_config=vision, text_config=text)).eval()
    upstream.fill(reference, 13)
    reference.save_pretrained(folder / "clip")
    model = build(folder, {**files, "clip": str(folder / "clip"), "alpha": None})
    pixels = noise(2, 3, 42, 42)
    theirs = reference.vision_model(pixels, output_hidden_states=True)
    return max(
        difference(model.clip(pixels, alpha_mask()).pooler_output, theirs.pooler_output),
        difference(
            model.clip.features(pixels, alpha_mask()).flatten(2).mT, theirs.hidden_states[-2][:, 1:]
        ),
    )


@_case("Alpha-CLIP .pth, with masks", OURS)
def _alpha(folder: Path, files: dict[str, str]) -> float:
    reference = upstream.fill(upstream.ClipViT(alpha=True), 14)
    torch.save(reference.state_dict(), folder / "alpha.pth")
    model = build(folder, {**files, "alpha": str(folder / "alpha.pth")})
    return clip_difference(model, reference, alpha_mask())


@_case("Alpha-CLIP .pth, visual. names", OURS)
def _alpha_visual(folder: Path, files: dict[str, str]) -> float:
    reference = upstream.fill(upstream.ClipViT(alpha=True), 15)
    state = {f"visual.{name}": tensor for name, tensor in reference.state_dict().items()}
    torch.save(state, folder / "alpha.pth")
    model = build(folder, {**files, "alpha": str(folder / "alpha.pth")})
    return clip_difference(model, reference, alpha_mask())


@_case("alpha convolution alone", OURS)
def _alpha_conv(folder: Path, files: dict[str, str]) -> float:
    reference = upstream.fill(upstream.ClipViT(alpha=True), 16)
    state = reference.state_dict()
    torch.save({"conv1_alpha.weight": state.pop("conv1_alpha.weight")}, folder / "alpha.pth")
    torch.save(state, folder / "clip.pth")
    given = {"clip": str(folder / "clip.pth"), "alpha": str(folder / "alpha.pth")}
    return clip_difference(build(folder, {**files, **given}), reference, alpha_mask())


@torch.no_grad()
def convnext_difference(
    model: FineCaptionForConditionalGeneration, reference: torch.nn.Module, scale: float = 1.0
) -> float:
    """Of the last stage; a small `scale` makes the norms' epsilon count."""
    assert model.convnext is not None
    pixels = scale * noise(2, 3, 64, 64)
    theirs = reference(pixels)
    return difference(model.convnext(pixels), getattr(theirs, "last_hidden_state", theirs))


@_case("timm ConvNeXt .safetensors", OURS)
def _timm(folder: Path, files: dict[str, str]) -> float:
    reference = upstream.fill(upstream.ConvNeXt(), 21)
    save_file(reference.state_dict(), folder / "convnext.safetensors")
    given = {**files, "convnext": str(folder / "convnext.safetensors")}
    return convnext_difference(build(folder, given), reference)


@_case("timm ConvNeXt .bin", OURS)
def _timm_bin(folder: Path, files: dict[str, str]) -> float:
    reference = upstream.fill(upstream.ConvNeXt(), 22)
    torch.save(reference.state_dict(), folder / "pytorch_model.bin")
    given = {**files, "convnext": str(folder / "pytorch_model.bin")}
    return convnext_difference(build(folder, given), reference)


@_case("open_clip ConvNeXt .bin", OURS)
def _open_clip(folder: Path, files: dict[str, str]) -> float:
    reference = upstream.fill(upstream.ConvNeXt(), 23)
    torch.save(upstream.open_clip_file(reference), folder / "open_clip_pytorch_model.bin")
    given = {**files, "convnext": str(folder / "open_clip_pytorch_model.bin")}
    return convnext_difference(build(folder, given), reference)


@_case("open_clip ConvNeXt .safetensors", OURS)
def _open_clip_safe(folder: Path, files: dict[str, str]) -> float:
    reference = upstream.fill(upstream.ConvNeXt(), 24)
    save_file(upstream.open_clip_file(reference), folder / "open_clip_model.safetensors")
    given = {**files, "convnext": str(folder / "open_clip_model.safetensors")}
    return convnext_difference(build(folder, given), reference)


@_case("transformers ConvNeXt folder", THEIRS)
def _transformers_convnext(folder: Path, files: dict[str, str]) -> float:
    config = ConvNextConfig(depths=[1, 1, 2, 1], hidden_sizes=[8, 12, 16, 24])
    reference = ConvNextForImageClassification(config)
    upstream.fill(reference, 25)
    reference.save_pretrained(folder / "convnext")
    model = build(folder, {**files, "convnext": str(folder / "convnext")})
    return convnext_difference(model, ConvNextModel.from_pretrained(folder / "convnext").eval())


@torch.no_grad()
def sam_difference(model: FineCaptionForConditionalGeneration, reference: torch.nn.Module) -> float:
    """Of the neck's output."""
    assert model.sam is not None
    pixels = noise(2, 3, 64, 64)
    theirs = reference(pixels)
    ours = model.sam.image_embeddings(pixels)
    return difference(ours, getattr(theirs, "last_hidden_state", theirs))


@_case("Meta SAM .pth", OURS)
def _sam(folder: Path, files: dict[str, str]) -> float:
    reference = upstream.fill(upstream.SamEncoder(), 31)
    torch.save(upstream.sam_file(reference), folder / "sam.pth")
    return sam_difference(build(folder, {**files, "sam": str(folder / "sam.pth")}), reference)


@_case("transformers SAM folder", THEIRS)
def _transformers_sam(folder: Path, files: dict[str, str]) -> float:
    vision = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
              "global_attn_indexes": [1], "num_pos_feats": 8, "mlp_dim": 64, "image_size": 64,
              "output_channels": 16, "window_size": 3}  # fmt: skip
    small = {"hidden_size": 16, "num_attention_heads": 2, "mlp_dim": 16}
    reference = SamModel(
        SamConfig(
            vision_config=vision,
            mask_decoder_config={**small, "num_hidden_layers": 1, "iou_head_hidden_dim": 16},
            prompt_encoder_config={"hidden_size": 16, "image_size": 64},
        )
    ).eval()
    upstream.fill(reference, 32)
    reference.save_pretrained(folder / "sam")
    model = build(folder, {**files, "sam": str(folder / "sam")})
    return sam_difference(model, reference.vision_encoder)


@torch.no_grad()
def llm_difference(model: FineCaptionForConditionalGeneration, folder: Path) -> float:
    """Of the logits of a text without pictures, in the checkpoint's own vocabulary."""
    reference = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.arange(9, 29).reshape(2, 10)
    rows = reference.config.vocab_size
    return difference(model(input_ids=ids).logits[..., :rows], reference(input_ids=ids).logits)


def _llm(kind: str, tied: bool) -> Case:
    def case(folder: Path, files: dict[str, str]) -> float:
        upstream.language_model(folder / "llm", kind, tied=tied, seed=41, shard="40KB")
        model = build(folder, {**files, "llm": str(folder / "llm")})
        return llm_difference(model, folder / "llm")

    return case


for _kind, _tied in (("llama", False), ("qwen2", True), ("qwen3", False), ("mistral", False)):
    _shown = f"{_kind.capitalize()} folder, shards{', tied' if _tied else ''}"
    CASES[_shown] = (THEIRS, _llm(_kind, _tied))
