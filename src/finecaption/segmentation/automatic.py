"""Automatic masks: click everywhere and keep stable masks, each object once.

In the way of segment-anything's automatic mask generator (Kirillov et al. 2023, arXiv:2304.02643,
section 5 and appendix B: a grid of clicks, crops, stability score, non-maximum suppression), with
two differences. Masks are found at further granularities by prompting again with the boxes of the
first ones, as small decoders give one mask a click, not three. And they are ranked by how stable
they are and how far the clicks inside them agree on them, as the IoU that a small decoder expects
of its own mask says little (docs/segment.md has the measurements).

Legend: P prompts, K masks per prompt, N candidates, t x u the thumbnail's rows and columns, m the
side of the decoder's logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from finecaption.errors import InputError
from finecaption.segmentation.click import square_to_picture

_THUMB = 80  # longer side of the masks that are compared
_OFFSET = 1.0  # of the logits, for the stability score: segment-anything's
_AGAIN = 40  # masks whose boxes become prompts
_CROP_GRID = 2  # clicks along a crop's side: the image's, divided by this
_OVERLAP = 0.25  # of crops, of their side


class ProposingSegmenter(Protocol):
    """The part of a segmenter that is used here; see `segmentation.click.Segmenter`."""

    def encode(self, image: Any) -> Any: ...

    def propose(self, encoded: Any, points: Any = (), boxes: Any = ()) -> Any: ...


@dataclass(frozen=True, eq=False)
class MaskProposal:
    """A proposed mask with its scores."""

    mask: np.ndarray
    """bool (H, W), at least one pixel."""
    score: float
    """The IoU that the decoder expects of it, 0..1."""
    stability: float
    """IoU of the mask cut a little higher with the mask cut a little lower, 0..1."""
    agreement: float
    """Share of the clicks inside it that gave the same mask, 0..1."""
    level: str
    """What found it: "click", "box" or "crop"."""

    @property
    def rank(self) -> float:
        """The score by which masks are chosen: stability + agreement, 0..2."""
        return self.stability + self.agreement


class _Candidates:
    """Masks small enough to be compared all with all; logits of the image are kept beside."""

    def __init__(self, size: tuple[int, int]) -> None:
        """`size`: (width, height) of the image."""
        longest = max(size)
        self.size = size
        self.shape = tuple(max(1, round(side * _THUMB / longest)) for side in (size[1], size[0]))
        self.thumbs = torch.zeros(0, *self.shape, dtype=torch.bool)
        self.scores = torch.zeros(0)
        self.stability = torch.zeros(0)
        self.levels: list[str] = []
        self.sources: list[tuple[torch.Tensor, Any, tuple[int, int, int, int]]] = []

    def add(
        self,
        proposals: Any,
        place: Any,
        level: str,
        limits: tuple[float, float, float, float],
        window: tuple[int, int, int, int] | None = None,
    ) -> None:
        """Takes over the proposals that are within limits: least area, most area (shares of the
        image), least score, least stability; `window`: xyxy of the crop they were made on."""
        min_area, max_area, min_score, min_stability = limits
        logits = torch.from_numpy(np.asarray(proposals.logits, np.float32)).flatten(0, 1)
        scores = torch.from_numpy(np.asarray(proposals.scores, np.float32)).flatten()
        high = (logits > _OFFSET).sum((1, 2))
        low = (logits > -_OFFSET).sum((1, 2))
        stability = high / low.clamp(min=1)
        thumbs = self._thumbs(logits, place, window)
        share = thumbs.float().mean((1, 2))
        good = (share >= min_area) & (share <= max_area)
        good &= (scores >= min_score) & (stability >= min_stability)
        if window is not None:
            good &= ~_touches_cut(thumbs, self._scaled(window))
        kept = good.nonzero()[:, 0]
        self.thumbs = torch.cat((self.thumbs, thumbs[kept]))
        self.scores = torch.cat((self.scores, scores[kept]))
        self.stability = torch.cat((self.stability, stability[kept]))
        self.levels += [level] * len(kept)
        box = window or (0, 0, *self.size)
        self.sources += [(logits[at], place, box) for at in kept.tolist()]

    def _scaled(self, window: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        rows, columns = self.shape
        across, down = columns / self.size[0], rows / self.size[1]
        x0, y0, x1, y1 = window
        return round(x0 * across), round(y0 * down), round(x1 * across), round(y1 * down)

    def _thumbs(
        self, logits: torch.Tensor, place: Any, window: tuple[int, int, int, int] | None
    ) -> torch.Tensor:
        """Logits (N, m, m) over a square -> bool (N, t, u) over the image."""
        side, scale = logits.shape[-1], logits.shape[-1] / place.side
        left, top, right, bottom = (round(edge * scale) for edge in place.box)
        cut = logits[:, top : max(bottom, top + 1), left : min(max(right, left + 1), side)]
        x0, y0, x1, y1 = (0, 0, *self.shape[::-1]) if window is None else self._scaled(window)
        small = F.interpolate(
            cut[:, None],
            size=(max(1, y1 - y0), max(1, x1 - x0)),
            mode="bilinear",
            align_corners=False,
        )[:, 0]
        thumbs = torch.zeros(len(logits), *self.shape, dtype=torch.bool)
        thumbs[:, y0 : y0 + small.shape[1], x0 : x0 + small.shape[2]] = small > 0
        return thumbs

    def mask(self, at: int) -> np.ndarray:
        """bool (H, W) of the image."""
        logits, place, (x0, y0, x1, y1) = self.sources[at]
        part = square_to_picture(logits[None], place)
        if (x0, y0, x1, y1) == (0, 0, *self.size):
            return part
        full = np.zeros((self.size[1], self.size[0]), bool)
        full[y0:y1, x0:x1] = part
        return full


def _touches_cut(thumbs: torch.Tensor, window: tuple[int, int, int, int]) -> torch.Tensor:
    """bool (N,): whether a mask reaches an edge of its crop that is no edge of the image."""
    x0, y0, x1, y1 = window
    rows, columns = thumbs.shape[1:]
    cut = torch.zeros(len(thumbs), dtype=torch.bool)
    if x0 > 0:
        cut |= thumbs[:, :, x0].any(1)
    if y0 > 0:
        cut |= thumbs[:, y0].any(1)
    if x1 < columns:
        cut |= thumbs[:, :, x1 - 1].any(1)
    if y1 < rows:
        cut |= thumbs[:, y1 - 1].any(1)
    return cut


def mask_ious(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """IoU of every mask of one list with every mask of another.

    Args:
        a: bool (N, t, u).
        b: bool (M, t, u).

    Returns:
        float32 (N, M), 0..1; 0 where both are empty.
    """
    one, two = a.flatten(1).float(), b.flatten(1).float()
    both = one @ two.T
    return both / (one.sum(1)[:, None] + two.sum(1) - both).clamp(min=1)


def suppress(
    rank: torch.Tensor, ious: torch.Tensor, iou_threshold: float, max_masks: int
) -> list[int]:
    """Non-maximum suppression of masks: the best first, none like one that was chosen.

    Args:
        rank: (N,), the more the better.
        ious: (N, N).
        iou_threshold: IoU from which two masks are the same thing.
        max_masks: masks at most.

    Returns:
        Chosen indices, the best first.
    """
    kept: list[int] = []
    free = torch.ones(len(rank), dtype=torch.bool)
    for at in torch.argsort(rank, descending=True, stable=True).tolist():
        if free[at]:
            kept.append(at)
            if len(kept) == max_masks:
                break
            free &= ious[at] < iou_threshold
    return kept


def click_grid(size: tuple[int, int], count: int) -> list[tuple[float, float]]:
    """Evenly spread clicks on an image of (width, height), `count` along its longer side."""
    width, height = size
    step = max(size) / count
    columns, rows = max(1, round(width / step)), max(1, round(height / step))
    xs = (np.arange(columns) + 0.5) * width / columns
    ys = (np.arange(rows) + 0.5) * height / rows
    return [(float(x), float(y)) for y in ys for x in xs]


def crop_windows(size: tuple[int, int], layers: int) -> list[tuple[int, int, int, int]]:
    """Overlapping crops, xyxy: 2 x 2 in the first layer, 4 x 4 in the second, and so on."""
    windows = []
    for layer in range(1, layers + 1):
        count = 2**layer
        for edges in ((x, y) for y in _spans(size[1], count) for x in _spans(size[0], count)):
            (x0, x1), (y0, y1) = edges
            windows.append((x0, y0, x1, y1))
    return windows


def _spans(length: int, count: int) -> list[tuple[int, int]]:
    side = min(length, max(1, round(length / count * (1 + _OVERLAP))))
    starts = np.linspace(0, length - side, count).round().astype(int)
    return [(int(start), int(start) + side) for start in starts]


def generate_masks(
    segmenter: ProposingSegmenter,
    picture: Image.Image,
    *,
    encoded: Any = None,
    grid: int = 24,
    crops: int = 0,
    min_rank: float = 0.9,
    min_score: float = 0.0,
    min_stability: float = 0.3,
    min_area: float = 0.001,
    max_area: float = 0.9,
    iou_threshold: float = 0.7,
    max_masks: int = 40,
    refine_boxes: bool = True,
    progress: Callable[[float], None] | None = None,
) -> list[MaskProposal]:
    """Masks of the objects in an image, the most certain first.

    Args:
        segmenter: turns many prompts into masks at once.
        picture: RGB.
        encoded: what the segmenter's `encode` gave for it, to spare the tower.
        grid: clicks along the longer side.
        crops: layers of crops, each encoded anew and clicked on: for small things in large
            images; a layer costs four times the one before.
        min_rank: see `MaskProposal.rank`; fewer and surer things the higher it is.
        min_score, min_stability: see `MaskProposal`.
        min_area, max_area: shares of the image between which a mask is kept.
        iou_threshold: IoU from which two masks are the same thing; the better one is kept.
        max_masks: things at most.
        refine_boxes: whether to prompt again with the boxes of what the clicks found.
        progress: called with the share that is done, 0..1.

    Raises:
        InputError: a number out of its range, by name.
    """
    for name, value in (("grid", grid), ("max_masks", max_masks)):
        if not 1 <= value <= 1000:
            raise InputError(f"{name}: must be from 1 to 1000; got {value}")
    if not 0 <= crops <= 3:
        raise InputError(f"crops: must be from 0 to 3 layers; got {crops}")
    if not 0 <= min_area < max_area <= 1:
        raise InputError(
            f"min_area, max_area: must be fractions of the image, 0 to 1, the first below the "
            f"second; got {min_area} and {max_area}"
        )
    tell = progress or (lambda share: None)
    limits = (min_area, max_area, min_score, min_stability)
    if encoded is None:
        encoded = segmenter.encode(picture)
    windows = crop_windows(picture.size, crops)
    steps = 3 + len(windows)
    tell(0.5 / steps)

    clicks = click_grid(picture.size, grid)
    given = segmenter.propose(encoded, points=clicks)
    found = _Candidates(picture.size)
    found.add(given, encoded.placement, "click", limits)
    answered = _Candidates(picture.size)  # every click's masks, to ask whether they agree
    answered.add(given, encoded.placement, "click", (0.0, 1.0, 0.0, 0.0))
    per_click = answered.thumbs.unflatten(0, (len(clicks), -1))
    tell(2 / steps)
    for number, window in enumerate(windows):
        part = picture.crop(window)
        view = segmenter.encode(part)
        near = click_grid(part.size, max(1, grid // _CROP_GRID))
        found.add(segmenter.propose(view, points=near), view.placement, "crop", limits, window)
        tell((3 + number) / steps)

    agreement = _agreement(found.thumbs, clicks, per_click, picture.size, iou_threshold)
    kept = suppress(
        found.stability + agreement, mask_ious(found.thumbs, found.thumbs), iou_threshold, max_masks
    )
    if refine_boxes and kept:
        boxes = [_box(found.thumbs[at], picture.size) for at in kept[:_AGAIN]]
        found.add(segmenter.propose(encoded, boxes=boxes), encoded.placement, "box", limits)
        agreement = _agreement(found.thumbs, clicks, per_click, picture.size, iou_threshold)
        kept = suppress(
            found.stability + agreement,
            mask_ious(found.thumbs, found.thumbs),
            iou_threshold,
            max_masks,
        )
    tell(1.0)
    return [
        MaskProposal(
            found.mask(at),
            float(found.scores[at]),
            float(found.stability[at]),
            float(agreement[at]),
            found.levels[at],
        )
        for at in kept
        if found.stability[at] + agreement[at] >= min_rank
    ]


def masks_by_area(
    segmenter: ProposingSegmenter, image: Image.Image, **options: Any
) -> list[np.ndarray]:
    """Masks of the objects in an image, bool (H, W), the largest first; arguments and errors as
    `generate_masks`."""
    found = (one.mask for one in generate_masks(segmenter, image, **options))
    return sorted(found, key=lambda mask: -int(np.count_nonzero(mask)))


def _agreement(
    thumbs: torch.Tensor,
    clicks: Sequence[tuple[float, float]],
    per_click: torch.Tensor,
    size: tuple[int, int],
    iou_threshold: float,
) -> torch.Tensor:
    """float (N,): of the clicks inside each mask, the share that gave the same mask.

    Args:
        thumbs: bool (N, t, u).
        per_click: bool (P, K, t, u), every click's own masks; any of the K may be the same.
    """
    if not len(thumbs):
        return torch.zeros(0)
    rows, columns = thumbs.shape[1:]
    at = torch.tensor(
        [
            (min(rows - 1, int(y * rows / size[1])), min(columns - 1, int(x * columns / size[0])))
            for x, y in clicks
        ]
    )
    inside = thumbs[:, at[:, 0], at[:, 1]]  # (N, P)
    likeness = mask_ious(thumbs, per_click.flatten(0, 1)).unflatten(1, per_click.shape[:2])
    alike = likeness.amax(2) >= iou_threshold  # (N, P)
    return (alike & inside).sum(1) / inside.sum(1).clamp(min=1)


def _box(thumb: torch.Tensor, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """xyxy of a thumbnail's mask, in pixels of the image."""
    rows, columns = thumb.shape
    xs, ys = thumb.any(0).nonzero()[:, 0], thumb.any(1).nonzero()[:, 0]
    across, down = size[0] / columns, size[1] / rows
    x1, y1 = float(xs[-1] + 1) * across, float(ys[-1] + 1) * down
    return float(xs[0]) * across, float(ys[0]) * down, min(x1, size[0]), min(y1, size[1])


__all__ = [
    "ProposingSegmenter",
    "MaskProposal",
    "click_grid",
    "crop_windows",
    "generate_masks",
    "masks_by_area",
    "mask_ious",
    "suppress",
]
