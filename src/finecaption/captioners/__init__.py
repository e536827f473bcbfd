"""Captioners to compare: ours, any vision-language model of transformers, any served one.

    captioner = open_captioner("qwen2-vl-7b")
    captioner.caption([Query(image, region, "aarc", "Color")])

Importing this loads neither torch nor transformers; asking does.
"""

from __future__ import annotations

from finecaption.captioners.opening import find_folder, open_captioner, open_describer
from finecaption.captioners.protocol import Captioner, Query
from finecaption.captioners.table2 import TABLE_2
from finecaption.captioners.visual_prompts import VISUAL_PROMPTS, show

__all__ = [
    "TABLE_2",
    "VISUAL_PROMPTS",
    "Captioner",
    "Query",
    "find_folder",
    "open_captioner",
    "open_describer",
    "show",
]
