"""Stage 0 of the SAM tower: dense labels and clicks at once, on the same images.

Legend: B images, P prompts per image, N = B * P, K points per prompt, d = 128 the side of the id
map, S the side of the images, rows the regions of the fullest image and the backdrop (row 0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from finecaption.model.configuration import FineCaptionConfig
from finecaption.model.encoders import SamTower
from finecaption.segmentation.click import PAD, ClickDecoder
from finecaption_synth.training.labels import HEADS
from finecaption_synth.training.objectives.dense import (
    Dense,
    DensePretraining,
    dense_loss,
    in_sight,
    patch_cells,
)

PROMPTS = 4  # an image
POINTS = 5  # the most a prompt
MIN_AREA = 12  # of a clickable region, cells of the id map

_CENTRE = 0.5  # chance that the first click is the innermost point, else any pixel
_MORE = 0.3  # chance of further clicks
_STILL_MORE = 0.7  # chance of yet another, given one
_KIN = 0.5  # chance that a click on what is not wanted falls on a part, its whole or a sibling
_BOX = 0.2  # chance of a box
_ONLY_BOX = 0.5  # chance that a prompt with a box has no click
_JITTER = 0.1  # of a box's sides


class Prompts(NamedTuple):
    """What `ClickDecoder.forward` takes, and what it should answer."""

    points: torch.Tensor
    """float (B, P, K, 2), pixels of the S square."""
    labels: torch.Tensor
    """int64 (B, P, K)."""
    boxes: torch.Tensor
    """float (B, P, 4), NaN where there is none."""
    targets: torch.Tensor
    """bool (B, P, d, d)."""
    valid: torch.Tensor
    """bool (B, P): false where an image has fewer clickable regions than prompts."""


def choose_regions(ids: torch.Tensor, rows: int, prompts: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Different regions of each image, by chance, among those with enough pixels of their own.

    Args:
        ids: uint8 (B, d, d).
        rows: the number of region ids, backdrop included.
        prompts: P.

    Returns:
        int64 (B, P) region ids, and bool (B, P) whether there was one to choose.
    """
    flat = ids.flatten(1).long()
    areas = torch.zeros(len(ids), max(rows, prompts + 1), device=ids.device)
    areas.scatter_add_(1, flat, torch.ones_like(flat, dtype=areas.dtype))
    order = torch.rand_like(areas) + (areas >= MIN_AREA)
    order[:, 0] = -1
    score, chosen = order.topk(prompts, dim=1)
    return chosen, score >= 1


