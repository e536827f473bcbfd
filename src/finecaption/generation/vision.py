"""Pictures and regions through the towers and the adapter, each only once.

Legend: B pictures, R regions, S / s the sides of the squares, g the grid of image tokens, T image
tokens a region, H the adapter's width, D the language model's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from finecaption.model import FineCaptionForConditionalGeneration

_PICTURES_AT_ONCE = 8  # through the high-resolution towers
_REGIONS_AT_ONCE = 32  # through the mask-aware CLIP


def encode_pictures(
    model: FineCaptionForConditionalGeneration, pixel_values: torch.Tensor
) -> torch.Tensor:
    """`model.encode_image` in batches, without gradients; smaller ones where memory does not do.

    Args:
        pixel_values: uint8 or floating in [0, 1], (B, 3, S, S), on any device.

    Returns:
        (B, C_hr, g, g) on the model's device.

    Raises:
        torch.cuda.OutOfMemoryError: not even one picture fits.
    """
    size = _PICTURES_AT_ONCE
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
    """The regions of some pictures as image tokens, picture after picture."""

    def __init__(
        self,
        model: FineCaptionForConditionalGeneration,
        inputs: Mapping[str, torch.Tensor],
        hr_features: torch.Tensor | None,
        wholes: bool,
    ) -> None:
        """
        Args:
            inputs, hr_features: see `engine.answer_stream`.
            wholes: whether the pictures are wanted under the mask of the whole, too.
        """
        self._model = model
        self._clip, self._masks = inputs["pixel_values_clip"], inputs["region_masks"]
        self._pixels = inputs.get("pixel_values")
        self._hr_features = hr_features
        self._wholes = wholes
        whole = inputs.get("whole_masks")
        self._whole_masks = torch.full_like(self._clip[:, 0], 255) if whole is None else whole
        self.picture_of = _picture_of_region(
            inputs.get("image_index"), len(self._masks), len(self._clip)
        )
        """The picture of each region."""
        self._parts: dict[int, torch.Tensor | None] = {}  # of the pictures asked about now

    def forget(self) -> None:
        """Give the memory back."""
        self._parts = {}

    @torch.inference_mode()
    def tokens(self, regions: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Image tokens of regions, and of each region's whole picture if these are wanted.

        Asked picture after picture, each picture goes through the towers and through the adapter's
        high-resolution half once.

        Returns:
            (R, T, D), and (R, T, D) or None.
        """
        pictures = sorted({self.picture_of[region] for region in regions})
        new = [picture for picture in pictures if picture not in self._parts]
        self._parts = {at: self._parts[at] for at in pictures if at in self._parts}
        if new:
            self._parts.update(zip(new, self._high(new), strict=True))
        parts = [self._parts[picture] for picture in pictures]
        high = None if parts[0] is None else torch.stack([p for p in parts if p is not None])
        clip = self._clip[pictures].to(self._model.device)
        place = {picture: at for at, picture in enumerate(pictures)}
        of = [place[self.picture_of[region]] for region in regions]
        found = self._encode(clip, self._masks[list(regions)], high, of)
        if not self._wholes:
            return found, None
        all_of = list(range(len(pictures)))
        return found, self._encode(clip, self._whole_masks[pictures], high, all_of)[of]

    def _high(self, pictures: list[int]) -> list[torch.Tensor | None]:
        """(T, H) of each picture; None without high-resolution towers."""
        if self._hr_features is not None:
            features = self._hr_features[pictures].to(self._model.device)
        elif self._pixels is not None:
            features = encode_pictures(self._model, self._pixels[pictures])
        else:
            raise ValueError("inputs have no pixel_values; give them, or hr_features.")
        high = self._model.adapter.high(features)
        return [None] * len(pictures) if high is None else list(high)

    def _encode(
        self,
        clip: torch.Tensor,
        masks: torch.Tensor,
        high: torch.Tensor | None,
        of: Sequence[int],
    ) -> torch.Tensor:
        device = self._model.device
        done = []
        for start in range(0, len(masks), _REGIONS_AT_ONCE):
            part = slice(start, start + _REGIONS_AT_ONCE)
            done.append(
                self._model.encode_regions(
                    clip,
                    masks[part].to(device),
                    image_index=torch.tensor(of[part], device=device),
                    hr_part=high,
                )
            )
        return torch.cat(done)


def _picture_of_region(image_index: torch.Tensor | None, regions: int, pictures: int) -> list[int]:
    if image_index is not None:
        return [int(at) for at in image_index]
    return list(range(regions)) if regions == pictures else [0] * regions


__all__ = ["Vision", "encode_pictures"]
