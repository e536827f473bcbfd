"""Captioners: ours, any vision-language model of transformers, any served model.

    captioner = open_captioner("qwen2-vl-7b")
    captioner.caption_batch([Request(image, [region], ["Color"])])

Importing this loads neither torch nor transformers; opening one of our models does.
"""

from __future__ import annotations

from finecaption.captioners.registry import ModelSpec, find_folder, open_captioner
from finecaption.captioners.table2 import TABLE_2
from finecaption.captioners.visual_prompts import VISUAL_PROMPTS, show

__all__ = [
    "TABLE_2",
    "VISUAL_PROMPTS",
    "ModelSpec",
    "find_folder",
    "open_captioner",
    "show",
]
