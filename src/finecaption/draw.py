"""An image with its regions outlined and what was said of them set beside or below it.

Everything is laid out in pixels of the finished image ("canvas"). Pillow's own scalable font is
used, which is there on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from finecaption.attributes import ATTRIBUTE_NAMES
from finecaption.io.masks import contours
from finecaption.types import Caption

PALETTE = (
    "#e6194b", "#1f77ff", "#00a35c", "#ff8c00", "#8e35d6", "#00a5b8", "#d633a8", "#7a8b00",
    "#a0522d", "#3b3fb6", "#e0559a", "#4f9a1e", "#c23b22", "#0f7f8c", "#b08900", "#6a5acd",
    "#c71585", "#2e8b57", "#d2691e", "#4682b4",
)  # fmt: skip
"""Outline colors, in the order of the regions; they repeat after the last."""

_PAPER, _INK, _FAINT, _RULE = "#fbfaf7", "#20242c", "#7d8590", "#e3e0d8"
_AMBER, _AMBER_PAPER, _AMBER_INK = "#e0a100", "#fff3d1", "#5f4700"

_SHORTEST, _LONGEST = 720, 1400  # the image's longer side on the canvas
_FINE = 2  # outlines are drawn at this multiple and averaged down: smooth edges
_MOST_COLUMNS = 8


@dataclass(frozen=True)
class _Run:
    """A line of text in one style; `height` is what it takes of the column."""

    text: str
    size: float
    colour: str
    height: float
    spaced: bool = False
    """Set in small capitals' manner: wide."""


@dataclass(frozen=True)
class _Block:
    """What may not be torn by a column's end."""

    runs: tuple[_Run, ...]
    gap: float
    """Space above, but not at the top of a column."""
    badge: str = ""
    """A header: the text in its coloured disc."""
    colour: str = ""
    header: bool = False
    boxed: bool = False
    again: _Block | None = None
    """The header to repeat if a column begins with this block."""

    @property
    def height(self) -> float:
        return sum(run.height for run in self.runs)


@dataclass
class _Column:
    blocks: list[_Block] = field(default_factory=list)
    height: float = 0.0

    def add(self, block: _Block) -> None:
        self.height += block.height + (block.gap if self.blocks else 0.0)
        self.blocks.append(block)


def annotate(
    image: Image.Image,
    captions: Sequence[Caption],
    whole: str | None = None,
    notice: str | None = None,
) -> Image.Image:
    """Draws regions and captions.

    Args:
        image: the upright image.
        captions: of its regions; their masks must have its size.
        whole: a paragraph on the whole image.
        notice: a warning to set above everything.

    Returns:
        RGB. The image keeps its proportions; its longer side is brought to 720 .. 1400 pixels.
    """
    shown = _fit(image.convert("RGB"))
    shown = _outline(shown, captions)
    base = float(np.clip(max(shown.size) / 52, 15, 24))
    blocks = _text_blocks(captions, whole, notice, base)
    if not blocks:
        return shown
    return _compose(shown, blocks, base)


def _fit(picture: Image.Image) -> Image.Image:
    longest = max(picture.size)
    target = min(max(longest, _SHORTEST), _LONGEST)
    if target == longest:
        return picture
    width, height = (max(1, round(side * target / longest)) for side in picture.size)
    how = Image.Resampling.LANCZOS if target < longest else Image.Resampling.BICUBIC
    return picture.resize((width, height), how)


# --- outlines ---------------------------------------------------------------------------------


