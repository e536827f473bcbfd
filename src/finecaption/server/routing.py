"""Routes that parse JSON strictly: no NaN, no lone surrogates, limited nesting."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

from finecaption.errors import InputError
from finecaption.server.errors import ApiError, input_error
from finecaption.server.limits import HELD
from finecaption.server.memory import VALUE_BYTES
from finecaption.server.schemas import ErrorResponse
from finecaption.server.service import service_of
from finecaption.server.settings import Settings

MOST_VALUES = 250_000
"""Values in the JSON of a request. Reading them holds up everything else, for some 0.1 s; an image
or a mask is one value."""

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorResponse, "description": "The request cannot be used."},
    401: {"model": ErrorResponse, "description": "No API key, or a wrong one."},
    408: {"model": ErrorResponse, "description": "The request did not arrive in time."},
    413: {"model": ErrorResponse, "description": "The request is too large."},
    429: {"model": ErrorResponse, "description": "Too many are waiting; see Retry-After."},
    503: {"model": ErrorResponse, "description": "The model is not loaded."},
    504: {"model": ErrorResponse, "description": "No answer in time."},
}
"""What every route below /v1 may answer."""


class JsonRequest(Request):
    """A request whose JSON is read by pydantic's reader: it has a limit on nesting, and refuses
    what Python's own takes though no client can mean it."""

    async def json(self) -> Any:
        """The body's JSON, of which the memory is counted first.

        Raises:
            ApiError: 400, it is none, or has too many regions or clicks; 413, it has too many
                values; 429, there is no room for it.
        """
        body = await self.body()
        values = sum(body.count(sign) for sign in (b",", b"[", b"{"))
        if values > MOST_VALUES:
            message = (
                f"the request's JSON has over {MOST_VALUES:,} values; send masks as compressed RLE "
                "or PNG images"
            )
            raise ApiError(413, message, code="request_too_large")
        held = self.scope.get(HELD)
        if held is not None:
            with service_of(self).room():
                held.add(2 * len(body) + VALUE_BYTES * values)
        try:
            value = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise ApiError(400, f"the body is not JSON: {error}", code="invalid_json") from error
        try:
            check_counts(value, service_of(self).settings)
        except InputError as error:  # FastAPI hides other errors than its own
            raise input_error(error) from error
        return value


def check_counts(body: Any, settings: Settings) -> None:
    """Counts regions and clicks before each is looked at, which takes longer than reading them.

    Raises:
        InputError: there are more than the settings allow.
    """
    if not isinstance(body, dict):
        return
    regions = body.get("regions")
    regions = regions if isinstance(regions, list) else []
    if len(regions) > settings.max_regions:
        raise InputError(
            f"regions: {len(regions)} of them; a call takes at most {settings.max_regions}"
        )
    named = [("region", body.get("region")), ("segment", body)]
    named += [(f"regions[{number}]", region) for number, region in enumerate(regions)]
    for name, region in named:
        points = region.get("points") if isinstance(region, dict) else None
        if isinstance(points, list) and len(points) > settings.max_points:
            raise InputError(
                f"{name}.points: {len(points)} of them; at most {settings.max_points} are taken"
            )


class JsonRoute(APIRoute):
    """A route with such requests."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(JsonRequest(request.scope, request.receive))

        return handle
