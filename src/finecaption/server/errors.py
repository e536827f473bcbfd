"""Errors as the OpenAI clients know them: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from finecaption.errors import FineCaptionError, InputError

log = logging.getLogger("finecaption.server")

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    499: "client_closed_request",
    504: "timeout_error",
}


class ApiError(HTTPException):
    """An answer with an error status; `param` names the field, `code` the kind of error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.param = param
        self.code = code


def error_body(
    status: int, message: str, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """The JSON of an error."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    # what cannot be written as UTF-8 must not break the telling of it
    message = message.encode("utf-8", "replace").decode()
    param = None if param is None else param.encode("utf-8", "replace").decode()
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_response(
    status: int,
    message: str,
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer with that JSON."""
    return JSONResponse(error_body(status, message, param, code), status, dict(headers or {}))


def input_error(error: Exception) -> ApiError:
    """Status 400 for unusable input; the field is the part of the message before the colon."""
    message = str(error)
    head = message.partition(":")[0]
    param = head if head and len(head) < 80 and " " not in head else None
    return ApiError(400, message, param=param)


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    param, code = getattr(error, "param", None), getattr(error, "code", None)
    message = str(error.detail)
    if type(error) is HTTPException and error.status_code == 404:
        message = f"there is no {request.url.path}; see /docs"
    return error_response(error.status_code, message, param, code, error.headers)


async def _input_error(request: Request, error: Exception) -> Response:
    return await _api_error(request, input_error(error))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # of a field that may be one thing or another, each is complained about: the deepest knows most,
    # and of two, the one for which the type is right
    first = max(
        error.errors(),
        key=lambda one: (len(_places(one, error.body)), not one["type"].endswith("_type")),
    )
    places = _places(first, error.body)
    param = ".".join(places) or None
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])[:80]
        message = f"Unrecognized request argument supplied: {name}"
        return error_response(400, message, name, "unknown_parameter")
    message = str(first["msg"]).removeprefix("Value error, ")
    return error_response(400, f"{param}: {message}" if param else message, param)


def _places(error: dict[str, Any], body: Any) -> list[str]:
    """Field names and numbers on the way to what is wrong, without pydantic's names of types and
    of the alternatives that it tried."""
    parts = [part for part in error["loc"] if part not in ("body", "query", "path")]
    named = []
    for place, part in enumerate(parts):
        last = place == len(parts) - 1 and error["type"] == "missing"
        within = isinstance(body, dict) and part in body
        if within or isinstance(body, list) and isinstance(part, int) and part < len(body):
            body = body[part]
        elif not last:
            continue
        if re.fullmatch(r"\w{1,80}", str(part)):
            named.append(str(part))
    return named


async def _crash(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_response(500, "the server failed on this request; its log says why")


async def _failed(request: Request, error: Exception) -> Response:
    log.error("%s %s failed: %s", request.method, request.url.path, error)
    return error_response(500, str(error))


def install(app: FastAPI) -> None:
    """Makes the application answer every error in this form."""
    app.add_exception_handler(HTTPException, _api_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(InputError, _input_error)
    app.add_exception_handler(FineCaptionError, _failed)
    app.add_exception_handler(Exception, _crash)