def region_targets(
    ids: torch.Tensor, chosen: torch.Tensor, parent: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The chosen regions' own pixels, and those with their parts': both bool (B, P, d, d).

    Args:
        ids: uint8 (B, d, d).
        chosen: int64 (B, P).
        parent: int8 (B, rows), the whole that a region is part of, or 0; None: there are no parts.
    """
    cells = ids.long().unsqueeze(1)
    wanted = chosen[..., None, None]
    own = cells == wanted
    target = own
    if parent is not None:
        table = parent.long()
        above = torch.gather(table, 1, cells.flatten(1))
        for _ in range(2):  # parts of parts
            target = target | (above.view_as(cells) == wanted)
            above = torch.gather(table, 1, above)
    return own, target


def kin_pixels(ids: torch.Tensor, chosen: torch.Tensor, parent: torch.Tensor) -> torch.Tensor:
    """The pixels of everything that shares a whole with the chosen regions: bool (B, P, d, d).

    A click that is right but for the choice between part and whole is the commonest one to need
    another; arguments as `region_targets`.
    """
    root = torch.arange(parent.shape[1], device=ids.device).expand(len(ids), -1)
    for _ in range(2):  # parts of parts
        above = torch.gather(parent.long(), 1, root)
        root = torch.where(above > 0, above, root)
    roots = torch.gather(root, 1, ids.flatten(1).long()).view_as(ids)
    return roots.unsqueeze(1) == torch.gather(root, 1, chosen)[..., None, None]


def _any_pixel(allowed: torch.Tensor) -> torch.Tensor:
    """(N, d, d) -> int64 (N,): a pixel by chance that is not 0, as an index into d * d.

    Where there are pixels of 1 and of more, those of more are the likelier.
    """
    return (torch.rand(allowed.shape, device=allowed.device) * allowed).flatten(1).argmax(1)


def _innermost(own: torch.Tensor) -> torch.Tensor:
    """bool (N, d, d) -> int64 (N,): the pixel with the most of the region around it.

    The width of the Gaussian is drawn anew each time, so that the click is not always the same.
    """
    side = own.shape[-1]
    sigma = 1.5 + 6.5 * float(torch.rand(()))
    place = torch.arange(side, device=own.device, dtype=torch.float32)
    blur = torch.exp(-((place[:, None] - place) ** 2) / (2 * sigma**2))
    blur = blur / blur.sum(1, keepdim=True)
    return ((blur @ own.float() @ blur.T) * own).flatten(1).argmax(1)


def _bounding(target: torch.Tensor, scale: float) -> torch.Tensor:
    """bool (N, d, d) -> float (N, 4): x0 y0 x1 y1, jittered, in the S square."""
    side = target.shape[-1]
    edges = []
    for axis in (1, 2):  # over rows: columns; over columns: rows
        hit = target.any(axis).float()
        edges.append((hit.argmax(1), side - hit.flip(1).argmax(1)))
    (x0, x1), (y0, y1) = edges
    box = torch.stack((x0, y0, x1, y1), dim=1).float()
    sides = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    box = box + (torch.rand_like(box) * 2 - 1) * _JITTER * sides
    return box.clamp(0, side) * scale


@torch.no_grad()
def sample_prompts(
    ids: torch.Tensor,
    rows: int,
    side: int,
    parent: torch.Tensor | None = None,
    prompts: int = PROMPTS,
) -> Prompts:
    """Clicks and boxes as a user could give them, drawn from torch's global random stream.

    Args:
        ids: uint8 (B, d, d) region id a pixel, parts before wholes.
        rows: the number of region ids, backdrop included.
        side: S.
        parent: see `region_targets`.
        prompts: P.
    """
    chosen, valid = choose_regions(ids, rows, prompts)
    own, target = (m.flatten(0, 1) for m in region_targets(ids, chosen, parent))
    count, device = len(own), ids.device
    if parent is not None:
        kin = kin_pixels(ids, chosen.clamp(max=parent.shape[1] - 1), parent).flatten(0, 1)

    def chance(share: float) -> torch.Tensor:
        return torch.rand(count, device=device) < share

    pixels = torch.zeros(count, POINTS, dtype=torch.long, device=device)
    labels = torch.full((count, POINTS), PAD, dtype=torch.long, device=device)
    central = chance(_CENTRE)
    pixels[central, 0] = _innermost(own[central])
    pixels[~central, 0] = _any_pixel(own[~central])
    labels[:, 0] = 1
    more = chance(_MORE).nonzero()[:, 0]
    for slot in range(1, POINTS):
        positive = torch.rand(len(more), device=device) < 0.5
        allowed = (target[more] == positive[:, None, None]).float()
        if parent is not None:
            wary = torch.rand(len(more), device=device) < _KIN
            allowed = allowed * (1 + kin[more] * (wary & ~positive)[:, None, None])
        pixels[more, slot] = _any_pixel(allowed)
        labels[more, slot] = positive.long()
        more = more[torch.rand(len(more), device=device) < _STILL_MORE]
    boxed = chance(_BOX)
    scale = side / ids.shape[-1]
    boxes = torch.where(boxed[:, None], _bounding(target, scale), float("nan"))
    labels[boxed & chance(_ONLY_BOX)] = PAD

    xy = torch.stack((pixels % ids.shape[-1], pixels // ids.shape[-1]), dim=-1).float()
    # The map's pixels are samples near their cells' centres; a thin thing ends close by.
    xy = (xy + 0.5 + (torch.rand_like(xy) - 0.5) / 2) * scale
    shape = (len(ids), prompts)
    return Prompts(
        xy.unflatten(0, shape),
        labels.unflatten(0, shape),
        boxes.unflatten(0, shape),
        target.unflatten(0, shape),
        valid,
    )


def click_loss(
    logits: torch.Tensor, quality: torch.Tensor, targets: torch.Tensor, valid: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy + dice + squared error of the expected IoU, and the mean IoU.

    The cross-entropy of a prompt is divided by the geometric mean of the region's and the
    image's area: a plain mean would leave small regions to the dice alone.

    Args:
        logits: (B, P, 1, m, m).
        quality: (B, P), the IoU that the decoder expects.
        targets: bool (B, P, d, d).
        valid: bool (B, P); the others count nothing.

    Returns:
        two scalars; the IoU is detached.
    """
    size = targets.shape[-2:]
    logits = logits[:, :, 0]
    if logits.shape[-2:] != size:
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    logits = logits.flatten(2)
    hard = targets.flatten(2)
    truth = hard.to(logits.dtype)
    area = truth.sum(2)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").sum(2)
    entropy = entropy / (area.clamp(min=1) * truth.shape[2]).sqrt()
    share = logits.sigmoid()
    dice = 1 - (2 * (share * truth).sum(2) + 1) / (share.sum(2) + area + 1)
    with torch.no_grad():
        mask = logits > 0
        iou = (mask & hard).sum(2) / (mask | hard).sum(2).clamp(min=1)
    error = (quality - iou) ** 2
    weight = valid.to(logits.dtype)
    total = weight.sum().clamp(min=1)
    loss = ((entropy + dice + error) * weight).sum() / total
    return loss, (iou * weight).sum() / total


class ClickPretraining(nn.Module):
    """The SAM tower with its dense head and its click decoder: batch in, loss out."""

    def __init__(self, dense: DensePretraining, decoder: ClickDecoder, weight: float = 1.0) -> None:
        """
        Args:
            dense: of a `SamTower`.
            decoder: trained along; saved with `finecaption.segmentation.click.save_segmenter`.
            weight: of the click loss beside the dense loss.
        """
        super().__init__()
        self.dense = dense
        self.decoder = decoder
        self.weight = weight

    def forward(
        self,
        pixel_values: torch.Tensor,
        ids: torch.Tensor,
        labels: torch.Tensor,
        parent: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """
        Args:
            pixel_values: uint8 (B, 3, S, S), raw.
            ids: uint8 (B, d, d) region id a pixel, parts before wholes, 0 the backdrop.
            labels: int8 (B, rows, heads), see `dense_loss`.
            parent: int8 (B, rows), see `region_targets`.

        Returns:
            loss (), accuracy (heads,) of the dense labels, and iou (), the mean of this batch's
            prompts.
        """
        embeddings = self.dense.features(pixel_values)
        cells, rows = patch_cells(ids), labels.shape[1]
        logits = self.dense.head(embeddings, cells, rows)
        named, accuracy = dense_loss(logits, labels, in_sight(cells, rows))
        prompts = sample_prompts(ids, labels.shape[1], pixel_values.shape[-1], parent)
        # Positions and areas need more than bfloat16's eight bits.
        with torch.autocast(embeddings.device.type, enabled=False):
            logits, quality = self.decoder(
                embeddings.float(), prompts.points, prompts.labels, prompts.boxes, pixel_values
            )
        clicks, iou = click_loss(logits, quality, prompts.targets, prompts.valid)
        return {"loss": named + self.weight * clicks, "accuracy": accuracy, "iou": iou}


class Clicks(Dense):
    """SAM on class maps and on clicks, with a click decoder; items are scenes."""

    metrics: Mapping[str, Sequence[str]] = {"accuracy": tuple(HEADS), "iou": ()}

    def __init__(self, config: FineCaptionConfig, decoder_only: bool = False) -> None:
        """
        Args:
            config: of the model that the tower is of.
            decoder_only: the dense head stays as it is, too.
        """
        statistics = (config.sam_image_mean, config.sam_image_std)
        super().__init__(statistics, config.sam_grid, config.sam_config.output_channels)
        self.config = config
        self.parts = {"dense.tower.": "sam"}
        if decoder_only:
            self.parts = {**self.parts, "dense.head.": "sam"}

    def wrap(self, model: nn.Module) -> ClickPretraining:
        """The tower with a new dense head and a new click decoder."""
        assert isinstance(model, SamTower)
        dense = DensePretraining(model, *self.arguments)
        return ClickPretraining(dense, ClickDecoder.for_model(self.config))
