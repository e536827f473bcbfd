"""Which published parts make a model: functions, so that one can be written in terms of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from finecaption.errors import InputError


@dataclass(frozen=True)
class Preset:
    """Sources of the parts, and the sizes that are no property of a part.

    Attributes:
        clip, alpha, convnext, sam, llm: each a hub id, a folder or a file; None: must be given
            (alpha: starts at zero, which leaves CLIP as it is).
        clip_size: side in pixels of CLIP's square; its position embeddings are resampled to it.
        image_size: side of ConvNeXt's and SAM's square; SAM's position embeddings likewise.
        dtype: of the weights that are written.
    """

    name: str
    clip: str | None = "openai/clip-vit-large-patch14-336"
    alpha: str | None = None
    convnext: str | None = None
    sam: str | None = None
    llm: str | None = None
    clip_size: int = 336
    image_size: int = 1024
    dtype: str = "bfloat16"


def paper_8b() -> Preset:
    """The paper's parts (arXiv 2411.15411); which ConvNeXt and SAM exactly is EAGLE's choice.

    Alpha-CLIP's weights (`clip_l14_336_grit_20m_4xe.pth`) are not on the hub: give them by `alpha`.
    """
    return Preset(
        "8b",
        convnext="timm/convnext_xxlarge.clip_laion2b_soup",
        sam="facebook/sam-vit-large",
        llm="meta-llama/Llama-3.1-8B-Instruct",
    )


def light_8b() -> Preset:
    """The paper's language model with ConvNeXt-L and SAM-B: a quarter of the HR towers' cost."""
    return replace(
        paper_8b(),
        name="8b-light",
        convnext="timm/convnext_large_mlp.clip_laion2b_ft_soup_320",
        sam="facebook/sam-vit-base",
    )


def llama_3b() -> Preset:
    """The light towers with Llama-3.2-3B."""
    return replace(light_8b(), name="3b", llm="meta-llama/Llama-3.2-3B-Instruct")


def qwen_1b5() -> Preset:
    """The light towers with Qwen2.5-1.5B, which needs no license to be accepted."""
    return replace(light_8b(), name="1.5b", llm="Qwen/Qwen2.5-1.5B-Instruct")


def qwen_0b5() -> Preset:
    """The light towers with Qwen2.5-0.5B."""
    return replace(light_8b(), name="0.5b", llm="Qwen/Qwen2.5-0.5B-Instruct")


def tiny() -> Preset:
    """For tests: no sources, LR 42 px, HR 64 px, so 4 image tokens; written in float32."""
    return Preset("tiny", clip=None, clip_size=42, image_size=64, dtype="float32")


PRESETS: dict[str, Callable[[], Preset]] = {
    "8b": paper_8b,
    "8b-light": light_8b,
    "3b": llama_3b,
    "1.5b": qwen_1b5,
    "0.5b": qwen_0b5,
    "tiny": tiny,
}


def find_preset(name: str) -> Preset:
    """A preset by its name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in PRESETS:
        raise InputError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]()


__all__ = ["PRESETS", "Preset", "find_preset"]
