"""Figures that others have published, to stand beside ours: Table 2 of the paper.

From arXiv 2411.15411 (CVPR 2025), test set of CompositionCap. The paper does not say which model
its BERTScore was computed with. All figures are in percent.
"""

from __future__ import annotations

COLUMNS = ("ROUGE-L", "BLEU-4", "METEOR", "CIDEr", "BERTScore")
SOURCE = "FineCaption, arXiv 2411.15411, Table 2: CompositionCap test"

# row -> the columns above
_ZERO_SHOT: dict[str, tuple[float, ...]] = {
    "Kosmos-2 (box)": (9.21, 0.14, 1.98, 1.07, 37.69),
    "Alpha-CLIP-13B (mask)": (13.89, 0.51, 5.94, 2.68, 42.01),
    "Qwen2-VL-7B (box), zero-shot": (14.12, 0.57, 6.18, 2.74, 42.97),
    "Ferret-13B (contour)": (15.01, 1.06, 5.86, 3.12, 43.82),
    "ViP-LLaVA-13B (contour), zero-shot": (15.47, 1.48, 5.76, 3.84, 44.29),
    "LLaMA-3.2-11B": (15.64, 1.59, 9.73, 3.95, 44.53),
    "LLaMA-3.2-90B": (16.21, 1.75, 11.70, 4.53, 48.29),
    "InternVL-2-40B": (16.21, 1.79, 11.91, 4.63, 48.38),
    "GPT-4o (box)": (17.87, 3.21, 12.87, 6.49, 49.85),
}
_SUPERVISED: dict[str, tuple[float, ...]] = {
    "Qwen2-VL-7B (box)": (31.59, 9.11, 13.56, 90.32, 75.86),
    "LLaVA-1.6-13B (box)": (31.72, 9.35, 13.64, 90.71, 75.89),
    "VILA1.5-8B (box)": (31.87, 9.03, 13.79, 90.01, 75.95),
    "ViP-LLaVA-13B (contour)": (32.42, 9.97, 14.82, 91.44, 76.77),
    "Alpha-CLIP-13B (mask, 336)": (35.68, 10.96, 16.11, 93.85, 77.66),
    "LLaVA-HR-X (box, 1024)": (35.97, 11.25, 16.57, 95.12, 78.08),
    "LLaMA-3.2-11B (box)": (38.14, 12.87, 18.31, 99.11, 78.94),
    "FineCaption-8B (mask, 1024)": (41.05, 14.46, 22.01, 127.95, 80.97),
}


def _table(rows: dict[str, tuple[float, ...]]) -> dict[str, dict[str, float]]:
    return {name: dict(zip(COLUMNS, values, strict=True)) for name, values in rows.items()}


ZERO_SHOT = _table(_ZERO_SHOT)
"""Models as they are."""
SUPERVISED = _table(_SUPERVISED)
"""Models that were trained on CompositionCap."""
TABLE_2 = {**ZERO_SHOT, **SUPERVISED}
"""Row -> column -> percent."""
