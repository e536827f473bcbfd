"""The contact sheet of `finecaption data view`: pictures, regions outlined, texts beside them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.data.report.page import PALETTE, escape, page
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.images import load_image
from finecaption.types import RegionSample

SIDE = 560
"""Longer side of a picture on the sheet, in pixels."""

_STYLE = """
.item { display: grid; grid-template-columns: minmax(260px, 46%) minmax(280px, 1fr); gap: 20px;
  background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 16px;
  margin: 0 0 18px; align-items: start; }
.stage { position: sticky; top: 12px; }
.frame { position: relative; line-height: 0; border-radius: 4px; overflow: hidden;
  border: 1px solid var(--rule); }
.frame img { width: 100%; height: auto; }
.frame svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.frame path { fill-opacity: .12; stroke-width: 2; vector-effect: non-scaling-stroke;
  stroke-linejoin: round; transition: fill-opacity .1s, opacity .1s; }
.frame path.under { fill: none; stroke: #fff; stroke-width: 4; opacity: .85; }
.frame text { font: 600 13px system-ui, "DejaVu Sans", sans-serif; fill: #fff;
  text-anchor: middle; dominant-baseline: central; }
.item.focus g.region { opacity: .15; }
.item.focus g.region.on { opacity: 1; }
.item.focus g.region.on path.line { fill-opacity: .35; }
.name { color: var(--faint); font-size: 13px; margin: 8px 0 0; line-height: 1.4;
  overflow-wrap: anywhere; }
.said { border-left: 3px solid var(--rule); padding: 2px 0 2px 12px; margin: 0 0 14px;
  cursor: default; }
.said:hover { background: #f4f2ec; }
.said h3 { font-size: 14px; margin: 0 0 4px; display: flex; align-items: center; gap: 8px; }
.badge { flex: none; min-width: 20px; height: 20px; border-radius: 10px; padding: 0 5px;
  color: #fff; font-size: 12px; line-height: 20px; text-align: center; }
dl { margin: 0; font-size: 14px; line-height: 1.4; display: grid; gap: 3px 12px;
  grid-template-columns: minmax(90px, 170px) 1fr; }
dt { color: var(--faint); font-size: 12.5px; padding-top: 1px; }
dd { margin: 0; overflow-wrap: anywhere; }
dd.alone { grid-column: 1 / -1; }
.bad { color: #a3162a; }
@media (max-width: 760px) { .item { grid-template-columns: 1fr; } .stage { position: static; } }
"""

_SCRIPT = """
for (const item of document.querySelectorAll('.item')) {
  const mark = (n) => {
    item.classList.toggle('focus', n !== null);
    for (const g of item.querySelectorAll('g.region'))
      g.classList.toggle('on', g.dataset.region === n);
  };
  for (const part of item.querySelectorAll('.said[data-region]')) {
    part.addEventListener('mouseenter', () => mark(part.dataset.region));
    part.addEventListener('mouseleave', () => mark(null));
  }
}
"""


@dataclass
class _Shown:
    """A region (or the picture) with what is said of it."""

    name: str
    mask: np.ndarray | None
    broken: str = ""
    lines: list[tuple[str, str]] = field(default_factory=list)


def sheet_html(
    groups: Iterable[Sequence[RegionSample]], title: str, lead: str = "", side: int = SIDE
) -> str:
    """The page.

    Args:
        groups: samples of one picture each (see `store.rows.group`).
        title: heading.
        lead: a line under it.
        side: longer side of the pictures inside; smaller ones stay as they are.
    """
    items = [_item(list(group), side) for group in groups]
    head = f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>'
    empty = "" if items else '<p class="note">No sample.</p>'
    return page(f"{title}: contact sheet", head + empty + "\n".join(items), _STYLE, _SCRIPT)


def _item(samples: list[RegionSample], side: int) -> str:
    first = samples[0]
    name = "" if isinstance(first.image, np.ndarray) else str(first.image)
    scale = min(1.0, side / max(first.size))
    size = (max(1, round(first.size[0] * scale)), max(1, round(first.size[1] * scale)))
    regions = _regions(samples)
    try:
        picture = load_image(first.image).resize(size, Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=85)
        data = base64.b64encode(stream.getvalue()).decode("ascii")
        shown = (
            f'<img src="data:image/jpeg;base64,{data}" width="{size[0]}" height="{size[1]}" '
            f'alt="{escape(first.image_id or name)}">'
        )
    except InputError as error:
        shown = f'<p class="bad" style="line-height:1.4;padding:12px">{escape(error)}</p>'
    outlined = [
        _outline(number, region.mask, size)
        for number, region in enumerate(regions)
        if region.mask is not None
    ]
    overlay = f'<svg viewBox="0 0 {size[0]} {size[1]}">{"".join(outlined)}</svg>'
    facts = [
        first.image_id, f"{first.size[0]} x {first.size[1]}", first.split, first.source,
        first.licence, name,
    ]  # fmt: skip
    return (
        f'<article class="item"><div class="stage"><div class="frame">{shown}{overlay}</div>'
        f'<p class="name">{escape(" · ".join(fact for fact in facts if fact))}</p></div>'
        f"<div>{''.join(_said(k, region) for k, region in enumerate(regions))}</div></article>"
    )


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
            name = "The picture" if whole else f"Region {sample.region_id or len(found) + 1}"
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


def _outline(number: int, mask: np.ndarray, size: tuple[int, int]) -> str:
    """A region's border and number in the sheet's pixels."""
    path, (x, y) = region_path(mask, size)
    colour = PALETTE[number % len(PALETTE)]
    return (
        f'<g class="region" data-region="{number}"><path class="under" d="{path}"/>'
        f'<path class="line" d="{path}" fill="{colour}" stroke="{colour}" fill-rule="evenodd"/>'
        f'<circle cx="{x}" cy="{y}" r="10" fill="{colour}" stroke="#fff" stroke-width="1.5"/>'
        f'<text x="{x}" y="{y}">{number + 1}</text></g>'
    )


def region_path(mask: np.ndarray, size: tuple[int, int]) -> tuple[str, tuple[int, int]]:
    """A region's border as an SVG path, and a place well inside it for its number.

    Args:
        mask: bool (H, W), not empty.
        size: (width, height) of the picture as it is shown.

    Returns:
        `d` of a path (even-odd) and (x, y), at least 11 pixels from the edges, in shown pixels.
    """
    small = masks.resize_mask(mask, size)
    if not small.any():  # thinner than a pixel of the sheet: its box will do
        x0, y0, x1, y1 = masks.box_from_mask(mask)
        height, width = mask.shape
        box = (x0 * size[0] / width, y0 * size[1] / height,
               x1 * size[0] / width, y1 * size[1] / height)  # fmt: skip
        small = masks.mask_from_box(box, size)
    loops = masks.contours(small)
    path = " ".join("M" + " ".join(f"{x},{y}" for x, y in loop.tolist()) + "Z" for loop in loops)
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


def _said(number: int, region: _Shown) -> str:
    lines = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>"
        if name
        else f'<dd class="alone">{escape(text)}</dd>'
        for name, text in region.lines
    )
    colour = PALETTE[number % len(PALETTE)]
    badge, mark = "", ""
    if region.mask is not None:
        badge = f'<span class="badge" style="background:{colour}">{number + 1}</span>'
        mark = f' data-region="{number}" style="border-color:{colour}"'
    broken = f'<p class="bad">{escape(region.broken)}</p>' if region.broken else ""
    return (
        f'<section class="said"{mark}><h3>{badge}{escape(region.name)}</h3>{broken}'
        f"<dl>{lines}</dl></section>"
    )
