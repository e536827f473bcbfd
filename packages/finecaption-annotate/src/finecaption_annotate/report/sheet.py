"""The contact sheet of `finecaption data view`: images, regions outlined, texts beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.geometry import Size
from finecaption.io.html import PALETTE, data_uri, fit, outline, render, shown_mask
from finecaption.io.images import load_image
from finecaption.types import RegionSample

SIDE = 560
"""Longer side of an image on the sheet, in pixels."""


@dataclass
class _Shown:
    """A region (or the image) with what is said of it."""

    name: str
    mask: np.ndarray | None
    broken: str = ""
    lines: list[tuple[str, str]] = field(default_factory=list)


def sheet_html(
    groups: Iterable[Sequence[RegionSample]], title: str, lead: str = "", side: int = SIDE
) -> str:
    """The page.

    Args:
        groups: samples of one image each (see `store.rows.group`).
        title: heading.
        lead: a line under it.
        side: longer side of the images inside; smaller ones stay as they are.
    """
    items = [_item(list(group), side) for group in groups]
    return render(
        __package__,
        "sheet.html",
        title=f"{title}: contact sheet",
        heading=title,
        lead=lead,
        items=items,
    )


def _item(samples: list[RegionSample], side: int) -> dict[str, Any]:
    """What the template shows of one image."""
    first = samples[0]
    name = "" if isinstance(first.image, np.ndarray) else str(first.image)
    size = fit(first.size, side)
    source, broken = "", ""
    try:
        source = data_uri(load_image(first.image).resize(size, Image.Resampling.LANCZOS))
    except InputError as error:
        broken = str(error)
    facts = [
        first.image_id,
        f"{first.size[0]} x {first.size[1]}",
        first.split,
        first.source,
        first.licence,
        name,
    ]
    return {
        "source": source,
        "broken": broken,
        "size": size,
        "alt": first.image_id or name,
        "facts": [fact for fact in facts if fact],
        "regions": [_region(k, region, size) for k, region in enumerate(_regions(samples))],
    }


def _region(number: int, region: _Shown, size: Size) -> dict[str, Any]:
    """What the template shows of one region."""
    path, at = ("", (0, 0)) if region.mask is None else region_path(region.mask, size)
    return {
        "index": number,
        "name": region.name,
        "broken": region.broken,
        "lines": region.lines,
        "path": path,
        "at": at,
        "color": PALETTE[number % len(PALETTE)],
    }


def _regions(samples: list[RegionSample]) -> list[_Shown]:
    found: dict[tuple[str | None, str], _Shown] = {}
    for sample in samples:
        whole = sample.mask is None
        if isinstance(sample.mask, np.ndarray):
            counts = masks.encode_rle(sample.mask)["counts"]
        else:
            counts = "" if sample.mask is None else str(sample.mask["counts"])
        key = sample.region_id, counts
        if key not in found:
            name = "The image" if whole else f"Region {sample.region_id or len(found) + 1}"
            shown = _Shown(name, None)
            if not whole:
                try:
                    shown.mask = sample.region().mask
                except InputError as error:
                    shown.broken = str(error)
            found[key] = shown
        ask = sample.prompt or sample.attribute or ("In detail" if not whole else "")
        found[key].lines.append((ask, sample.text))
    for region in found.values():
        # stable: an attribute's several sentences keep their order
        region.lines.sort(key=lambda line: _rank(line[0]))
    return sorted(found.values(), key=lambda region: region.mask is None and not region.broken)


def _rank(name: str) -> int:
    return ATTRIBUTE_NAMES.index(name) if name in ATTRIBUTE_NAMES else len(ATTRIBUTE_NAMES)


def region_path(mask: np.ndarray, size: Size) -> tuple[str, tuple[int, int]]:
    """A region's border as an SVG path, and a place well inside it for its number.

    Args:
        mask: bool (H, W), not empty.
        size: (width, height) of the image as it is shown.

    Returns:
        `d` of a path (even-odd) and (x, y), at least 11 pixels from the edges, in shown pixels.
    """
    small = shown_mask(mask, size)
    path = outline(small)
    x, y = _inside(small)
    return path, (min(max(x, 11), size[0] - 11), min(max(y, 11), size[1] - 11))


def _inside(mask: np.ndarray) -> tuple[int, int]:
    """(x, y) of a pixel well inside a mask: the middle of the longest run of its middle rows."""
    rows = np.flatnonzero(mask.any(axis=1))
    best = (0, 0, 0)
    for y in rows[np.linspace(0, len(rows) - 1, min(len(rows), 9)).astype(int)].tolist():
        line = np.concatenate(([0], mask[y].astype(np.int8), [0]))
        starts, ends = np.flatnonzero(np.diff(line) == 1), np.flatnonzero(np.diff(line) == -1)
        longest = int(np.argmax(ends - starts))
        run = int(ends[longest] - starts[longest])
        # of equal runs, the one nearest the middle row
        if run > best[0] or (run == best[0] and abs(y - rows.mean()) < abs(best[2] - rows.mean())):
            best = run, int(starts[longest] + ends[longest]) // 2, y
    return best[1], best[2]
