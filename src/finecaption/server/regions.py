"""`/v1/regions`: many regions and questions in one call. `/v1/segment`: clicks to masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import Response

from finecaption.attributes import ATTRIBUTE_NAMES, resolve_attribute
from finecaption.errors import InputError
from finecaption.io import masks, strict_json
from finecaption.io.html import data_uri
from finecaption.io.masks import box_from_mask, encode_rle
from finecaption.protocol import require
from finecaption.request import Questions, Request
from finecaption.server.batching import Engine, Ticket
from finecaption.server.images import LoadedImage
from finecaption.server.region_field import to_region
from finecaption.server.routing import ERRORS, JsonRoute
from finecaption.server.schemas import (
    ErrorResponse,
    RegionModel,
    RegionsAnswer,
    RegionsRequest,
    SegmentAnswer,
    SegmentRequest,
)
from finecaption.server.service import Service, service_of
from finecaption.types import Region, RegionPrompt

if TYPE_CHECKING:
    from finecaption.results import CaptionResult

router = APIRouter(prefix="/v1", route_class=JsonRoute, tags=["regions"])

_MOST_MASKS = 40  # of all things in an image

_NO_MODEL: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorResponse, "description": "No such model."}
}


@router.post(
    "/regions",
    response_model=None,
    responses={200: {"model": RegionsAnswer}, **_NO_MODEL, **ERRORS},
)
async def regions(request: HttpRequest, body: RegionsRequest) -> Response:
    """Asks many attributes of many regions in one call.

    Of a region of which nothing is asked, a sentence and a paragraph are given; without any region,
    a paragraph on the whole image. Without `regions`, an RGBA image's alpha is the region.
    """
    service = service_of(request)
    deadline = service.deadline()
    with service.admit() as ticket:
        asked, digest = await _request(service, ticket, body)
        with service.room():
            job = service.engine.ask(asked, digest)
        result: CaptionResult = await service.outcome(request, job, deadline)
        text = await service.images.run(_text, result)
        ticket.hold(2 * len(text), refuse=False)
    answers = sum(len(r.captions) + (r.dense is not None) for r in result.regions)
    service.metrics.answers.inc(answers + (result.whole is not None))
    return Response(text, media_type="application/json")


def _text(result: CaptionResult) -> bytes:
    """The answer's JSON, in which every mask is encoded: for a thread."""
    return result.to_json().encode()


async def _request(service: Service, ticket: Ticket, body: RegionsRequest) -> tuple[Request, bytes]:
    """The request, and the digest of its image."""
    service.check_model(body.model)
    names = _names(body)
    limits = service.settings
    questions = Questions(names or (), body.dense, body.whole)
    if body.regions:
        questions = questions.resolve(len(body.regions))
    answers = len(body.regions) * len(questions.region_names) + body.whole
    if answers > limits.max_answers:
        raise InputError(
            f"regions: {answers} answers are asked for; at most {limits.max_answers} are given in "
            "a call"
        )
    with service.room():
        loaded = await service.images.load(
            body.image, alpha=not body.regions, field="image", hold=ticket.hold
        )
        ticket.hold(len(body.regions) * loaded.picture.width * loaded.picture.height)

    def read() -> tuple[Any, ...]:
        size, most = loaded.picture.size, limits.max_points
        return tuple(
            to_region(entry, size, max_points=most, field=f"regions[{number}]")
            for number, entry in enumerate(body.regions)
        )

    found = await service.images.run(read) if body.regions else _by_alpha(loaded)
    decoding = service.decoding(body, body.max_tokens)
    request = Request(loaded.picture, found, names, body.dense, body.whole, decoding)
    return request, loaded.digest


def _names(body: RegionsRequest) -> tuple[str, ...] | None:
    if body.attributes is None:
        return None
    if body.attributes == "all":
        return ATTRIBUTE_NAMES
    try:
        return tuple(dict.fromkeys(resolve_attribute(name[:200]).name for name in body.attributes))
    except InputError as error:
        raise InputError(f"attributes: {error}") from error


def _by_alpha(loaded: LoadedImage) -> tuple[Any, ...]:
    return () if loaded.mask is None else (Region(loaded.mask),)


@router.post(
    "/segment",
    response_model=None,
    responses={200: {"model": SegmentAnswer}, **_NO_MODEL, **ERRORS},
)
async def segment(request: HttpRequest, body: SegmentRequest) -> Response:
    """The mask of the thing under clicks or in a box, or the masks of everything.

    A mask can be sent back as `region` or among `regions`: as RLE, or as `{"mask": "data:..."}`.
    """
    service = service_of(request)
    deadline = service.deadline()
    if body.everything == bool(body.points or body.box):
        raise InputError('segment: give points, a box or both, or "everything": true')
    with service.admit() as ticket:
        service.check_model(body.model)
        with service.room():
            loaded = await service.images.load(
                body.image, alpha=False, field="image", hold=ticket.hold
            )
            size = loaded.picture.size
            ticket.hold((_MOST_MASKS if body.everything else 1) * size[0] * size[1])
        prompt: RegionPrompt | None = None
        if not body.everything:
            given = RegionModel.model_validate({"box": body.box, "points": body.points or None})
            found = to_region(given, size, max_points=service.settings.max_points, field="segment")
            assert isinstance(found, RegionPrompt)
            prompt = found
        with service.room():
            job = service.engine.call(lambda engine, check: _masks(engine, check, loaded, prompt))
        masks: list[tuple[np.ndarray, float]] = await service.outcome(request, job, deadline)
        text = await service.images.run(_record, size, masks, body.format)
        ticket.hold(2 * len(text), refuse=False)
    return Response(text, media_type="application/json")


def _masks(
    engine: Engine, check: Callable[[], None], loaded: LoadedImage, prompt: RegionPrompt | None
) -> list[tuple[np.ndarray, float]]:
    """Masks, bool (H, W), with their scores; on the engine's thread."""
    captioner: Any = engine.captioner
    require(captioner, "click")
    encoded = engine.encoded(loaded.picture, loaded.digest)
    segmenter = captioner.segmenter
    clickable = segmenter.encode(encoded.image, encoded.hr_features)
    if prompt is not None:
        found = segmenter.predict(clickable, prompt.points, box=prompt.box)
        return [(found.mask, found.score)]
    from finecaption.segmentation.automatic import generate_masks

    things = generate_masks(
        segmenter,
        encoded.image,
        encoded=clickable,
        max_masks=_MOST_MASKS,
        progress=lambda share: check(),
    )
    return [(thing.mask, thing.score) for thing in things]


def _record(size: tuple[int, int], masks: list[tuple[np.ndarray, float]], form: str) -> bytes:
    record = {
        "size": list(size),
        "masks": [
            {
                "mask": encode_rle(mask) if form == "rle" else _png(mask),
                "box": list(box_from_mask(mask)),
                "area": int(np.count_nonzero(mask)),
                "score": round(float(score), 4),
            }
            for mask, score in masks
        ],
    }
    return strict_json.dumps(record).encode()


def _png(mask: np.ndarray) -> str:
    return data_uri(masks.encode_png(mask), "png")
