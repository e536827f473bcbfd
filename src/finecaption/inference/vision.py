"""Runs images and regions through the encoders and the adapter, each only once.

Legend: B images, R regions, S / s the sides of the squares, g the grid of image tokens, T image
tokens per region, H the adapter's width, D the language model's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from finecaption.model import FineCaptionForConditionalGeneration

_MAX_IMAGES = 8  # through the high-resolution encoders at once
_MAX_REGIONS = 32  # through the mask-aware CLIP at once


def encode_images(
    model: FineCaptionForConditionalGeneration, pixel_values: torch.Tensor
) -> torch.Tensor:
    """`model.encode_image` in batches without gradients; batches are halved if memory runs out.

    Args:
        pixel_values: uint8 or floating in [0, 1], (B, 3, S, S), on any device.

    Returns:
        (B, C_hr, g, g) on the model's device.

    Raises:
        torch.cuda.OutOfMemoryError: not even one image fits.
    """
    size = _MAX_IMAGES
    done: list[torch.Tensor] = []
    while (start := sum(map(len, done))) < len(pixel_values):
        try:
            with torch.inference_mode():
                part = pixel_values[start : start + size].to(model.device)
                done.append(model.encode_image(part))
        except torch.cuda.OutOfMemoryError:
            if size == 1:
                raise
            size //= 2
    return torch.cat(done)


class Vision:
    """The regions of some images as image tokens, image after image."""

    def __init__(
        self,
        model: FineCaptionForConditionalGeneration,
        inputs: Mapping[str, torch.Tensor],
        wholes: bool,
    ) -> None:
        """
        Args:
            inputs: see `batch_decoder.answer_stream`.
            wholes: whether the images are wanted under the mask of the whole, too.
        """
        self._model = model
        self._clip, self._masks = inputs["pixel_values_clip"], inputs["region_masks"]
        self._pixels = inputs.get("pixel_values")
        self._hr_features = inputs.get("hr_features")
        self._wholes = wholes
        whole = inputs.get("whole_masks")
        self._whole_masks = torch.full_like(self._clip[:, 0], 255) if whole is None else whole
        self.image_of = _image_of_region(
            inputs.get("image_index"), len(self._masks), len(self._clip)
        )
        """The image of each region."""
        self._parts: dict[int, torch.Tensor | None] = {}  # of the images in this batch

    def forget(self) -> None:
        """Free the memory."""
        self._parts = {}

    @torch.inference_mode()
    def tokens(self, regions: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Image tokens of regions, and of each region's whole image if these are wanted.

        With the regions of an image in a row, each image goes through the encoders and through the
        adapter's high-resolution half once.

        Returns:
            (R, T, D), and (R, T, D) or None.
        """
        images = sorted({self.image_of[region] for region in regions})
        new = [image for image in images if image not in self._parts]
        self._parts = {at: self._parts[at] for at in images if at in self._parts}
        if new:
            self._parts.update(zip(new, self._high(new), strict=True))
        parts = [self._parts[image] for image in images]
        high = None if parts[0] is None else torch.stack([p for p in parts if p is not None])
        clip = self._clip[images].to(self._model.device)
        place = {image: at for at, image in enumerate(images)}
        of = [place[self.image_of[region]] for region in regions]
        found = self._encode(clip, self._masks[list(regions)], high, of)
        if not self._wholes:
            return found, None
        all_of = list(range(len(images)))
        return found, self._encode(clip, self._whole_masks[images], high, all_of)[of]

    def _high(self, images: list[int]) -> list[torch.Tensor | None]:
        """(T, H) of each image; None without high-resolution encoders."""
        if self._hr_features is not None:
            features = self._hr_features[images].to(self._model.device)
        elif self._pixels is not None:
            features = encode_images(self._model, self._pixels[images])
        else:
            raise ValueError("inputs have no pixel_values; give them, or hr_features.")
        high = self._model.adapter.high(features)
        return [None] * len(images) if high is None else list(high)

    def _encode(
        self,
        clip: torch.Tensor,
        masks: torch.Tensor,
        high: torch.Tensor | None,
        of: Sequence[int],
    ) -> torch.Tensor:
        device = self._model.device
        done = []
        for start in range(0, len(masks), _MAX_REGIONS):
            part = slice(start, start + _MAX_REGIONS)
            done.append(
                self._model.encode_regions(
                    clip,
                    masks[part].to(device),
                    image_index=torch.tensor(of[part], device=device),
                    hr_part=high,
                )
            )
        return torch.cat(done)


def _image_of_region(image_index: torch.Tensor | None, regions: int, images: int) -> list[int]:
    if image_index is not None:
        return [int(at) for at in image_index]
    return list(range(regions)) if regions == images else [0] * regions


__all__ = ["Vision", "encode_images"]
