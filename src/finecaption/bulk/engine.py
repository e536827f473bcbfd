"""Images of a batch as requests to a captioner, and its results with the regions' ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from finecaption.bulk.jobs import WHOLE_ID, OpenedJob
from finecaption.bulk.settings import RunSettings
from finecaption.errors import InputError
from finecaption.protocol import Captioner, require
from finecaption.request import Request
from finecaption.results import CaptionResult
from finecaption.types import Region


class Spec(Protocol):
    """A captioner that can be opened, here or on another machine: `captioners.ModelSpec`."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """See `finecaption.protocol.Captioner`."""
        ...

    def open(self) -> Captioner: ...


@dataclass(frozen=True)
class ImageResult:
    """A result, and the ids of its regions."""

    result: CaptionResult
    ids: tuple[str, ...]


def caption_images(
    captioner: Captioner, images: Sequence[OpenedJob], settings: RunSettings
) -> list[ImageResult | InputError]:
    """A result or an error for each image, in order."""
    requests: list[Request | InputError] = []
    ids: list[tuple[str, ...]] = []
    for loaded in images:
        try:
            request, known = _request(captioner, loaded, settings)
        except InputError as error:
            request, known = error, ()
        requests.append(request)
        ids.append(known)
    good = [request for request in requests if isinstance(request, Request)]
    results = iter(captioner.caption_batch(good))
    return [
        request if isinstance(request, InputError) else _with_ids(next(results), known)
        for request, known in zip(requests, ids, strict=True)
    ]


def _request(
    captioner: Captioner, loaded: OpenedJob, settings: RunSettings
) -> tuple[Request | InputError, tuple[str, ...]]:
    """The request about an image, and the ids of its regions.

    Without a region, attributes are asked about the whole image as one region.
    """
    image: Any = loaded.picture
    regions: list[Any] = list(loaded.regions)
    ids = tuple(loaded.names)
    if settings.everything and not regions:
        require(captioner, "click")
        image, masks = find_everything(captioner, loaded.picture)
        regions = [Region(mask) for mask in masks]
        ids = tuple(str(number) for number in range(1, len(regions) + 1))
    asked = settings.questions
    if asked.attributes and not regions:
        regions, ids = [Region.whole(loaded.picture.size)], (WHOLE_ID,)
    request = Request(
        image,
        regions,
        asked.attributes or None,
        asked.dense,
        asked.whole,
        settings.decoding,
        [f"region {name}" for name in ids],
    )
    return request, ids


def _with_ids(result: CaptionResult | InputError, ids: tuple[str, ...]) -> ImageResult | InputError:
    return result if isinstance(result, InputError) else ImageResult(result, ids)


def find_everything(captioner: Any, image: Any) -> tuple[Any, list[Any]]:
    """The encoded image, and a mask, bool (H, W), of each object in it, the largest first.

    Raises:
        InputError: the model has no click segmenter.
    """
    from finecaption.segmentation.automatic import masks_by_area

    encoded = captioner.encode(image)
    clickable = captioner.segmenter.encode(encoded.image, encoded.hr_features)
    return encoded, masks_by_area(captioner.segmenter, encoded.image, encoded=clickable)


__all__ = ["ImageResult", "Spec", "caption_images", "find_everything"]
