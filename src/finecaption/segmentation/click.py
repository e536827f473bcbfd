"""Clicks and boxes to masks, on the neck output of the model's own SAM tower.

Legend: S the side of the high-resolution square in pixels, n = S / 16 the neck's grid, m the side
of the mask logits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from finecaption.errors import InputError
from finecaption.io.geometry import (
    Box,
    Point,
    SquarePlacement,
    check_box,
    check_point,
    place_in_square,
)
from finecaption.io.images import ImageSource, load_image
from finecaption.model.preparation import place_image
from finecaption.segmentation.configuration import ClickDecoderConfig
from finecaption.segmentation.decoder import PAD, ClickDecoder

if TYPE_CHECKING:
    from finecaption.model.modeling import FineCaptionForConditionalGeneration

CONFIG_FILE = "segmenter.json"
WEIGHTS_FILE = "segmenter.safetensors"


def save_segmenter(decoder: ClickDecoder, folder: str | os.PathLike[str]) -> None:
    """Writes segmenter.json and segmenter.safetensors (float16) into a checkpoint's folder."""
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    (root / CONFIG_FILE).write_text(json.dumps(asdict(decoder.config), indent=2) + "\n")
    state = decoder.state_dict()
    save_file(
        {name: value.half().cpu().contiguous() for name, value in state.items()},
        root / WEIGHTS_FILE,
        metadata={"format": "pt"},
    )


def load_decoder(folder: str | os.PathLike[str]) -> ClickDecoder:
    """The decoder beside a model, float32, on the CPU, for inference.

    Raises:
        InputError: the files are missing, broken, or of another version.
    """
    root = Path(folder)
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (root / name).is_file():
            raise InputError(
                f"{root}: holds no {name}, so clicks and boxes cannot be turned into masks; give "
                "a mask, or use a model with a click segmenter"
            )
    try:
        config = ClickDecoderConfig.from_dict(json.loads((root / CONFIG_FILE).read_text()))
        decoder = ClickDecoder(config)
        decoder.load_state_dict({k: v.float() for k, v in load_file(root / WEIGHTS_FILE).items()})
    except InputError:
        raise
    except Exception as error:  # safetensors has its own error class, which is no OSError
        raise InputError(f"{root}: broken click segmenter ({error}); fetch it again") from error
    return decoder.eval()


@dataclass(frozen=True)
class ClickableImage:
    """An image that any number of prompts can be asked of.

    Attributes:
        embeddings: (1, C, n, n) neck output.
        pixel_values: uint8 (1, 3, S, S), the square.
        placement: where the image lies in the square.
    """

    embeddings: torch.Tensor
    pixel_values: torch.Tensor
    placement: SquarePlacement

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the image."""
        return self.placement.size


class ClickMask(NamedTuple):
    """A mask, bool (H, W) at the image's size and never empty, and the IoU expected of it."""

    mask: np.ndarray
    score: float
    logits: torch.Tensor | None = None
    """(m, m) of the square, for the next click; None: the decoder does not take them back."""


class Proposals(NamedTuple):
    """Masks of many prompts on one image, as they leave the decoder."""

    logits: np.ndarray
    """float32 (P, K, m, m) over the high-resolution square, foreground where over 0; K masks a
    prompt, from part to whole where the decoder knows granularities."""
    scores: np.ndarray
    """float32 (P, K), the IoU expected of each, 0..1."""