def _outline(picture: Image.Image, captions: Sequence[Caption]) -> Image.Image:
    """Every region's border with a halo, and its number if there are several."""
    if not captions:
        return picture
    width, height = picture.size
    line = max(2.4, max(picture.size) / 330)
    overlay = Image.new("RGBA", (width * _FINE, height * _FINE), (255, 255, 255, 0))
    pen = ImageDraw.Draw(overlay)
    masks = [_shrink(caption.region.mask, picture.size) for caption in captions]
    # large ones first, so that a part's border is not hidden by its whole's
    order = sorted(range(len(captions)), key=lambda i: -int(masks[i].sum()))
    for number in order:
        loops = [_smooth(loop) * _FINE for loop in contours(masks[number])]
        for colour, breadth in (("#ffffff", line * 2.1), (PALETTE[number % len(PALETTE)], line)):
            for loop in loops:
                corners = [tuple(point) for point in loop.tolist()]
                pen.line([*corners, corners[0], corners[1]], colour, round(breadth * _FINE))
    if len(captions) > 1:
        _number(pen, masks, line)
    overlay = overlay.resize(picture.size, Image.Resampling.BOX)
    drawn = picture.copy()
    drawn.paste(overlay, mask=overlay.getchannel("A"))
    return drawn


def _shrink(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The mask at the shown size, smooth if enlarged, never empty."""
    grey = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
    larger = size[0] > mask.shape[1]
    how = Image.Resampling.BICUBIC if larger else Image.Resampling.BOX
    values = np.asarray(grey.resize(size, how))
    # a little under a half, so that thin things keep their connection when made smaller
    limit = 128 if larger else 96
    return values >= min(limit, max(1, int(values.max())))


def _smooth(loop: np.ndarray) -> np.ndarray:
    """Pixel corners -> a rounded line: a running mean over a few pixels along the border."""
    following = np.roll(loop, -1, axis=0)
    lengths = np.abs(following - loop).sum(axis=1)
    start = np.repeat(loop, lengths, axis=0).astype(np.float64)
    step = np.repeat(np.sign(following - loop), lengths, axis=0)
    along = np.concatenate([np.arange(length) for length in lengths])[:, None]
    points = start + step * along
    window = 7 if len(points) > 28 else 3
    mean = sum(np.roll(points, shift - window // 2, axis=0) for shift in range(window)) / window
    return np.asarray(mean)[:: 2 if len(points) > 28 else 1]


def _number(pen: ImageDraw.ImageDraw, masks: Sequence[np.ndarray], line: float) -> None:
    """Numbered discs at the borders, where they hide neither one another nor, if possible, the
    region."""
    height, width = masks[0].shape
    radius = max(11.0, line * 4.2)
    placed: list[tuple[float, float]] = []
    for number, mask in enumerate(masks):
        rows, columns = np.nonzero(mask)
        top, bottom, left, right = rows.argmin(), rows.argmax(), columns.argmin(), columns.argmax()
        middle = int(np.hypot(rows - np.median(rows), columns - np.median(columns)).argmin())
        away = radius * 1.05
        wanted = [
            (columns[at] + dx * away, rows[at] + dy * away)
            for at, dx, dy in (
                (top, 0, -1),
                (right, 1, 0),
                (left, -1, 0),
                (bottom, 0, 1),
                (top, 0, 0),
                (right, 0, 0),
                (left, 0, 0),
                (bottom, 0, 0),
                (middle, 0, 0),
            )
        ]
        free = [
            (x, y)
            for x, y in wanted
            if radius <= x <= width - radius
            and radius <= y <= height - radius
            and all(np.hypot(x - a, y - b) > 2.2 * radius for a, b in placed)
        ]
        x, y = free[0] if free else wanted[-1]
        x = float(np.clip(x, min(radius, width / 2), max(width - radius, width / 2)))
        y = float(np.clip(y, min(radius, height / 2), max(height - radius, height / 2)))
        placed.append((x, y))
        colour = PALETTE[number % len(PALETTE)]
        _disc(pen, x * _FINE, y * _FINE, radius * _FINE, str(number + 1), colour, ring=True)


def _disc(
    pen: ImageDraw.ImageDraw,
    x: float,
    y: float,
    radius: float,
    text: str,
    colour: str,
    ring: bool = False,
) -> None:
    if ring:
        outer = radius * 1.16
        pen.ellipse((x - outer, y - outer, x + outer, y + outer), "#ffffff")
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), colour)
    if text:
        size = radius * (1.25 if len(text) < 2 else 1.05)
        pen.text((x, y), text, "#ffffff", _font(size), anchor="mm", stroke_width=size / 40)


# --- text -------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _font(size: float) -> Any:
    return ImageFont.load_default(size)


def _wrap(text: str, size: float, width: float) -> list[str]:
    """Lines no wider than `width`; words that are wider are broken."""
    font = _font(size)
    lines: list[str] = []
    current = ""
    for word in text.split():
        longer = f"{current} {word}" if current else word
        if font.getlength(longer) <= width:
            current = longer
            continue
        if current:
            lines.append(current)
        while font.getlength(word) > width and len(word) > 1:
            fits = next(
                n
                for n in range(len(word) - 1, 0, -1)
                if n == 1 or font.getlength(word[:n]) <= width
            )
            lines.append(word[:fits])
            word = word[fits:]
        current = word
    return [*lines, current] if current else lines or ["–"]


def _column_width(base: float) -> float:
    return base * 25


def _text_blocks(
    captions: Sequence[Caption], whole: str | None, notice: str | None, base: float
) -> list[_Block]:
    width = _column_width(base)
    blocks: list[_Block] = []
    if notice:
        runs = _paragraph(notice, base * 0.86, _AMBER_INK, width - base * 1.6)
        pad = _Run("", 1, _PAPER, base * 0.55)
        blocks.append(_Block((pad, *runs, pad), base * 1.4, boxed=True))
    for number, caption in enumerate(captions):
        colour = PALETTE[number % len(PALETTE)]
        badge = str(number + 1) if len(captions) > 1 else ""
        entries = [(name, text) for name, text in caption.captions.items()]
        if caption.dense is not None:
            entries.append(("In detail", caption.dense))
        blocks += _section(
            f"Region {number + 1}" if badge else "Region", badge, colour, entries, base
        )
    if whole is not None:
        blocks += _section("The whole image", "", _INK, [("", whole)], base)
    return blocks


def _section(
    title: str, badge: str, colour: str, entries: Sequence[tuple[str, str]], base: float
) -> Iterator[_Block]:
    width = _column_width(base)
    head = _Run(title, base * 1.12, _INK, base * 1.75)
    yield _Block((head,), base * 1.5, badge, colour, header=True)
    small = _Run(f"{title}, continued", base * 0.86, _FAINT, base * 1.75)
    again = _Block((small,), 0, badge, colour, header=True)
    for name, text in entries:
        lead = name == ATTRIBUTE_NAMES[0]  # the sentence that sums up: no label, larger
        size = base * 1.08 if lead else base
        runs = _paragraph(text, size, _INK, width)
        if name and not lead:
            label = _wrap(name.upper(), base * 0.64 * 1.16, width)
            runs = [
                _Run(part, base * 0.64, _FAINT, base * 1.06, spaced=True) for part in label
            ] + runs
        yield _Block(tuple(runs), base * 0.72, colour=colour, again=again)


def _paragraph(text: str, size: float, colour: str, width: float) -> list[_Run]:
    return [_Run(part, size, colour, size * 1.36) for part in _wrap(text, size, width)]


# --- layout -----------------------------------------------------------------------------------


def _flow(blocks: Sequence[_Block], limit: float) -> list[_Column]:
    """Blocks into columns of at most `limit`; headers stay with what follows them."""
    columns = [_Column()]
    for at, block in enumerate(blocks):
        column = columns[-1]
        needed = block.height + block.gap
        if block.header and at + 1 < len(blocks):
            needed += blocks[at + 1].height + blocks[at + 1].gap
        if column.blocks and column.height + needed > limit:
            column = _Column()
            columns.append(column)
            if block.again is not None:
                column.add(block.again)
        column.add(block)
    return columns


def _balanced(blocks: Sequence[_Block], count: int) -> list[_Column]:
    """At most `count` columns, as low as they can be."""
    low, high = 0.0, sum(block.height + block.gap for block in blocks) + 1
    while high - low > 4:
        middle = (low + high) / 2
        if len(_flow(blocks, middle)) <= count:
            high = middle
        else:
            low = middle
    return _flow(blocks, high)


def _compose(picture: Image.Image, blocks: Sequence[_Block], base: float) -> Image.Image:
    """The arrangement of image and columns that wastes least, drawn."""
    margin, width = base * 1.9, _column_width(base)
    plans: list[tuple[float, bool, list[_Column], float, float]] = []
    for count in range(1, _MOST_COLUMNS + 1):
        columns = _balanced(blocks, count)
        if len(columns) < count:
            break
        tall = max(column.height for column in columns)
        across = count * width + (count + 1) * margin
        for beside in (True, False):
            if beside:
                size = picture.width + across, max(picture.height, tall + 2 * margin)
            else:
                size = max(picture.width, across), picture.height + tall + 2 * margin
            longer, shorter = max(size), min(size)
            stretched = max(1.0, longer / shorter / 1.7) ** 2
            plans.append((size[0] * size[1] * stretched, beside, columns, *size))
    _, beside, columns, full_width, full_height = min(plans, key=lambda plan: plan[0])

    canvas = Image.new("RGB", (round(full_width), round(full_height)), _PAPER)
    tall = max(column.height for column in columns)
    if beside:
        canvas.paste(picture, (0, 0))
        left, top = picture.width + margin, margin
    else:
        canvas.paste(picture, ((canvas.width - picture.width) // 2, 0))
        left, top = margin, picture.height + margin
    pen = ImageDraw.Draw(canvas)
    for number, column in enumerate(columns):
        x = left + number * (width + margin)
        if number:
            rule = x - margin / 2
            pen.line((rule, top, rule, top + tall), _RULE, 1)
        _set_column(canvas, pen, column, x, top, base)
    return canvas


def _set_column(
    canvas: Image.Image,
    pen: ImageDraw.ImageDraw,
    column: _Column,
    x: float,
    y: float,
    base: float,
) -> None:
    for at, block in enumerate(column.blocks):
        y += block.gap if at else 0.0
        indent = 0.0
        if block.boxed:
            box = (x, y, x + _column_width(base), y + block.height)
            pen.rounded_rectangle(box, base * 0.3, _AMBER_PAPER)
            pen.rectangle((x, y, x + base * 0.26, y + block.height), _AMBER)
            indent = base * 0.95
        if block.header:
            radius = base * (0.72 if block.badge else 0.42)
            _paste_disc(canvas, x + radius, y + block.height * 0.46, radius, block)
            indent = 2 * radius + base * 0.55
        for run in block.runs:
            middle = y + run.height / 2
            if block.header:
                middle = y + block.height * 0.46
            if run.spaced:
                _spaced(pen, x + indent, middle, run)
            elif run.text:
                pen.text(
                    (x + indent, middle),
                    run.text,
                    run.colour,
                    _font(run.size),
                    anchor="lm",
                    stroke_width=run.size / 55 if block.header else 0,
                )
            y += run.height


def _paste_disc(canvas: Image.Image, x: float, y: float, radius: float, block: _Block) -> None:
    side = round(radius * 2.4)
    disc = Image.new("RGBA", (side * 4, side * 4), (0, 0, 0, 0))
    _disc(ImageDraw.Draw(disc), side * 2, side * 2, radius * 4, block.badge, block.colour)
    disc = disc.resize((side, side), Image.Resampling.BOX)
    canvas.paste(disc, (round(x - side / 2), round(y - side / 2)), disc)


def _spaced(pen: ImageDraw.ImageDraw, x: float, y: float, run: _Run) -> None:
    font = _font(run.size)
    for letter in run.text:
        pen.text((x, y), letter, run.colour, font, anchor="lm", stroke_width=run.size / 60)
        x += font.getlength(letter) + run.size * 0.09
