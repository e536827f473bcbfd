"""Models by name, and how each row of the paper's Table 2 can be run, or why it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CHECKPOINTS: dict[str, str] = {
    "kosmos-2": "microsoft/kosmos-2-patch14-224",
    "qwen2-vl-7b": "Qwen/Qwen2-VL-7B-Instruct",
    "llava-1.6-13b": "llava-hf/llava-v1.6-vicuna-13b-hf",
    "vip-llava-13b": "llava-hf/vip-llava-13b-hf",
    "llama-3.2-11b": "meta-llama/Llama-3.2-11B-Vision-Instruct",
    "llama-3.2-90b": "meta-llama/Llama-3.2-90B-Vision-Instruct",
    # not of the table: smaller or newer members of the same families
    "qwen2-vl-2b": "Qwen/Qwen2-VL-2B-Instruct",
    "qwen2.5-vl-3b": "Qwen/Qwen2.5-VL-3B-Instruct",
    "qwen2.5-vl-7b": "Qwen/Qwen2.5-VL-7B-Instruct",
    "qwen3-vl-8b": "Qwen/Qwen3-VL-8B-Instruct",
    "llava-1.5-7b": "llava-hf/llava-1.5-7b-hf",
    "llava-1.5-13b": "llava-hf/llava-1.5-13b-hf",
    "internvl-3-8b": "OpenGVLab/InternVL3-8B-hf",
}
"""Name -> published checkpoint that transformers opens without foreign code."""

OPENAI_MODELS: tuple[str, ...] = ("gpt-4o", "gpt-4o-mini")
"""Asked at OpenAI's address, or at OPENAI_BASE_URL."""

_SERVED = (
    "run it with its own server and give openai:NAME@ADDRESS where that speaks OpenAI's protocol"
)
REASONS: dict[str, str] = {
    "alpha-clip-13b": (
        "its weights with a 13B language model are no checkpoint that transformers opens; it is "
        "the configuration use_convnext=False, use_sam=False of our own model: train one, and give "
        "its folder"
    ),
    "llava-hr-x": (
        "its weights are no checkpoint that transformers opens; it is the configuration "
        "mask_path=False, use_sam=False of our own model: train one, and give its folder"
    ),
    "ferret-13b": (
        "it is published as differences to other weights, with code of its own, and has no class "
        f"in transformers; {_SERVED}"
    ),
    "vila-1.5-8b": f"it has no class in transformers; {_SERVED}",
    "internvl-2-40b": (
        "OpenGVLab/InternVL2-40B is published as code of its own (model_type internvl_chat), which "
        "is not run here; give a folder that was converted to transformers' InternVL, or "
        "openai:OpenGVLab/InternVL2-40B@ADDRESS with shown=internvl"
    ),
    "finecaption-8b": (
        "the paper's weights are not published; `finecaption assemble` builds the architecture "
        "from its published parts, training makes it speak: give the folder"
    ),
}
"""Name -> why it cannot be run by its name, and what to do instead."""

_TRAINED = "weights trained on CompositionCap are not published: train them, and give the folder"


@dataclass(frozen=True)
class TableRow:
    """A row of Table 2."""

    title: str
    """As in the paper; the key of `finecaption.eval.published.TABLE_2`."""
    setting: Literal["zero-shot", "supervised"]
    model: str
    """The model's name here."""
    note: str = ""
    """What the name alone does not give."""

    @property
    def runs(self) -> bool:
        """Whether `--model NAME` runs this row as it was in the paper."""
        return not self.reason

    @property
    def reason(self) -> str:
        """Why it does not; empty if it does."""
        return REASONS.get(self.model, "") or self.note


TABLE_2: tuple[TableRow, ...] = (
    TableRow("Kosmos-2 (box)", "zero-shot", "kosmos-2"),
    TableRow("Alpha-CLIP-13B (mask)", "zero-shot", "alpha-clip-13b"),
    TableRow("Qwen2-VL-7B (box), zero-shot", "zero-shot", "qwen2-vl-7b"),
    TableRow("Ferret-13B (contour)", "zero-shot", "ferret-13b"),
    TableRow("ViP-LLaVA-13B (contour), zero-shot", "zero-shot", "vip-llava-13b"),
    TableRow("LLaMA-3.2-11B", "zero-shot", "llama-3.2-11b"),
    TableRow("LLaMA-3.2-90B", "zero-shot", "llama-3.2-90b"),
    TableRow("InternVL-2-40B", "zero-shot", "internvl-2-40b"),
    TableRow("GPT-4o (box)", "zero-shot", "gpt-4o"),
    TableRow("Qwen2-VL-7B (box)", "supervised", "qwen2-vl-7b", _TRAINED),
    TableRow("LLaVA-1.6-13B (box)", "supervised", "llava-1.6-13b", _TRAINED),
    TableRow("VILA1.5-8B (box)", "supervised", "vila-1.5-8b", _TRAINED),
    TableRow("ViP-LLaVA-13B (contour)", "supervised", "vip-llava-13b", _TRAINED),
    TableRow("Alpha-CLIP-13B (mask, 336)", "supervised", "alpha-clip-13b", _TRAINED),
    TableRow("LLaVA-HR-X (box, 1024)", "supervised", "llava-hr-x", _TRAINED),
    TableRow("LLaMA-3.2-11B (box)", "supervised", "llama-3.2-11b", _TRAINED),
    TableRow("FineCaption-8B (mask, 1024)", "supervised", "finecaption-8b", _TRAINED),
)
"""Every row, in the paper's order."""
