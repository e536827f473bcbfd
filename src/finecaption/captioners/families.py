"""How each family of models is shown a region and asked about it: format and wording.

A family is found by `model_type` of a checkpoint's config.json. Formats are the published ones;
where a family has none for a task, the wording is chosen here, and docs/captioners.md says so.
Raise PROMPTS_VERSION with any change that a model could notice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.captioners import boxes
from finecaption.captioners.visual_prompts import Shown, draw_box, draw_contour, pad_square
from finecaption.io.geometry import Size
from finecaption.io.masks import box_from_mask
from finecaption.types import Task

PROMPTS_VERSION = "1"

Resize = Callable[[Size], Size]
"""(width, height) of an image -> of what the model is given."""

ONLY = "Answer with the description alone."

_CLIP_GREY = (122, 116, 104)  # CLIP's mean color, 255 x: what LLaVA pads with
_VICUNA = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the human's questions."
)


def question(task: Task, attribute: str | None, words: str) -> str:
    """The text of a question, for families without a wording of their own.

    Args:
        words: what the region is called, such as "the region in the red box"; not used by cgic.
    """
    if task == "cgic":
        return f"Describe the picture in one detailed paragraph. {ONLY}"
    if task == "rdc":
        return f"Describe {words} in one detailed paragraph. {ONLY}"
    if attribute == ATTRIBUTE_NAMES[0]:
        return f"Describe {words} in one sentence. {ONLY}"
    return f"Describe this attribute of {words} in one sentence: {attribute}. {ONLY}"


@dataclass(frozen=True)
class Family:
    """Models that take regions in the same format."""

    name: str
    title: str
    model_types: tuple[str, ...]
    """Of config.json."""
    region: str
    """How a region is given, in a line."""
    refer: Callable[[Image.Image, np.ndarray, Resize], Shown]
    """(image RGB, mask bool (H, W), the model's resizing) -> what the model is shown, and the
    region's words."""
    ask: Callable[[Task, str | None, str], str] = question
    """(task, attribute, words) -> the question."""
    prepare: Callable[[Image.Image], Image.Image] | None = None
    """What is done to an image of which no region is asked."""
    template: str | None = None
    """The whole prompt, with {question}, for checkpoints that bring no chat template."""
    bare: bool = False
    """Whether the question is the whole prompt, and nothing is put around it."""
    stop: str | None = None
    """Where an answer ends, besides at the end token."""
    equal_lengths: bool = False
    """Whether only prompts of one length may share a batch."""

    def clean(self, text: str) -> str:
        """A decoded answer without tags and without text after its end."""
        if self.stop is not None:
            text = text.partition(self.stop)[0]
        if self.bare:
            text = re.sub(r"<[^<>]*>", "", text)
        return " ".join(text.split())


def _kosmos_refer(picture: Image.Image, mask: np.ndarray, _: Resize) -> Shown:
    return Shown(picture, boxes.kosmos2(box_from_mask(mask), picture.size))


def _kosmos_ask(task: Task, attribute: str | None, words: str) -> str:
    """Kosmos-2 completes text: the forms are those of its model card."""
    if task == "cgic":
        return "<grounding> Describe this image in detail:"
    if task == "rdc":
        return f"<grounding> Question: What are the details of<phrase> it</phrase>{words}? Answer:"
    if attribute == ATTRIBUTE_NAMES[0]:
        return f"<grounding><phrase> It</phrase>{words} is"
    said = (attribute or "").lower()
    return f"<grounding> Question: What is the {said} of<phrase> it</phrase>{words}? Answer:"


def _qwen2_refer(picture: Image.Image, mask: np.ndarray, _: Resize) -> Shown:
    return Shown(picture, f"the region {boxes.qwen2(box_from_mask(mask), picture.size)}")


def _qwen2_5_refer(picture: Image.Image, mask: np.ndarray, resize: Resize) -> Shown:
    resized = resize(picture.size)
    text = boxes.qwen2_5(box_from_mask(mask), picture.size, resized)
    return Shown(picture, f"the region {text}")


def _qwen3_refer(picture: Image.Image, mask: np.ndarray, _: Resize) -> Shown:
    return Shown(picture, f"the region {boxes.qwen3(box_from_mask(mask), picture.size)}")


def _internvl_refer(picture: Image.Image, mask: np.ndarray, _: Resize) -> Shown:
    return Shown(picture, f"the {boxes.internvl(box_from_mask(mask), picture.size)}")


def _square(picture: Image.Image) -> Image.Image:
    return pad_square(picture, _CLIP_GREY)


def _llava_refer(picture: Image.Image, mask: np.ndarray, _: Resize) -> Shown:
    return Shown(_square(picture), boxes.llava(box_from_mask(mask), picture.size))


def _llava_ask(task: Task, attribute: str | None, words: str) -> str:
    if task == "aarc" and attribute == ATTRIBUTE_NAMES[0]:
        return f"Please provide a short description for this region: {words}."
    if task == "aarc":
        return f"Please describe the {(attribute or '').lower()} of this region: {words}."
    if task == "rdc":
        return f"Please provide a detailed description for this region: {words}."
    return question(task, attribute, words)


def _vip_refer(picture: Image.Image, mask: np.ndarray, _: Resize) -> Shown:
    # Trained with alpha of 96-255 and half-widths of 1-2 px at 336 px; here the clearest of them.
    drawn = draw_contour(picture, mask, half_width=2 * max(1.0, max(picture.size) / 336))
    return Shown(_square(drawn), "the region within the red mask contour")


def _red_box_refer(picture: Image.Image, mask: np.ndarray, _: Resize) -> Shown:
    return Shown(draw_box(picture, mask), "the region in the red box")


_LLAVA_TEXT = "box as text, two decimals in [0, 1] of the picture padded to a square"

FAMILIES: tuple[Family, ...] = (
    Family(
        "kosmos-2", "Kosmos-2", ("kosmos-2",),
        "box as two of its 32 x 32 patch index tokens", _kosmos_refer, _kosmos_ask, bare=True,
        # transformers counts the padding into the places of all tokens after the first new one
        equal_lengths=True,
    ),
    Family(
        "qwen2-vl", "Qwen2-VL", ("qwen2_vl",),
        "box as text in its box tokens, 0-1000", _qwen2_refer,
    ),
    Family(
        "qwen2.5-vl", "Qwen2.5-VL", ("qwen2_5_vl",),
        "box as text in its box tokens, pixels of the resized picture", _qwen2_5_refer,
    ),
    Family(
        "qwen3-vl", "Qwen3-VL", ("qwen3_vl", "qwen3_vl_moe"),
        "box as JSON bbox_2d, 0-1000", _qwen3_refer,
    ),
    Family(
        "llava-1.5", "LLaVA-1.5", ("llava",), _LLAVA_TEXT, _llava_refer, _llava_ask, _square,
        template="USER: <image>\n{question} ASSISTANT:",
    ),
    Family(
        "llava-1.6", "LLaVA-1.6", ("llava_next",), _LLAVA_TEXT, _llava_refer, _llava_ask, _square,
        template=_VICUNA + " USER: <image>\n{question} ASSISTANT:",
    ),
    Family(
        "vip-llava", "ViP-LLaVA", ("vipllava",),
        "contour drawn in red on the picture", _vip_refer, prepare=_square,
        template=_VICUNA + "###Human: <image>\n{question}###Assistant:", stop="###",
    ),
    Family(
        "internvl", "InternVL-2, 2.5 and 3", ("internvl",),
        "box as text in its ref and box tags, 0-1000", _internvl_refer,
    ),
    Family(
        "llama-3.2-vision", "LLaMA-3.2-Vision", ("mllama",),
        "box drawn in red on the picture (none is published; chosen here)", _red_box_refer,
    ),
)  # fmt: skip
"""With a region format of their own."""

OTHER = Family(
    "other", "any other", (), "box drawn in red on the picture (chosen here)", _red_box_refer
)
"""Whatever else `AutoModelForImageTextToText` opens."""


def family_of(model_type: str) -> Family:
    """The family of a config's `model_type`; OTHER if none has it."""
    for family in FAMILIES:
        if model_type in family.model_types:
            return family
    return OTHER
