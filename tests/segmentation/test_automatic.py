from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from finecaption.errors import InputError
from finecaption.io.geometry import place_in_square
from finecaption.io.masks import mask_iou
from finecaption.segmentation.automatic import (
    click_grid,
    crop_windows,
    generate_masks,
    mask_ious,
    masks_by_area,
    suppress,
)

SIDE = 64
THINGS = {"left": (4, 8, 24, 40), "right": (36, 8, 60, 56)}  # xyxy of a picture of 64 x 64


class Painter:
    """Gives the thing under a click or in a box, firmly; of the rest, something shaky."""

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, picture: Image.Image) -> SimpleNamespace:
        self.encoded += 1
        return SimpleNamespace(placement=place_in_square(picture.size, SIDE), size=picture.size)

    def propose(self, encoded: SimpleNamespace, points=(), boxes=()) -> SimpleNamespace:
        logits, scores = [], []
        centres = [*points, *(((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in boxes)]
        for x, y in centres:
            one = np.full((SIDE, SIDE), -8.0, np.float32)
            for x0, y0, x1, y1 in THINGS.values():
                if x0 <= x < x1 and y0 <= y < y1:
                    one[y0:y1, x0:x1] = 8.0
            if one.max() < 0:  # of the ground, something that changes with every threshold
                one[:] = np.linspace(-3, 2, SIDE)[None]
            logits.append(one[None])
            scores.append([0.9])
        return SimpleNamespace(logits=np.stack(logits), scores=np.array(scores, np.float32))


def truth(name: str) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    x0, y0, x1, y1 = THINGS[name]
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.fixture
def picture() -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE))


def test_finds_each_thing_once_and_leaves_the_shaky_out(picture: Image.Image) -> None:
    shares: list[float] = []
    painter = Painter()
    things = generate_masks(painter, picture, grid=8, progress=shares.append)
    assert len(things) == 2
    for name in THINGS:
        assert max(mask_iou(thing.mask, truth(name)) for thing in things) > 0.95
    assert all(thing.stability > 0.95 and thing.agreement == 1 for thing in things)
    assert [thing.rank for thing in things] == sorted((t.rank for t in things), reverse=True)
    assert shares[-1] == 1.0 and shares == sorted(shares)
    assert painter.encoded == 1


def test_the_encoded_picture_is_used(picture: Image.Image) -> None:
    painter = Painter()
    encoded = painter.encode(picture)
    assert generate_masks(painter, picture, encoded=encoded, grid=8)
    assert painter.encoded == 1


def test_everything_gives_the_largest_first(picture: Image.Image) -> None:
    masks = masks_by_area(Painter(), picture, grid=8)
    assert [int(mask.sum()) for mask in masks] == [24 * 48, 20 * 32]
    assert all(mask.dtype == bool and mask.shape == (SIDE, SIDE) for mask in masks)


def test_crops_are_encoded_anew_and_masks_that_end_at_a_cut_are_left_out() -> None:
    # in every crop the painter paints its squares again: the right one of a left crop (40 wide,
    # so 22 to 38 of it) ends inside, the lower edge of none reaches an inner cut
    picture, painter = Image.new("RGB", (SIDE, SIDE)), Painter()
    things = generate_masks(painter, picture, grid=8, crops=1, min_rank=0.0, refine_boxes=False)
    assert painter.encoded == 5
    window = crop_windows(picture.size, 1)[0]
    inner = [thing for thing in things if thing.level == "crop"]
    assert inner
    for thing in inner:
        columns = np.flatnonzero(thing.mask.any(0))
        assert columns[-1] != window[2] - 1


def test_suppression_keeps_the_best_of_alike_masks() -> None:
    masks = torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[0, :2], masks[1, :3], masks[2, 3] = True, True, True
    ious = mask_ious(masks, masks)
    assert ious[0, 1] == pytest.approx(8 / 12) and ious[0, 2] == 0
    assert suppress(torch.tensor([0.5, 0.9, 0.1]), ious, 0.6, 10) == [1, 2]
    assert suppress(torch.tensor([0.5, 0.9, 0.1]), ious, 0.7, 10) == [1, 0, 2]
    assert suppress(torch.tensor([0.5, 0.9, 0.1]), ious, 0.7, 1) == [1]


def test_clicks_lie_evenly_and_inside() -> None:
    clicks = click_grid((200, 100), 4)
    assert clicks == [(x, y) for y in (25.0, 75.0) for x in (25.0, 75.0, 125.0, 175.0)]
    assert click_grid((1, 300), 2) == [(0.5, 75.0), (0.5, 225.0)]


def test_crops_cover_the_picture_and_overlap() -> None:
    windows = crop_windows((200, 100), 1)
    assert len(windows) == 4 and len(crop_windows((200, 100), 2)) == 20
    covered = np.zeros((100, 200), int)
    for x0, y0, x1, y1 in windows:
        covered[y0:y1, x0:x1] += 1
    assert covered.min() == 1 and covered.max() == 4


@pytest.mark.parametrize(
    "options",
    [{"grid": 0}, {"max_masks": 0}, {"crops": 4}, {"min_area": 0.9, "max_area": 0.1}],
)
def test_numbers_out_of_range(picture: Image.Image, options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        generate_masks(Painter(), picture, **options)
