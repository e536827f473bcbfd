"""Metrics by kind of region: its size, how well its box fits it, whether training has seen it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from finecaption.eval.answers import ScoredAnswer
from finecaption.eval.bootstrap import mean_of
from finecaption.eval.records import Record

SIZES = (0.01, 0.04, 0.16)  # fractions of the image
FITS = (0.4, 0.6, 0.8)  # IoU of box and mask; CompositionCap's mean is 0.56


def area_share(record: Record) -> float:
    """The fraction of the image that a region's mask covers."""
    from finecaption.io.masks import decode_rle

    mask = decode_rle(record["mask"])
    return float(mask.mean())


def _bin(value: float, edges: Sequence[float], form: Callable[[float], str]) -> str:
    if value < edges[0]:
        return f"under {form(edges[0])}"
    for low, high in zip(edges, edges[1:], strict=False):
        if value < high:
            return f"{form(low)} to {form(high)}"
    return f"{form(edges[-1])} and more"


def _names(edges: Sequence[float], form: Callable[[float], str]) -> list[str]:
    inside = [(a + b) / 2 for a, b in zip(edges, edges[1:], strict=False)]
    return [_bin(v, edges, form) for v in (edges[0] - 1, *inside, edges[-1] + 1)]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:g} %"


def _plain(value: float) -> str:
    return f"{value:g}"


Kind = tuple[str, Callable[[Record], "str | None"], list[str]]
_SEEN = {False: "seen in training", True: "held out from training"}
KINDS: dict[str, Kind] = {
    "size": (
        "Fraction of the image",
        lambda r: _bin(area_share(r), SIZES, _percent) if "mask" in r else None,
        _names(SIZES, _percent),
    ),
    "fit": (
        "IoU of the region's box with its mask",
        lambda r: _bin(r["box_iou"], FITS, _plain) if "box_iou" in r else None,
        _names(FITS, _plain),
    ),
    "seen": (
        "Combination of category and appearance",
        lambda r: _SEEN[bool(r["unseen"])] if r["truth"] else None,
        list(_SEEN.values()),
    ),
    "part": (
        "Kind of region",
        lambda r: ("whole" if r["part_of"] is None else "part") if r["truth"] else None,
        ["whole", "part"],
    ),
}
"""Name -> (title, group of a record, all groups in order)."""


def grouped(records: Sequence[Record], answers: Sequence[ScoredAnswer]) -> dict[str, Any]:
    """Figures of attribute answers by KINDS: name -> {"title", "groups": [...]}.

    A group has name, regions, answers, accuracy (mean over answers of the fraction of facets right,
    with interval; None without truth) and rouge (likewise of ROUGE-L).
    """
    by_region: dict[tuple[int, int], list[ScoredAnswer]] = {}
    for answer in answers:
        if answer.task == "aarc":
            by_region.setdefault((answer.index, answer.region_id), []).append(answer)
    out = {}
    for name, (title, group_of, order) in KINDS.items():
        groups: dict[str, list[list[ScoredAnswer]]] = {}
        for record in records:
            group = group_of(record)
            if group is not None:
                own = by_region.get((record["index"], record["region_id"]), [])
                groups.setdefault(group, []).append(own)
        if groups:
            found = [_figures(g, groups[g]) for g in order if g in groups]
            out[name] = {"title": title, "groups": found}
    return out


def _figures(name: str, regions: Sequence[Sequence[ScoredAnswer]]) -> dict[str, Any]:
    own = [a for region in regions for a in region]
    marked = [a for a in own if a.share is not None]
    scored = [a for a in own if "ROUGE-L" in a.figures]
    return {
        "name": name,
        "regions": len(regions),
        "answers": len(own),
        "accuracy": mean_of([float(a.share or 0) for a in marked], [a.index for a in marked]),
        "rouge": mean_of([a.figures["ROUGE-L"] for a in scored], [a.index for a in scored]),
    }
