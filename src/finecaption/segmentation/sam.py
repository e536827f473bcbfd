"""Any SAM checkpoint of transformers as the segmenter.

The methods are those of `finecaption.segmentation.click.Segmenter`, on a separate `SamModel`:
Meta's ViT-B, L and H, or any other checkpoint of that class. It returns three masks per click, from
part to whole, and accepts the previous mask with the next click (Kirillov et al. 2023,
arXiv:2304.02643, section 3).

Legend: S the side of the model's square, m = S / 4 that of its masks, P prompts, K masks per
prompt.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import SamModel

from finecaption.errors import InputError
from finecaption.io.geometry import place_in_square
from finecaption.io.images import ImageSource, load_image
from finecaption.segmentation.click import (
    ClickableImage,
    ClickMask,
    Proposals,
    check_prompt,
    run_prompts,
    square_to_picture,
)

# of the pixels, 0..255, as in segment-anything's Sam (modeling/sam.py): ImageNet's
_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)


class TransformersSegmenter:
    """Clicks or a box on an image -> the mask of the thing, by a SAM checkpoint."""

    def __init__(self, model: SamModel) -> None:
        """`model` in any dtype, on any device; it is put into evaluation mode."""
        self.model = model.eval()
        self.side = int(model.config.vision_config.image_size)

    @classmethod
    def from_pretrained(
        cls, folder: str | os.PathLike[str], device: str | torch.device | None = None
    ) -> TransformersSegmenter:
        """A checkpoint on disk; the network is not asked.

        Args:
            folder: with config.json and model.safetensors of a `SamModel`.
            device: cuda if there is one, else cpu, if None.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        root = Path(folder)
        if not (root / "config.json").is_file():
            raise InputError(f"{root}: holds no config.json; give the folder of a SAM checkpoint")
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            model = SamModel.from_pretrained(root, local_files_only=True)
            return cls(model.to(device))
        # transformers and safetensors raise errors of their own for broken files
        except Exception as error:
            raise InputError(f"{root}: is no SAM checkpoint that can be read ({error})") from error

    @torch.no_grad()
    def encode(self, image: ImageSource, hr_features: Any = None) -> ClickableImage:
        """Runs the vision encoder once.

        Args:
            image: anything `finecaption.io.images.load_image` opens.
            hr_features: not used; there so that it can stand in for `Segmenter`.

        Raises:
            InputError: as `load_image`.
        """
        picture = load_image(image)
        # SAM learned images in the upper left corner, padded with 0 after normalization
        place = replace(place_in_square(picture.size, self.side), offset=(0, 0))
        small = picture.resize(place.new_size, Image.Resampling.BILINEAR)
        pixels = (np.asarray(small, np.float32) - _MEAN) / _STD
        square = np.zeros((self.side, self.side, 3), np.float32)
        square[: place.new_size[1], : place.new_size[0]] = pixels
        device = self.model.device
        values = torch.from_numpy(square).permute(2, 0, 1)[None].to(device, self.model.dtype)
        embeddings = self.model.get_image_embeddings(values)
        return ClickableImage(embeddings, values, place)

    @torch.no_grad()
    def predict(
        self,
        encoded: ClickableImage,
        points: Sequence[Sequence[float]] = (),
        labels: Sequence[int | bool] | None = None,
        box: Sequence[float] | None = None,
        previous: torch.Tensor | None = None,
    ) -> ClickMask:
        """The object under the clicks or in the box; arguments and errors as `Segmenter.predict`.

        Of one click, which may mean a part or a whole, the best of three masks is taken; of more,
        the one that the decoder makes for clear prompts.

        Args:
            previous: `ClickMask.logits` of the clicks before, to be refined.
        """
        clicks, frame = check_prompt(encoded.size, points, labels, box)
        place, device = encoded.placement, encoded.embeddings.device
        xy = labelled = corners = None
        if clicks:
            square = place.to_square([(click.x, click.y) for click in clicks])
            xy = torch.tensor(square, dtype=torch.float32, device=device)[None, None]
            labelled = torch.tensor([[[int(c.positive) for c in clicks]]], device=device)
        if frame is not None:
            edges = place.to_square(np.reshape(frame, (2, 2))).reshape(1, 1, 4)
            corners = torch.tensor(edges, dtype=torch.float32, device=device)
        clear = len(clicks) + 2 * (frame is not None) > 1 or previous is not None
        logits, scores = self._run(encoded, xy, labelled, corners, not clear, previous)
        best = int(scores[0].argmax())
        mask = square_to_picture(logits[0, best][None], place)
        return ClickMask(mask, float(scores[0, best].clamp(0, 1)), logits[0, best])

    @torch.no_grad()
    def propose(
        self,
        encoded: ClickableImage,
        points: Sequence[Sequence[float]] = (),
        boxes: Sequence[Sequence[float]] = (),
    ) -> Proposals:
        """As `Segmenter.propose`, with K = 3 masks per prompt."""
        return run_prompts(encoded, points, boxes, self._decode)

    def _decode(
        self, encoded: ClickableImage, xy: torch.Tensor | None, boxes: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if xy is None:
            assert boxes is not None  # run_prompts gives one of them
            return self._run(encoded, None, None, boxes[None], True, None)
        labels = torch.ones((1, len(xy), 1), dtype=torch.long, device=xy.device)
        return self._run(encoded, xy[None, :, None], labels, None, True, None)

    def _run(
        self,
        encoded: ClickableImage,
        points: torch.Tensor | None,
        labels: torch.Tensor | None,
        boxes: torch.Tensor | None,
        several: bool,
        previous: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (P, K, m, m) and expected IoU (P, K), float32; K is 3 if `several`, else 1.

        transformers adds half a pixel, for points that are pixel numbers; these are positions.
        """
        dtype = self.model.dtype
        output = self.model(
            image_embeddings=encoded.embeddings,
            input_points=None if points is None else (points - 0.5).to(dtype),
            input_labels=labels,
            input_boxes=None if boxes is None else (boxes - 0.5).to(dtype),
            input_masks=None if previous is None else previous[None, None].to(dtype),
            multimask_output=several,
        )
        return output.pred_masks[0].float(), output.iou_scores[0].float()


__all__ = ["TransformersSegmenter"]
