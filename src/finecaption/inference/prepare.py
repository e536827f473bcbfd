"""Requests made ready for the model: encoded images, masks at the model's size, questions.

Legend: B images, R regions, s and S the sides of the squares, g the grid of image tokens.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image

from finecaption.errors import InputError
from finecaption.io.geometry import Size
from finecaption.io.images import ImageSource, load_image
from finecaption.model import FineCaptionForConditionalGeneration, FineCaptionProcessor
from finecaption.request import WHOLE, Questions, instruction_for
from finecaption.results import Notice
from finecaption.types import Region

from .vision import encode_images

if TYPE_CHECKING:
    from finecaption.trust.out_of_domain import OutOfDomainDetector


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """An image that has been through the encoders; a `Request` takes it as its image."""

    image: Image.Image
    """RGB, upright."""
    pixel_values_clip: torch.Tensor
    """uint8 (1, 3, s, s)"""
    hr_features: torch.Tensor
    """(1, C_hr, g, g)"""
    notice: Notice | None = None
    name: str | None = None
    """Its path, if it came from a file."""

    @property
    def size(self) -> Size:
        """(width, height)"""
        return self.image.size


class PreparedRequest(NamedTuple):
    """A request whose image is encoded and whose regions are masks."""

    encoded: EncodedImage
    regions: list[Region]
    questions: Questions
    masks: np.ndarray
    """uint8 (R, s, s), or (R + 1, s, s) with the whole image's, if it is asked about."""
    texts: list[list[str]]
    """For each mask, the user's texts that ask the questions."""

    def label(self, mask: int, question: int) -> tuple[int | None, str]:
        """Region number (None: the whole image) and name of an answer."""
        if mask == len(self.regions):
            return None, WHOLE
        return mask, self.questions.region_names[question]


def encode_sources(
    model: FineCaptionForConditionalGeneration,
    processor: FineCaptionProcessor,
    images: Sequence[ImageSource],
    detector: OutOfDomainDetector | None = None,
) -> list[EncodedImage | InputError]:
    """Images opened and through the encoders in one batch; an error in place of a broken one."""
    opened: list[Image.Image | InputError] = []
    pixels = []
    for source in images:
        try:
            image = load_image(source)
        except InputError as error:
            opened.append(error)
            continue
        opened.append(image)
        pixels.append(processor.image_processor.image_inputs(image))
    if not pixels:
        return [one for one in opened if isinstance(one, InputError)]
    high = np.concatenate([one["pixel_values"] for one in pixels])
    features = encode_images(model, torch.from_numpy(high))
    encoded: list[EncodedImage | InputError] = []
    places = iter(range(len(pixels)))
    for source, one in zip(images, opened, strict=True):
        if isinstance(one, InputError):
            encoded.append(one)
            continue
        at = next(places)
        notice = None
        if detector is not None:
            notice = detector.check_features(features[at].float().cpu().numpy(), one.size)
        name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
        clip = torch.from_numpy(pixels[at]["pixel_values_clip"])
        encoded.append(EncodedImage(one, clip, features[at : at + 1], notice, name))
    return encoded


def prepare_request(
    processor: FineCaptionProcessor,
    encoded: EncodedImage,
    regions: list[Region],
    questions: Questions,
) -> PreparedRequest:
    """Masks at the model's size and the texts that ask the questions."""
    prepare = processor.image_processor.region_inputs
    texts = [instruction_for(name) for name in questions.region_names]
    masks = [prepare(region.mask, encoded.size) for region in regions]
    asked = [texts for _ in regions]
    if questions.whole:
        masks.append(prepare(None, encoded.size))
        asked.append([instruction_for(WHOLE)])
    return PreparedRequest(encoded, regions, questions, np.concatenate(masks), asked)


def collate_requests(
    processor: FineCaptionProcessor, requests: Sequence[PreparedRequest]
) -> dict[str, torch.Tensor]:
    """The inputs of `batch_decoder.answers` for requests in one batch, an image once.

    Returns:
        pixel_values_clip (B, 3, s, s), whole_masks (B, s, s), hr_features (B, C_hr, g, g),
        region_masks (R, s, s) and image_index (R,), in the order of the requests.
    """
    images = list({id(one.encoded): one.encoded for one in requests}.values())
    place = {id(encoded): at for at, encoded in enumerate(images)}
    whole = processor.image_processor.region_inputs
    index = [place[id(one.encoded)] for one in requests for _ in one.texts]
    return {
        "pixel_values_clip": torch.cat([encoded.pixel_values_clip for encoded in images]),
        "whole_masks": torch.from_numpy(
            np.concatenate([whole(None, encoded.size) for encoded in images])
        ),
        "hr_features": torch.cat([encoded.hr_features for encoded in images]),
        "region_masks": torch.from_numpy(np.concatenate([one.masks for one in requests])),
        "image_index": torch.tensor(index, dtype=torch.long),
    }


__all__ = [
    "EncodedImage",
    "PreparedRequest",
    "collate_requests",
    "encode_sources",
    "prepare_request",
]