class Segmenter:
    """Turns clicks or a box into the mask of the object, at the image's own size."""

    def __init__(self, decoder: ClickDecoder, model: FineCaptionForConditionalGeneration) -> None:
        """
        Args:
            decoder: for the model's SAM tower.
            model: whose SAM tower makes the embeddings.

        Raises:
            InputError: the model has no SAM tower, or one of another size.
        """
        if model.sam is None:
            raise InputError("this model has no SAM tower, so it cannot segment; give a mask")
        side = model.config.image_size
        if decoder.config.image_size != side:
            raise InputError(
                f"the click segmenter is made for {decoder.config.image_size} px, the model for "
                f"{side} px; use the one that was saved with the model"
            )
        self.model = model
        self.decoder = decoder.to(model.device).eval()

    @classmethod
    def from_pretrained(
        cls, folder: str | os.PathLike[str], model: FineCaptionForConditionalGeneration
    ) -> Segmenter:
        """The segmenter saved in a model's folder; errors as `load_decoder` and the constructor."""
        return cls(load_decoder(folder), model)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """See `save_segmenter`."""
        save_segmenter(self.decoder, folder)

    @torch.no_grad()
    def encode(self, image: ImageSource, hr_features: torch.Tensor | None = None) -> ClickableImage:
        """Runs the SAM tower once.

        Args:
            image: anything `finecaption.io.images.load_image` opens.
            hr_features: (1, C_hr, g, g), what `encode_image` gave for this very image; the tower
                is not run again then.

        Raises:
            InputError: as `load_image`.
        """
        picture = load_image(image)
        side = self.decoder.config.image_size
        pixels = torch.from_numpy(place_image(picture, side).copy()).permute(2, 0, 1).unsqueeze(0)
        pixels = pixels.to(self.model.device)
        if hr_features is None:
            embeddings = self.model.encode_sam(pixels)
        else:
            embeddings = self.model.sam_embeddings(hr_features)
        return ClickableImage(embeddings.float(), pixels, place_in_square(picture.size, side))

    @torch.no_grad()
    def predict(
        self,
        encoded: ClickableImage,
        points: Sequence[Sequence[float]] = (),
        labels: Sequence[int | bool] | None = None,
        box: Sequence[float] | None = None,
    ) -> ClickMask:
        """The object under the clicks or in the box.

        Args:
            encoded: of `encode`.
            points: (x, y) or (x, y, positive) in pixels of the image (see
                `finecaption.io.geometry`).
            labels: for each point, 1 on the thing, 0 on what is not it; overrides `positive`.
            box: x0, y0, x1, y1 around the thing, cut to the image.

        Raises:
            InputError: no prompt; NaN; a point outside the image; a reversed, empty or outside
                box; labels that do not fit the points.
        """
        clicks, square = check_prompt(encoded.size, points, labels, box)
        place, device = encoded.placement, encoded.embeddings.device
        xy = place.to_square([(c.x, c.y) for c in clicks])
        at = torch.tensor(xy, dtype=torch.float32, device=device).reshape(1, 1, -1, 2)
        kinds = torch.tensor([int(c.positive) for c in clicks], device=device).reshape(1, 1, -1)
        boxes = None
        if square is not None:
            corners = place.to_square(np.reshape(square, (2, 2)))
            boxes = torch.tensor(corners, dtype=torch.float32, device=device).reshape(1, 1, 4)
        logits, quality = self.decoder(encoded.embeddings, at, kinds, boxes, encoded.pixel_values)
        mask = square_to_picture(logits[0, 0], place)
        return ClickMask(mask, float(quality[0, 0].clamp(0, 1)))

    @torch.no_grad()
    def propose(
        self,
        encoded: ClickableImage,
        points: Sequence[Sequence[float]] = (),
        boxes: Sequence[Sequence[float]] = (),
    ) -> Proposals:
        """One prompt for each point, then one for each box, all in a few passes.

        Args:
            encoded: of `encode`.
            points: (x, y) in pixels of the image.
            boxes: x0, y0, x1, y1.

        Raises:
            InputError: as `predict`.
        """
        return run_prompts(encoded, points, boxes, self._decode)

    def _decode(
        self, encoded: ClickableImage, xy: torch.Tensor | None, boxes: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if xy is None:
            assert boxes is not None  # run_prompts gives one of them
            xy = boxes.new_zeros(len(boxes), 2)
            labels = torch.full((1, len(boxes), 1), PAD, device=boxes.device)
        else:
            labels = torch.ones((1, len(xy), 1), dtype=torch.long, device=xy.device)
        corners = None if boxes is None else boxes[None]
        logits, quality = self.decoder(
            encoded.embeddings, xy[None, :, None], labels, corners, encoded.pixel_values
        )
        return logits[0], quality[0][:, None]


_PROMPTS_AT_ONCE = 32


def run_prompts(
    encoded: ClickableImage,
    points: Sequence[Sequence[float]],
    boxes: Sequence[Sequence[float]],
    decode: Callable[..., tuple[torch.Tensor, torch.Tensor]],
) -> Proposals:
    """Checked prompts in batches through a decoder; see `Segmenter.propose`.

    Args:
        decode: (encoded, points float (P, 2) in the square or None, boxes float (P, 4) or None) to
            logits (P, K, m, m) and quality (P, K).
    """
    size, place = encoded.size, encoded.placement
    device = encoded.embeddings.device
    clicks = [check_point(p, size, f"points[{i}]") for i, p in enumerate(points)]
    frames = [check_box(b, size, f"boxes[{i}]") for i, b in enumerate(boxes)]
    logits, scores = [], []
    for given, is_box in (([(c.x, c.y) for c in clicks], False), (frames, True)):
        for start in range(0, len(given), _PROMPTS_AT_ONCE):
            part = np.reshape(given[start : start + _PROMPTS_AT_ONCE], (-1, 2))
            square = torch.tensor(place.to_square(part), dtype=torch.float32, device=device)
            if is_box:
                found, quality = decode(encoded, None, square.reshape(-1, 4))
            else:
                found, quality = decode(encoded, square, None)
            logits.append(found.float().cpu().numpy())
            scores.append(quality.float().clamp(0, 1).cpu().numpy())
    if not logits:
        raise InputError("propose: give at least one point or box")
    return Proposals(np.concatenate(logits), np.concatenate(scores))


def check_prompt(
    size: tuple[int, int],
    points: Sequence[Sequence[float]],
    labels: Sequence[int | bool] | None,
    box: Sequence[float] | None,
) -> tuple[list[Point], Box | None]:
    """A valid prompt for an image of size (width, height); arguments as `Segmenter.predict`.

    Raises:
        InputError: as `Segmenter.predict`.
    """
    clicks = [check_point(p, size, f"points[{i}]") for i, p in enumerate(points)]
    if labels is not None:
        if len(labels) != len(clicks):
            raise InputError(
                f"labels: {len(labels)} for {len(clicks)} points; give one label a point"
            )
        for i, label in enumerate(labels):
            if label not in (0, 1):
                raise InputError(f"labels[{i}]: must be 1 (on the thing) or 0 (not); got {label!r}")
        clicks = [c._replace(positive=bool(v)) for c, v in zip(clicks, labels, strict=True)]
    valid = None if box is None else check_box(box, size)
    if valid is None and not any(c.positive for c in clicks):
        raise InputError("points: give at least one click on the thing, or a box around it")
    return clicks, valid


def square_to_picture(logits: torch.Tensor, place: SquarePlacement) -> np.ndarray:
    """Logits (1, m, m) of the square -> bool (H, W) of the image, at least one pixel true."""
    side = (place.side, place.side)
    full = F.interpolate(logits[None].float(), size=side, mode="bilinear", align_corners=False)
    left, top, right, bottom = place.box
    width, height = place.size
    cut = F.interpolate(
        full[..., top:bottom, left:right],
        size=(height, width),
        mode="bilinear",
        align_corners=False,
    )[0, 0]
    mask = cut > 0
    if not mask.any():
        mask = cut >= cut.max()
    return mask.cpu().numpy()


__all__ = [
    "PAD",
    "ClickDecoder",
    "ClickDecoderConfig",
    "ClickMask",
    "ClickableImage",
    "Proposals",
    "Segmenter",
    "check_prompt",
    "load_decoder",
    "run_prompts",
    "save_segmenter",
    "square_to_picture",
]
